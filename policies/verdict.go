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
	open       map[inventory.Key]plan.Step
	known      map[inventory.Key]bool // blocked steps included
	companions map[inventory.Key][]inventory.Key
	found      map[subject]*reconciler.Violation
	keys       map[subject]map[inventory.Key]bool
}

// subject is what makes two answers one violation.
type subject struct {
	rule, title, message string
	level                reconciler.Level
	owner                inventory.Owner
}

func newVerdict(in reconciler.PolicyInput) *verdict {
	v := &verdict{
		open:  map[inventory.Key]plan.Step{},
		known: map[inventory.Key]bool{},
		found: map[subject]*reconciler.Violation{},
		keys:  map[subject]map[inventory.Key]bool{},
	}
	for _, s := range in.Plan.Steps {
		v.known[s.Key] = true
		if !s.Blocked() {
			v.open[s.Key] = s
		}
	}
	v.companions = companions(v.open)
	return v
}

// companions are, for each guest that would be made, the changes that only make
// sense with it: its power and all that its power waits for. A machine that may
// not be made leaves no address, record or filter behind.
func companions(open map[inventory.Key]plan.Step) map[inventory.Key][]inventory.Key {
	with := map[inventory.Key][]inventory.Key{}
	for key, s := range open {
		if key.Kind() != inventory.KindGuest || s.Action != inventory.Create {
			continue
		}
		power, ok := open[inventory.MakeKey(key.System(), inventory.KindPower, key.Name())]
		if !ok || power.After == nil {
			continue
		}
		with[key] = append(with[key], power.Key)
		for _, need := range power.After.Needs {
			if _, ok := open[need]; ok && need.Kind() != inventory.KindGuest {
				with[key] = append(with[key], need)
			}
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

func (v *verdict) add(q query, answers []any) error {
	for _, raw := range answers {
		a, err := readAnswer(raw)
		if err == nil && a.id != "" && !v.known[a.id] {
			err = fmt.Errorf("id %q is no change of the plan: give the id of one of input.plan.changes", a.id)
		}
		if err != nil {
			return &Error{[]projects.Problem{q.problem("cannot use an answer of %s in %s: %v", q.name, q.pkg, err)}}
		}
		for _, key := range v.about(a) {
			v.note(q, a, v.ownerOf(a, key), key)
		}
	}
	return nil
}

// about are the open changes that an answer names, by id, by owner, or all. An
// answer about nothing open is about the campus.
func (v *verdict) about(a answer) []inventory.Key {
	var keys []inventory.Key
	switch {
	case a.id != "":
		if _, ok := v.open[a.id]; !ok {
			return nil // blocked already, and with a better reason
		}
		return []inventory.Key{a.id}
	case a.owner != nil:
		for key, s := range v.open {
			if within(s.Owner, *a.owner) {
				keys = append(keys, key)
			}
		}
	default:
		keys = slices.Collect(maps.Keys(v.open))
	}
	if len(keys) == 0 {
		return []inventory.Key{""}
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
		return v.open[key].Owner
	default:
		return inventory.Owner{}
	}
}

func (v *verdict) note(q query, a answer, owner inventory.Owner, key inventory.Key) {
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
	if q.level == reconciler.LevelDeny {
		for _, companion := range v.companions[key] {
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
