package reconciler

import (
	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler/plan"
)

// standing is what stood when a pass ended, so that the next one knows what has
// drifted: what differs though nothing was declared since.
type standing struct {
	campus *projects.Campus       // as it was declared
	open   map[inventory.Key]bool // what did not stand
}

// stood reports whether a thing was as declared when the last pass ended, and the
// declarations are the same.
func (s standing) stood(campus *projects.Campus) func(inventory.Key) bool {
	if s.campus == nil || s.campus != campus {
		return func(inventory.Key) bool { return false }
	}
	return func(key inventory.Key) bool { return !s.open[key] }
}

// remember notes how a pass ends. What nobody could read does not stand.
func (r *Reconciler) remember(campus *projects.Campus, pass *Pass) {
	open := map[inventory.Key]bool{}
	for _, result := range pass.Results {
		if result.Blocked != "" || result.State != inventory.StateDone {
			open[result.Key] = true
		}
	}
	r.last = standing{campus, open}
	if len(pass.Unknown) > 0 || r.DryRun {
		r.last = standing{}
	}
}

// drift takes what drifted and is not to be corrected out of a plan.
func (r *Reconciler) drift(p plan.Plan, campus *projects.Campus, desired projects.Desired) plan.Plan {
	return plan.Drift(p, plan.Drifting{
		Modes: modes(desired), Was: r.noted.Fields, Stood: r.last.stood(campus), Corrects: r.Manual,
	})
}

func modes(desired projects.Desired) func(inventory.Owner, string) map[string]string {
	return func(o inventory.Owner, kind string) map[string]string { return desired.Drift.Modes(o.Unit, kind) }
}
