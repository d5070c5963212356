package trust

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/provost-dev/provost/projects"
)

// Owners are the rules of policies/owners.yaml:
//
//	apiVersion: provost/v1
//	kind: Owners
//	unowned: deny            # a push of which the forge does not say whose it is: allow or deny
//	rules:                   # what no rule lets somebody change, he may not change
//	- paths: "**"
//	  who: [camille, group:cri/admins]
//	- paths: [projects/**, cohorts/**]
//	  who: group:cri/teachers
//	- paths: cohorts/*.yaml
//	  who: anyone
//	  entry: own             # only the entry in students: with his own login
//	  fields: {power: any, cores: flavour}
//
// One rule that lets somebody is enough. A field's value is any, or flavour: a
// number no higher than the template, or the flavour of the entry, has it in the
// tree that the rules are read from.
type Owners struct {
	rules []rule
	trust bool // unowned: allow
}

// rule lets some people change some of what lies on some paths.
type rule struct {
	paths  []pattern
	anyone bool
	logins []string
	groups []string
	own    bool             // nothing but the entry of one's own
	fields map[string]bound // nil: all
}

// bound is how far a field may be changed.
type bound string

const (
	boundAny     bound = "any"
	boundFlavour bound = "flavour"
)

// Edit is what somebody wants changed.
type Edit struct {
	Before, After projects.Tree // at least the changed files, as they are and as they would be
	Changed       []string      // paths that are added, changed or removed
	Login         string        // as the forge knows him; never what a commit says
	// Member reports whether he belongs to a group. An error is a no.
	Member func(group string) (bool, error)
}

// Trespass is a part of an edit that its author may not make.
type Trespass struct {
	Path  string
	Entry string   // "rapamato"; "" outside of lists
	Field string   // "memory"; "" when it is about the whole file
	Who   []string // who may change all of the file, or else parts of it
	Why   string   // what else stood in the way: a group that could not be asked
}

// place is the path with entry and field, for people.
func (t Trespass) place() string {
	place := t.Path
	if t.Entry != "" {
		place += " " + t.Entry
	}
	if t.Field != "" {
		place += " " + t.Field
	}
	return place
}

// For says that somebody may not do it, and who may.
func (t Trespass) For(login string) string {
	who := strings.Join(t.Who, ", ")
	if who == "" {
		who = "nobody"
	}
	text := fmt.Sprintf("%s: not for %s to change, but for %s", t.place(), login, who)
	if t.Why != "" {
		text += " (" + t.Why + ")"
	}
	return text
}

// TrustsUnknown reports whether a push is let through whose author the forge
// does not tell.
func (o *Owners) TrustsUnknown() bool { return o.trust }

// Trespasses are all parts of an edit that its author may not make, in the order
// of e.Changed. Nil owners let everybody do everything.
func (o *Owners) Trespasses(e Edit) []Trespass {
	if o == nil {
		return nil
	}
	asked := &asker{edit: e, known: map[string]bool{}}
	var all []Trespass
	for _, path := range e.Changed {
		all = append(all, o.within(path, asked)...)
	}
	return all
}

// within are the trespasses on one path.
func (o *Owners) within(path string, a *asker) []Trespass {
	var mine []rule
	var who, some []string // who may change all of it, or only parts
	for _, r := range o.rules {
		switch whole := !r.own && r.fields == nil; {
		case !covered(r.paths, path, a.edit.Login):
			continue
		case whole && a.among(r):
			return nil
		case whole:
			who = append(who, r.who()...)
		default:
			some = append(some, r.who()...)
			if a.among(r) {
				mine = append(mine, r)
			}
		}
	}
	if len(who) == 0 {
		who = some
	}
	slices.Sort(who)
	who = slices.Compact(who)
	if len(mine) == 0 {
		return []Trespass{{Path: path, Who: who, Why: a.why}}
	}
	parts, ok := difference(path, a.edit.Before[path], a.edit.After[path])
	if !ok {
		return []Trespass{{Path: path, Who: who, Why: "the change cannot be told apart into fields"}}
	}
	var out []Trespass
	for _, p := range parts {
		if !slices.ContainsFunc(mine, func(r rule) bool { return r.lets(p, a.edit) }) {
			out = append(out, Trespass{Path: path, Entry: p.entry, Field: p.field, Who: who, Why: a.why})
		}
	}
	return out
}

// lets reports whether a rule that covers the file and names the person lets him
// change this part of it.
func (r rule) lets(p part, e Edit) bool {
	if r.own && (p.list != studentsList || !strings.EqualFold(p.entry, e.Login)) {
		return false
	}
	if r.fields == nil {
		return true
	}
	top, _, _ := strings.Cut(p.field, ".")
	limit, ok := r.fields[p.field]
	if !ok {
		limit, ok = r.fields[top]
	}
	return ok && (limit == boundAny || p.removed || withinFlavour(p, e))
}

// withinFlavour reports whether a number is no higher than what the entry's
// flavour, or else the template, has before the edit.
func withinFlavour(p part, e Edit) bool {
	value, err := strconv.ParseUint(p.value, 10, 31)
	if err != nil || p.list != studentsList {
		return false
	}
	before, ok := parse(e.Before[p.path].Data)
	if !ok {
		return false
	}
	limit := child(child(child(before, "flavours"), p.flavour), p.field)
	if limit == nil {
		limit = child(child(before, "template"), p.field)
	}
	if limit == nil {
		return false
	}
	highest, err := strconv.ParseUint(limit.Value, 10, 31)
	return err == nil && value <= highest
}

// who names the people of a rule, for messages.
func (r rule) who() []string {
	names := slices.Concat(r.logins, r.groups)
	if r.anyone {
		names = append(names, "anyone")
	}
	limited := ""
	switch {
	case r.own:
		limited = " in the entry of his own"
	case r.fields != nil:
		limited = " in some fields"
	}
	for i := range names {
		names[i] += limited
	}
	return names
}

// asker finds out, once a group, where the author of an edit belongs.
type asker struct {
	edit  Edit
	known map[string]bool
	why   string // the first group that could not be asked
}

func (a *asker) among(r rule) bool {
	if r.anyone {
		return a.edit.Login != ""
	}
	if slices.ContainsFunc(r.logins, func(login string) bool { return strings.EqualFold(login, a.edit.Login) }) {
		return true
	}
	return slices.ContainsFunc(r.groups, a.belongs)
}

func (a *asker) belongs(group string) bool {
	yes, known := a.known[group]
	if known || a.edit.Login == "" || a.edit.Member == nil {
		return yes
	}
	yes, err := a.edit.Member(group)
	if err != nil {
		yes = false
		if a.why == "" {
			a.why = fmt.Sprintf("nobody can tell who belongs to %s: %v", group, err)
		}
	}
	a.known[group] = yes
	return yes
}
