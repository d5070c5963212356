package policies

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gobwas/glob"
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

// sight is what the rules of a built-in package see of a change. Rego takes
// tens of microseconds for each change that it looks at, and of the machines of
// a cohort it would look at the same few words hundreds of times. So changes
// that a package cannot tell apart are shown to it once, and what it answers
// about the one it answers about all of them.
//
// What is not listed is not there: a rule that needs more must say so here.
type sight struct {
	kinds []string // of changes; others are not shown
	attrs []string // of the thing as it will be
	nets  []string // attributes of each of its interfaces
	// who shows, beside what guests that are alike have in common, the id and
	// student of each: as machines, by their name in the words of the limits,
	// which is vm-{student} for vm-ada of the student ada.
	who bool
}

// ours is what the built-in packages see, all of them, so that the plan is put
// together once: what one of them does not ask for costs less than a plan of its own.
var ours = &sight{
	kinds: []string{inventory.KindGuest, inventory.KindRecord},
	attrs: []string{"node", "storage", "create.base", "zone", "nets"}, nets: []string{"bridge"},
	who: true,
}

// sights are those of packages. A campus's own rules see everything.
var sights = map[string]*sight{
	"provost.capacity": ours, "provost.names": ours, "provost.placement": ours, "provost.quota": ours,
}

// view is an input, with the changes that ids in it stand for where they are no
// keys of changes.
type view struct {
	input ast.Value
	alike map[inventory.Key][]inventory.Key
}

// standsFor are the changes that an answer about id is about.
func (v view) standsFor(id inventory.Key) []inventory.Key {
	if keys := v.alike[id]; keys != nil {
		return keys
	}
	return []inventory.Key{id}
}

// through is the plan as a package of that sight sees it.
func (s *sight) through(in reconciler.PolicyInput, names patterns, spaces map[string]string) ([]*ast.Term, map[inventory.Key][]inventory.Key) {
	groups := s.groups(in.Plan)
	changes := make([]*ast.Term, len(groups))
	alike := make(map[inventory.Key][]inventory.Key, len(groups))
	for i, group := range groups {
		id := inventory.Key("alike " + strconv.Itoa(i))
		var more [][2]*ast.Term
		if s.who && group[0].Key.Kind() == inventory.KindGuest {
			more = [][2]*ast.Term{{word("machines"), names.machinesTerm(group)}}
		}
		changes[i] = changeTerm(id, s.of(group[0].Change), spaces, more...)
		keys := make([]inventory.Key, len(group))
		for i, step := range group {
			keys[i] = step.Key
		}
		alike[id] = keys
	}
	return changes, alike
}

// groups are the open steps of a plan, those together that are alike.
func (s *sight) groups(p plan.Plan) [][]*plan.Step {
	var groups [][]*plan.Step
	index := map[string]int{}
	var content []byte
	for i := range p.Steps {
		step := &p.Steps[i]
		if step.Blocked() || !slices.Contains(s.kinds, step.Key.Kind()) {
			continue
		}
		content = s.content(content[:0], step.Change)
		at, known := index[string(content)]
		if !known {
			at = len(groups)
			index[string(content)] = at
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], step)
	}
	return groups
}

// machinesTerm is who the machines of steps are, by pattern: two lists side by
// side, which cost a fraction of an object for each machine.
func (p patterns) machinesTerm(group []*plan.Step) *ast.Term {
	type who struct{ ids, students []*ast.Term }
	machines := map[string]*who{}
	for _, step := range group {
		student := studentOf(step.Change)
		pattern := p.of(step.Key.Name(), student)
		w := machines[pattern]
		if w == nil {
			w = &who{}
			machines[pattern] = w
		}
		w.ids, w.students = append(w.ids, text(string(step.Key))), append(w.students, text(student))
	}
	return each(machines, func(w *who) *ast.Term {
		return ast.ObjectTerm([2]*ast.Term{word("ids"), ast.ArrayTerm(w.ids...)}, [2]*ast.Term{word("students"), ast.ArrayTerm(w.students...)})
	})
}

func studentOf(c inventory.Change) string {
	if c.After == nil {
		return ""
	}
	return c.After.Owner.Student
}

// patterns are those of the limits that hold no login. What fits one of them is
// known by it, so that the many machines of projects are judged by a few words.
type patterns []pattern

type pattern struct {
	text string
	glob *glob.Pattern
}

func (l limits) patterns() patterns {
	var all patterns
	for _, n := range l.Names {
		for _, like := range n.Like {
			if g, err := glob.Compile(like); err == nil && !strings.Contains(like, "{student}") {
				all = append(all, pattern{like, g})
			}
		}
	}
	return all
}

// of is a name in the words of the limits.
func (p patterns) of(name, student string) string {
	if student != "" {
		return strings.ReplaceAll(name, student, "{student}")
	}
	for _, known := range p {
		if known.glob.Match(name) {
			return known.text
		}
	}
	return name
}

// of is a change with what is seen of it and nothing else.
func (s *sight) of(c inventory.Change) inventory.Change {
	seen := inventory.Change{Key: c.Key, Action: c.Action}
	for _, field := range c.Fields {
		if s.sees(field) {
			seen.Fields = append(seen.Fields, field)
		}
	}
	if c.After == nil {
		return seen
	}
	after := &inventory.Resource{Owner: inventory.Owner{Unit: c.After.Owner.Unit}, Attrs: inventory.Attrs{}}
	s.each(c, func(name, value string) { after.Attrs[name] = value })
	seen.After = after
	return seen
}

// content appends all that is seen of a change but its key, so that changes of
// equal content are alike.
func (s *sight) content(b []byte, c inventory.Change) []byte {
	put := func(word string) { b = append(append(b, word...), 0) }
	put(c.Key.System())
	put(c.Key.Kind())
	put(string(c.Action))
	for _, field := range c.Fields {
		if s.sees(field) {
			put(field)
		}
	}
	if c.After != nil {
		put("after")
		put(c.After.Owner.Unit)
		s.each(c, func(name, value string) { put(name); put(value) })
	}
	return b
}

// sees reports whether a changed field is one that rules may ask for.
func (s *sight) sees(field string) bool {
	if group, name, dotted := strings.Cut(field, "."); dotted && group != "create" {
		return slices.Contains(s.nets, name)
	}
	return field == "owner" || s.who && (field == "key" || field == "name") || slices.Contains(s.attrs, field)
}

// each gives the attributes that are seen of a change, as they will be, in a
// fixed order.
func (s *sight) each(c inventory.Change, yield func(name, value string)) {
	for _, name := range s.attrs {
		if value, ok := willBe(c, name); ok {
			yield(name, value)
		}
	}
	if len(s.nets) == 0 {
		return
	}
	nets, _ := willBe(c, "nets")
	for net := range strings.SplitSeq(nets, ",") {
		for _, name := range s.nets {
			if value, ok := willBe(c, net+"."+name); ok {
				yield(net+"."+name, value)
			}
		}
	}
}
