package reconciler

import (
	"cmp"
	"slices"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler/plan"
)

// prepare adds the changes by which systems make the plan quicker. Nobody
// declared them and no rule judges them, so they come after all gates.
func (r *Reconciler) prepare(p plan.Plan, live inventory.Listing) plan.Plan {
	ready := map[string][]inventory.Change{}
	for _, c := range p.Ready() {
		ready[c.Key.System()] = append(ready[c.Key.System()], c)
	}
	steps := slices.Clone(p.Steps)
	for name, managed := range r.Systems {
		preparer, ok := managed.System.(Preparer)
		if !ok || r.permission(name) != "" {
			continue
		}
		for _, c := range preparer.Prepare(ready[name], live.Items) {
			steps = append(steps, plan.Step{Change: c})
		}
	}
	slices.SortFunc(steps, func(a, b plan.Step) int { return cmp.Compare(a.Key, b.Key) })
	p.Steps = steps
	return p
}
