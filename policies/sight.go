package policies

import (
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler"
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
	who   bool     // its name and its student: then no change is like another
}

// sights are those of the built-in packages. A campus's own rules see everything.
var sights = map[string]sight{
	"provost.capacity": {kinds: []string{inventory.KindGuest}, attrs: []string{"node"}},
	"provost.names":    {kinds: []string{inventory.KindGuest}, who: true},
	"provost.placement": {
		kinds: []string{inventory.KindGuest, inventory.KindRecord},
		attrs: []string{"node", "storage", "create.base", "zone", "nets"}, nets: []string{"bridge"},
	},
	"provost.quota": {}, // the ledger has counted already
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
func (s sight) through(in reconciler.PolicyInput, spaces map[string]string) ([]*ast.Term, map[inventory.Key][]inventory.Key) {
	var changes []*ast.Term
	first, alike := map[string]inventory.Key{}, map[inventory.Key][]inventory.Key{}
	var content []byte
	for _, step := range in.Plan.Steps {
		if step.Blocked() || !slices.Contains(s.kinds, step.Key.Kind()) {
			continue
		}
		if s.who {
			changes = append(changes, changeTerm(step.Key, s.of(step.Change), spaces))
			continue
		}
		content = s.content(content[:0], step.Change)
		id, known := first[string(content)]
		if !known {
			id = inventory.Key("alike " + strconv.Itoa(len(first)))
			first[string(content)] = id
			changes = append(changes, changeTerm(id, s.of(step.Change), spaces))
		}
		alike[id] = append(alike[id], step.Key)
	}
	return changes, alike
}

// of is a change with what is seen of it and nothing else.
func (s sight) of(c inventory.Change) inventory.Change {
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
	if s.who {
		after.Owner.Student = c.After.Owner.Student
	}
	s.each(c, func(name, value string) { after.Attrs[name] = value })
	seen.After = after
	return seen
}

// content appends all that of keeps but the key, so that changes of equal
// content are alike.
func (s sight) content(b []byte, c inventory.Change) []byte {
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
func (s sight) sees(field string) bool {
	if group, name, dotted := strings.Cut(field, "."); dotted && group != "create" {
		return slices.Contains(s.nets, name)
	}
	return field == "owner" || s.who && (field == "key" || field == "name") || slices.Contains(s.attrs, field)
}

// each gives the attributes that are seen of a change, as they will be, in a
// fixed order.
func (s sight) each(c inventory.Change, yield func(name, value string)) {
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
