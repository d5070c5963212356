package policies

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gobwas/glob"
	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/provost-dev/provost/inventory"
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
	unit  bool     // whose it is
	// who shows, beside what guests that are alike have in common, the id and
	// student of each: as machines, by their name in the words of the limits,
	// which is vm-{student} for vm-ada of the student ada.
	who bool
}

// sights are those of the built-in packages; a campus's own rules see everything.
// Placement sees what some entry of the limits is about: of five nodes that
// nobody restricts it would only see the same things five times.
func (l limits) sights() map[string]*sight {
	guests := []string{inventory.KindGuest}
	placement := &sight{unit: true}
	for _, a := range l.Allow {
		for subject := range a.Lists {
			placement.join(subjectSights[subject])
		}
	}
	return map[string]*sight{
		"provost.capacity":  {kinds: guests, attrs: []string{"node"}},
		"provost.names":     {kinds: guests, unit: true, who: true},
		"provost.placement": placement,
		"provost.quota":     {}, // input.quota says it all
	}
}

// subjectSights are what placement must see to judge by a list of the limits.
var subjectSights = map[string]*sight{
	"nodes":    {kinds: []string{inventory.KindGuest}, attrs: []string{"node"}},
	"storages": {kinds: []string{inventory.KindGuest}, attrs: []string{"storage"}},
	"bridges":  {kinds: []string{inventory.KindGuest}, attrs: []string{"nets"}, nets: []string{"bridge"}},
	"bases":    {kinds: []string{inventory.KindGuest}, attrs: []string{"create.base"}},
	"zones":    {kinds: []string{inventory.KindRecord}, attrs: []string{"zone"}},
}

// join makes a sight see what another one sees, too.
func (s *sight) join(other *sight) {
	add := func(list *[]string, more []string) {
		for _, name := range more {
			if !slices.Contains(*list, name) {
				*list = append(slices.Clip(*list), name)
			}
		}
		slices.Sort(*list) // sights and subjects come in any order
	}
	add(&s.kinds, other.kinds)
	add(&s.attrs, other.attrs)
	add(&s.nets, other.nets)
	s.unit, s.who = s.unit || other.unit, s.who || other.who
}

// together sees what any of some sights sees.
func together(sights map[string]*sight) *sight {
	all := &sight{}
	for _, s := range sights {
		all.join(s)
	}
	return all
}

// view is an input, with the changes that ids in it stand for where they are no
// keys of changes.
type view struct {
	input ast.Value
	alike map[inventory.Key][]*plan.Step
}

// standsFor are the changes that an answer about id is about.
func (v view) standsFor(id inventory.Key) []inventory.Key {
	group := v.alike[id]
	if group == nil {
		return []inventory.Key{id}
	}
	keys := make([]inventory.Key, len(group))
	for i, step := range group {
		keys[i] = step.Key
	}
	return keys
}

// through is the plan as a package of that sight sees it. What a keener sight
// cannot tell apart this one cannot either, so it begins with groups of that.
func (s *sight) through(groups [][]*plan.Step, names patterns, spaces *workspaces) ([]*ast.Term, map[inventory.Key][]*plan.Step) {
	seen := grouping{sight: s}
	for _, group := range groups {
		seen.add(group...)
	}
	changes := make([]*ast.Term, len(seen.groups))
	alike := make(map[inventory.Key][]*plan.Step, len(seen.groups))
	for i, group := range seen.groups {
		id := inventory.Key("alike " + strconv.Itoa(i))
		var more [][2]*ast.Term
		if s.who {
			more = [][2]*ast.Term{{word("machines"), names.machinesTerm(group)}}
		}
		changes[i] = changeTerm(id, s.of(&group[0].Change), spaces, more...)
		alike[id] = group
	}
	return changes, alike
}

// grouping puts steps together that are alike.
type grouping struct {
	sight   *sight
	groups  [][]*plan.Step
	index   map[string]int // of groups, by content
	content []byte
}

// add puts steps, which are alike, to those like them. Steps that are not seen
// are left out.
func (g *grouping) add(alike ...*plan.Step) {
	c := &alike[0].Change
	kind := c.Key.Kind()
	if !slices.Contains(g.sight.kinds, kind) {
		return
	}
	g.content = g.sight.content(g.content[:0], kind, c)
	at, known := g.index[string(g.content)]
	if !known {
		if g.index == nil {
			g.index = map[string]int{}
		}
		at = len(g.groups)
		g.index[string(g.content)] = at
		g.groups = append(g.groups, nil)
	}
	g.groups[at] = append(g.groups[at], alike...)
}

// machinesTerm is who the machines of steps are, by pattern: two lists side by
// side, which cost a fraction of an object for each machine.
func (p patterns) machinesTerm(group []*plan.Step) *ast.Term {
	type who struct{ ids, students []*ast.Term }
	machines := map[string]*who{}
	for _, step := range group {
		student := studentOf(&step.Change)
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

func studentOf(c *inventory.Change) string {
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
func (s *sight) of(c *inventory.Change) *inventory.Change {
	seen := &inventory.Change{Key: c.Key, Action: c.Action}
	for _, field := range c.Fields {
		if s.sees(field) {
			seen.Fields = append(seen.Fields, field)
		}
	}
	if c.After == nil {
		return seen
	}
	after := &inventory.Resource{Attrs: inventory.Attrs{}}
	if s.unit {
		after.Owner.Unit = c.After.Owner.Unit
	}
	s.each(c, func(name, value string) { after.Attrs[name] = value })
	seen.After = after
	return seen
}

// content appends all that is seen of a change but its key, so that changes of
// equal content are alike.
func (s *sight) content(b []byte, kind string, c *inventory.Change) []byte {
	put := func(word string) { b = append(append(b, word...), 0) }
	put(c.Key.System())
	put(kind)
	put(string(c.Action))
	for _, field := range c.Fields {
		if s.sees(field) {
			put(field)
		}
	}
	if c.After != nil {
		put("after")
		if s.unit {
			put(c.After.Owner.Unit)
		}
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
func (s *sight) each(c *inventory.Change, yield func(name, value string)) {
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
			attr := netAttr(net, name)
			if value, ok := willBe(c, attr); ok {
				yield(attr, value)
			}
		}
	}
}

// netAttr is the attribute of an interface; nearly all are the first one's bridge.
func netAttr(net, name string) string {
	if net == "net0" && name == "bridge" {
		return "net0.bridge"
	}
	return net + "." + name
}
