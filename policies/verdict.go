package policies

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

// verdict gathers what the rules answer and turns it into violations: one for
// each rule, message and owner, with all the changes it is about.
type verdict struct {
	steps []plan.Step // in key order
	found map[subject]*reconciler.Violation
	keys  map[subject]map[inventory.Key]bool
}

// subject is what makes two answers one violation.
type subject struct {
	rule, title, message string
	level                reconciler.Level
	owner                inventory.Owner
}

func newVerdict(in reconciler.PolicyInput) *verdict {
	return &verdict{
		steps: in.Plan.Steps,
		found: map[subject]*reconciler.Violation{},
		keys:  map[subject]map[inventory.Key]bool{},
	}
}

// step is the one of that key, or nil.
func (v *verdict) step(key inventory.Key) *plan.Step {
	at, ok := slices.BinarySearchFunc(v.steps, key, func(s plan.Step, key inventory.Key) int { return cmp.Compare(s.Key, key) })
	if !ok {
		return nil
	}
	return &v.steps[at]
}

// open is the one of that key that nothing blocks, or nil.
func (v *verdict) open(key inventory.Key) *plan.Step {
	if s := v.step(key); s != nil && !s.Blocked() {
		return s
	}
	return nil
}

// companions are, of a guest that would be made, the changes that only make
// sense with it: its power and all that its power waits for. A machine that may
// not be made leaves no address, record or filter behind.
func (v *verdict) companions(key inventory.Key) []inventory.Key {
	if key.Kind() != inventory.KindGuest || v.open(key).Action != inventory.Create {
		return nil
	}
	power := v.open(inventory.MakeKey(key.System(), inventory.KindPower, key.Name()))
	if power == nil || power.After == nil {
		return nil
	}
	with := []inventory.Key{power.Key}
	for _, need := range power.After.Needs {
		if need.Kind() != inventory.KindGuest && v.open(need) != nil {
			with = append(with, need)
		}
	}
	return with
}

// answer is one element of a deny, require_approval or warn.
type answer struct {
	message string
	id      inventory.Key    // the change it is about; "" for none in particular
	owner   *inventory.Owner // whom it is about, where it says so
	title   string           // from the rule's metadata
}

func (v *verdict) add(q query, answers []any, seen view) error {
	for _, raw := range answers {
		a, err := readAnswer(raw)
		if err == nil && a.id != "" && v.step(seen.standsFor(a.id)[0]) == nil {
			err = fmt.Errorf("id %q is no change of the plan: give the id of one of input.plan.changes", a.id)
		}
		if err != nil {
			return &Error{[]projects.Problem{q.problem("cannot use an answer of %s in %s: %v", q.name, q.pkg, err)}}
		}
		for _, key := range v.about(a, seen) {
			v.note(q, a, v.ownerOf(a, key), key)
		}
	}
	return nil
}

// about are the open changes that an answer names, by id, by owner, or all. An
// answer about nothing open is about the campus.
func (v *verdict) about(a answer, seen view) []inventory.Key {
	var keys []inventory.Key
	switch {
	case a.id != "":
		return slices.DeleteFunc(slices.Clone(seen.standsFor(a.id)), func(key inventory.Key) bool {
			return v.open(key) == nil // blocked already, and with a better reason
		})
	case a.owner != nil:
		keys = v.allOpen(func(o inventory.Owner) bool { return within(o, *a.owner) })
	default:
		keys = v.allOpen(func(inventory.Owner) bool { return true })
	}
	if len(keys) == 0 {
		return []inventory.Key{""}
	}
	return keys
}

// allOpen are the open changes of some owners.
func (v *verdict) allOpen(of func(inventory.Owner) bool) []inventory.Key {
	var keys []inventory.Key
	for i := range v.steps {
		if s := &v.steps[i]; !s.Blocked() && of(s.Owner) {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// within reports whether owner has everything that want names.
func within(owner, want inventory.Owner) bool {
	fits := func(have, want string) bool { return want == "" || have == want }
	return fits(owner.Campus, want.Campus) && fits(owner.File, want.File) &&
		fits(owner.Unit, want.Unit) && fits(owner.Student, want.Student)
}

// ownerOf is whom a violation is about: the one that the rule names, else the
// owner of the change, else the campus.
func (v *verdict) ownerOf(a answer, key inventory.Key) inventory.Owner {
	switch {
	case a.owner != nil:
		return *a.owner
	case a.id != "":
		return v.open(key).Owner
	default:
		return inventory.Owner{}
	}
}

func (v *verdict) note(q query, a answer, owner inventory.Owner, key inventory.Key) {
	if key == "" && q.level == reconciler.LevelHold {
		return // nothing waits, so there is nothing to approve
	}
	s := subject{rule: q.pkg, title: cmp.Or(a.title, q.title, q.pkg), message: q.prefix + a.message, level: q.level, owner: owner}
	if v.found[s] == nil {
		v.found[s] = &reconciler.Violation{Rule: s.rule, Title: s.title, Level: s.level, Message: s.message,
			Owner: owner, Where: cmp.Or(q.places[a.title], q.places[""])}
		v.keys[s] = map[inventory.Key]bool{}
	}
	if key == "" {
		return
	}
	v.keys[s][key] = true
	if q.level != reconciler.LevelWarn {
		for _, companion := range v.companions(key) {
			v.keys[s][companion] = true
		}
	}
}

// violations are sorted: denials first, then by owner, rule and message.
func (v *verdict) violations() []reconciler.Violation {
	list := make([]reconciler.Violation, 0, len(v.found))
	for s, violation := range v.found {
		violation.Keys = slices.Sorted(maps.Keys(v.keys[s]))
		list = append(list, *violation)
	}
	slices.SortFunc(list, func(a, b reconciler.Violation) int {
		return cmp.Or(cmp.Compare(a.Level, b.Level), strings.Compare(a.Owner.String(), b.Owner.String()),
			strings.Compare(a.Rule, b.Rule), strings.Compare(a.Message, b.Message),
			strings.Compare(a.Title, b.Title), strings.Compare(a.Owner.File, b.Owner.File))
	})
	return list
}
