package reconciler

import "github.com/provost-dev/provost/reconciler/plan"

// Order lets tests outside the package, which may use package policies, do the
// part of thinking that stands between the verdict and the first request: the
// graph of needs, and what is begun first.
func Order(p plan.Plan) int {
	w := newWalk(&Reconciler{}, len(p.Steps))
	for i := range p.Steps {
		w.add(&p.Steps[i].Change, p.Steps[i].Reason)
	}
	w.prepare()
	ready := 0
	for _, l := range w.lanes {
		ready += len(l.tasks)
	}
	return ready
}
