package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/provost-dev/provost/inventory"
)

// Input is what a plan is computed from. Order does not matter anywhere in it.
type Input struct {
	Desired []inventory.Resource
	Live    []inventory.Resource
	// Unknown are the parts of either side that could not be read.
	Unknown []inventory.Unknown
	// FrozenFiles are the declaration files, with the reason where one could not
	// be read: what it declared is left alone, and as it may declare now what
	// another file declared before, nothing else is deleted either.
	FrozenFiles map[string]string
}

// Diff says what has to change for live to become desired:
//
//	desired  live          step
//	yes      –             create; adopt or rename where the declaration says so
//	yes      ours, equal   none
//	yes      ours, differs update; replace where rebuild was raised
//	yes      foreign       none, blocked as a conflict
//	–        ours          delete
//	–        foreign       none: what does not carry our mark is not ours to touch
//
// Only attributes that the desired resource names are compared, so what a
// declaration leaves out stays as it is. The result is sorted by key and does
// not depend on the order of the input.
func Diff(in Input) Plan {
	d := differ{live: newIndex(in.Live), frozen: newFreezer(in.Unknown), broken: firstBroken(in.FrozenFiles)}
	desired := newIndex(in.Desired)
	d.prepare(desired)
	var unequal []pair // found first: steps are large, and growing a list of them copies it
	for want, have := range pairs(desired, d.live) {
		switch {
		case want != nil && !d.stands(want, have),
			want == nil && d.undeclared(have) && in.FrozenFiles[have.Owner.File] == "":
			unequal = append(unequal, pair{want, have})
		}
	}
	steps := make([]Step, len(unequal))
	for i, p := range unequal {
		if p.want != nil {
			steps[i] = d.want(p.want, p.have)
		} else {
			steps[i] = d.remove(p.have)
		}
	}
	keepPlannedNeeds(steps)
	return Plan{Steps: steps}
}

// pair is what stands, and should stand, under one key; nil where nothing does.
type pair struct{ want, have *inventory.Resource }

type differ struct {
	live    index
	frozen  freezer
	broken  string                 // the first file that cannot be read, or ""
	renamed map[inventory.Key]bool // live keys that a declaration took over
	rebuilt map[inventory.Key]bool // powers of guests that are made anew
}

// prepare looks for what concerns more than one key: renames and rebuilds.
func (d *differ) prepare(desired index) {
	d.renamed, d.rebuilt = map[inventory.Key]bool{}, map[inventory.Key]bool{}
	for _, want := range desired {
		rebuild := want.Key.Kind() == inventory.KindGuest && want.Attrs["rebuild"] != ""
		if want.Was == "" && !rebuild {
			continue
		}
		have := d.live.find(want.Key)
		if have == nil {
			if have = d.former(want); have != nil {
				d.renamed[want.Was] = true
			}
		}
		if rebuild && have != nil && !have.Owner.IsZero() && rebuilds(want, have) {
			d.rebuilt[powerOf(want.Key)] = true
		}
	}
}

// stands reports whether a desired resource needs no step. have stands under the
// same key, or is nil.
func (d *differ) stands(want, have *inventory.Resource) bool {
	if have == nil {
		have = d.former(want)
	}
	return have != nil && !have.Owner.IsZero() && len(differences(want, have)) == 0 && !d.restarts(want)
}

// want is the step for a desired resource that does not stand.
func (d *differ) want(want, have *inventory.Resource) Step {
	if have == nil {
		have = d.former(want)
	}
	step := Step{Change: inventory.Change{
		Key: want.Key, Action: inventory.Create, After: want, Owner: want.Owner, Needs: want.Needs,
	}}
	switch {
	case have == nil && want.Adopts != "":
		step.Action = inventory.Adopt
		step.Gate, step.Reason = d.adoption(&step.Change, want)
	case have == nil:
	case have.Owner.IsZero():
		step.Action, step.Before = inventory.Update, have
		step.Gate, step.Reason = GateConflict, "it exists and does not carry our mark: remove it, rename yours, or adopt it"
	case d.restarts(want):
		// A replaced guest has lost its power with its old self.
	default:
		step.Action, step.Before, step.Fields = inventory.Update, have, differences(want, have)
		if rebuilds(want, have) {
			step.Action = inventory.Replace
		}
	}
	if step.Action == inventory.Create {
		if reason := d.frozen.unsure(want); reason != "" {
			step.Gate, step.Reason = GateFrozen, reason
		}
	}
	if reason := d.frozen.reason(want); reason != "" {
		step.Gate, step.Reason = GateFrozen, reason
	}
	return step
}

// former is what is live of ours under the key that a resource had before, or nil.
func (d *differ) former(want *inventory.Resource) *inventory.Resource {
	if want.Was == "" {
		return nil
	}
	have := d.live.find(want.Was)
	if have == nil || have.Owner.IsZero() {
		return nil
	}
	return have
}

// restarts reports whether want is the power of a guest that is to run and is
// being made anew.
func (d *differ) restarts(want *inventory.Resource) bool {
	return d.rebuilt[want.Key] && want.Attrs["state"] == "running"
}

// adoption fills in the change that takes a foreign thing over. Adopting writes
// the mark and nothing else, so everything declared must already be true.
func (d *differ) adoption(c *inventory.Change, want *inventory.Resource) (Gate, string) {
	have := d.live.find(want.Adopts)
	if have == nil {
		return GateConflict, fmt.Sprintf("there is no %s to adopt", want.Adopts)
	}
	c.Before = have
	for _, name := range slices.Sorted(maps.Keys(want.Attrs)) {
		value, known := have.Attrs[name]
		if known && !inventory.CreateOnly(name) && name != "rebuild" && value != want.Attrs[name] {
			return GateConflict, fmt.Sprintf("cannot adopt %s: %s is %q there and %q here; declare what is there, or leave it out",
				want.Adopts, name, value, want.Attrs[name])
		}
	}
	c.Fields = []string{"owner"}
	return "", ""
}

// undeclared reports whether a live resource that nobody wants under its key is
// ours and no renamed one either.
func (d *differ) undeclared(live *inventory.Resource) bool {
	return !live.Owner.IsZero() && !d.renamed[live.Key]
}

func (d *differ) remove(live *inventory.Resource) Step {
	step := Step{Change: inventory.Change{
		Key: live.Key, Action: inventory.Delete, Before: live, Owner: live.Owner,
	}}
	if live.Key.Kind() == inventory.KindGuest {
		step.Needs = []inventory.Key{powerOf(live.Key)}
	}
	if reason := d.frozen.reason(live); reason != "" {
		step.Gate, step.Reason = GateFrozen, reason
	} else if d.broken != "" {
		step.Gate, step.Reason = GateFrozen, d.broken+" cannot be read, and it may have been moved there"
	}
	return step
}

func firstBroken(files map[string]string) string {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if files[name] != "" {
			return name
		}
	}
	return ""
}

// differences are the names of the attributes that differ, sorted. Power has
// neither key nor owner of its own: it follows its guest.
func differences(want, have *inventory.Resource) []string {
	var fields []string
	for name, value := range want.Attrs {
		if inventory.CreateOnly(name) || have.Attrs[name] == value {
			continue
		}
		if name != "rebuild" || rebuilds(want, have) {
			fields = append(fields, name)
		}
	}
	if want.Key.Kind() != inventory.KindPower {
		if want.Owner != have.Owner {
			fields = append(fields, "owner")
		}
		if want.Key != have.Key {
			fields = append(fields, "key")
		}
	}
	slices.Sort(fields)
	return fields
}

// rebuilds reports whether the declaration's rebuild number was raised. A
// lowered one changes nothing: what was rebuilt stays.
func rebuilds(want, have *inventory.Resource) bool {
	if want.Attrs["rebuild"] == "" {
		return false
	}
	wanted, err := strconv.Atoi(cmp.Or(want.Attrs["rebuild"], "0"))
	had, err2 := strconv.Atoi(cmp.Or(have.Attrs["rebuild"], "0"))
	return err == nil && err2 == nil && wanted > had
}

// keepPlannedNeeds drops the needs that the plan does not change: they stand already.
func keepPlannedNeeds(steps []Step) {
	planned := make([]inventory.Key, len(steps)) // sorted, and closer together than the steps
	for i := range steps {
		planned[i] = steps[i].Key
	}
	find := Finder(planned)
	for i := range steps {
		s := &steps[i]
		idle := func(need inventory.Key) bool {
			_, ok := find(need)
			return !ok || need == s.Key
		}
		if !slices.IsSorted(s.Needs) || slices.ContainsFunc(s.Needs, idle) {
			s.Needs = slices.DeleteFunc(slices.Clone(s.Needs), idle)
			slices.Sort(s.Needs)
			if len(s.Needs) == 0 {
				s.Needs = nil // as where nothing is needed
			}
		}
		s.Needs = withoutTwins(s.Needs)
	}
}

// withoutTwins is a sorted list with every key once. The list itself is somebody
// else's, and stays as it is.
func withoutTwins(sorted []inventory.Key) []inventory.Key {
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			return slices.Compact(slices.Clone(sorted))
		}
	}
	return sorted
}

func powerOf(guest inventory.Key) inventory.Key {
	return inventory.MakeKey(guest.System(), inventory.KindPower, guest.Name())
}

func guestOf(power inventory.Key) inventory.Key {
	return inventory.MakeKey(power.System(), inventory.KindGuest, power.Name())
}
