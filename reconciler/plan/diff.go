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
	// FrozenFiles are declaration files that could not be read, with the
	// reason: what they may declare is left alone.
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
	d := differ{
		desired: byKey(in.Desired),
		live:    byKey(in.Live),
		frozen:  newFreezer(in.Unknown),
		renamed: map[inventory.Key]bool{},
	}
	var steps []Step
	for _, key := range slices.Sorted(maps.Keys(d.desired)) {
		if step, ok := d.want(d.desired[key]); ok {
			steps = append(steps, step)
		}
	}
	for key, live := range d.live {
		if d.undeclared(key, live) && in.FrozenFiles[live.Owner.File] == "" {
			steps = append(steps, d.remove(live))
		}
	}
	slices.SortFunc(steps, func(a, b Step) int { return cmp.Compare(a.Key, b.Key) })
	keepPlannedNeeds(steps)
	return Plan{Steps: steps}
}

type differ struct {
	desired, live map[inventory.Key]inventory.Resource
	frozen        freezer
	renamed       map[inventory.Key]bool // live keys that a declaration took over
}

func byKey(list []inventory.Resource) map[inventory.Key]inventory.Resource {
	m := make(map[inventory.Key]inventory.Resource, len(list))
	for _, r := range list {
		m[r.Key] = r
	}
	return m
}

// want is the step for one desired resource, if it needs one.
func (d *differ) want(want inventory.Resource) (Step, bool) {
	step := Step{Change: inventory.Change{
		Key: want.Key, Action: inventory.Create, After: &want, Owner: want.Owner, Needs: want.Needs,
	}}
	have, ok := d.find(want)
	switch {
	case !ok && want.Adopts != "":
		step.Action = inventory.Adopt
		step.Gate, step.Reason = d.adoption(&step.Change, want)
	case !ok:
	case have.Owner.IsZero():
		step.Action, step.Before = inventory.Update, &have
		step.Gate, step.Reason = GateConflict, "it exists and does not carry our mark: remove it, rename yours, or adopt it"
	case d.restarts(want):
		// A replaced guest has lost its power with its old self.
	default:
		step.Action, step.Before = inventory.Update, &have
		step.Fields = differences(want, have)
		if len(step.Fields) == 0 {
			return Step{}, false
		}
		if rebuilds(want, have) {
			step.Action = inventory.Replace
		}
	}
	if reason := d.frozen.reason(want); reason != "" {
		step.Gate, step.Reason = GateFrozen, reason
	}
	return step, true
}

// find looks a desired resource up under its key, then under its former one.
func (d *differ) find(want inventory.Resource) (inventory.Resource, bool) {
	if have, ok := d.live[want.Key]; ok {
		return have, true
	}
	have, ok := d.live[want.Was]
	if !ok || have.Owner.IsZero() {
		return inventory.Resource{}, false
	}
	d.renamed[want.Was] = true
	return have, true
}

// restarts reports whether want is the power of a guest that is to run and is
// being made anew.
func (d *differ) restarts(want inventory.Resource) bool {
	if want.Key.Kind() != inventory.KindPower || want.Attrs["state"] != "running" {
		return false
	}
	guest, ok := d.desired[guestOf(want.Key)]
	if !ok {
		return false
	}
	have, ok := d.find(guest)
	return ok && !have.Owner.IsZero() && rebuilds(guest, have)
}

// adoption fills in the change that takes a foreign thing over. Adopting writes
// the mark and nothing else, so everything declared must already be true.
func (d *differ) adoption(c *inventory.Change, want inventory.Resource) (Gate, string) {
	have, ok := d.live[want.Adopts]
	if !ok {
		return GateConflict, fmt.Sprintf("there is no %s to adopt", want.Adopts)
	}
	c.Before = &have
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

// undeclared reports whether a live resource is ours and nothing declares it.
func (d *differ) undeclared(key inventory.Key, live inventory.Resource) bool {
	_, wanted := d.desired[key]
	return !wanted && !d.renamed[key] && !live.Owner.IsZero()
}

func (d *differ) remove(live inventory.Resource) Step {
	step := Step{Change: inventory.Change{
		Key: live.Key, Action: inventory.Delete, Before: &live, Owner: live.Owner,
	}}
	if live.Key.Kind() == inventory.KindGuest {
		step.Needs = []inventory.Key{powerOf(live.Key)}
	}
	if reason := d.frozen.reason(live); reason != "" {
		step.Gate, step.Reason = GateFrozen, reason
	}
	return step
}

// differences are the names of the attributes that differ, sorted. Power has
// neither key nor owner of its own: it follows its guest.
func differences(want, have inventory.Resource) []string {
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
func rebuilds(want, have inventory.Resource) bool {
	wanted, err := strconv.Atoi(cmp.Or(want.Attrs["rebuild"], "0"))
	had, err2 := strconv.Atoi(cmp.Or(have.Attrs["rebuild"], "0"))
	return err == nil && err2 == nil && wanted > had
}

// keepPlannedNeeds drops the needs that the plan does not change: they stand already.
func keepPlannedNeeds(steps []Step) {
	planned := make(map[inventory.Key]bool, len(steps))
	for _, s := range steps {
		planned[s.Key] = true
	}
	for i := range steps {
		var needs []inventory.Key
		for _, need := range steps[i].Needs {
			if planned[need] && need != steps[i].Key {
				needs = append(needs, need)
			}
		}
		slices.Sort(needs)
		steps[i].Needs = slices.Compact(needs)
	}
}

func powerOf(guest inventory.Key) inventory.Key {
	return inventory.MakeKey(guest.System(), inventory.KindPower, guest.Name())
}

func guestOf(power inventory.Key) inventory.Key {
	return inventory.MakeKey(power.System(), inventory.KindGuest, power.Name())
}
