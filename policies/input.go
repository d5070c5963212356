package policies

import (
	"cmp"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

// inputValue is the document that rules see as input; the package documentation
// describes it and testdata/input.golden.json shows one. It is built as a Rego
// value at once: by way of maps, 10,000 changes would cost five times as much.
//
// Built-in packages see less, and no totals but those that are exceeded: see [sight].
func (d *document) value(changes []*ast.Term, usage bool) ast.Value {
	fields := map[string]*ast.Term{
		"actor": text(d.in.Actor),
		"time":  text(d.in.Time.UTC().Format(time.RFC3339)),
		"plan":  term(map[string]*ast.Term{"changes": ast.ArrayTerm(changes...)}),
		"quota": list(d.stock.excess, excessTerm),
		"live":  d.live,
	}
	if usage {
		fields["usage"] = usageTerm(d.stock)
	}
	return object(fields)
}

// document is what the inputs of a plan are made from.
type document struct {
	in     reconciler.PolicyInput
	stock  ledger
	names  patterns
	spaces *workspaces
	live   *ast.Term
	alike  [][]*plan.Step  // open steps that no sight tells apart
	views  map[*sight]view // made for the first package that wants each; nil sees everything
}

// newDocument looks at everything that is live and planned once: there may be
// tens of thousands of either, and fetching them is what costs.
func newDocument(in reconciler.PolicyInput, l limits, names patterns, sights map[string]*sight) *document {
	room, books := newCapacity(), newBooks(l)
	for i := range in.Live {
		r := &in.Live[i]
		switch kind := r.Key.Kind(); kind {
		case inventory.KindGuest:
			books.has(r)
		default:
			room.has(kind, r)
		}
	}
	books.open()
	d := &document{in: in, names: names, spaces: newWorkspaces(in.Desired), views: map[*sight]view{}}
	seen := grouping{sight: together(sights)}
	for i := range in.Plan.Steps {
		s := &in.Plan.Steps[i]
		if s.Blocked() {
			continue
		}
		if s.Key.Kind() == inventory.KindGuest {
			d.spaces.note(s.After)
			room.load(s)
			books.ask(s)
		}
		seen.add(s)
	}
	d.stock, d.alike = books.settle(), seen.groups
	d.live = term(map[string]*ast.Term{
		"nodes":     placesTerm(room.nodes),
		"storages":  placesTerm(room.storages),
		"templates": each(room.templates, func(r *inventory.Resource) *ast.Term { return attrsTerm(r.Attrs) }),
	})
	return d
}

// view is the input of a package: what is in its sight, or else everything.
func (d *document) view(pkg string, sights map[string]*sight) view {
	s := sights[pkg]
	v, made := d.views[s]
	if !made {
		v = d.through(s)
		d.views[s] = v
	}
	return v
}

func (d *document) through(s *sight) view {
	if s != nil {
		changes, alike := s.through(d.alike, d.names, d.spaces)
		return view{d.value(changes, false), alike}
	}
	changes := []*ast.Term{}
	for i := range d.in.Plan.Steps {
		if s := &d.in.Plan.Steps[i]; !s.Blocked() {
			changes = append(changes, changeTerm(s.Key, &s.Change, d.spaces))
		}
	}
	return view{input: d.value(changes, true)}
}

// workspaces are what the declarations call their kind of file, by unit. Guests
// carry it; their records and reservations go by it too.
type workspaces struct {
	known map[string]string
	rest  []inventory.Resource // desired ones, not looked at yet
}

func newWorkspaces(desired []inventory.Resource) *workspaces {
	return &workspaces{known: map[string]string{}, rest: desired}
}

// note remembers what a guest says of its unit; of nil, nothing.
func (w *workspaces) note(r *inventory.Resource) {
	if r == nil {
		return
	}
	if _, known := w.known[r.Owner.Unit]; known {
		return
	}
	if space := r.Attrs["create.workspace"]; space != "" {
		w.known[r.Owner.Unit] = space
	}
}

// of a unit; a declaration that calls it nothing is in "projects" or "cohorts".
// What is desired is looked through once nothing planned has told.
func (w *workspaces) of(unit string) string {
	kind, _, declared := strings.Cut(unit, "/")
	if !declared {
		return ""
	}
	if _, known := w.known[unit]; !known {
		for i := range w.rest {
			if r := &w.rest[i]; r.Key.Kind() == inventory.KindGuest {
				w.note(r)
			}
		}
		w.rest = nil
	}
	return cmp.Or(w.known[unit], kind+"s")
}
