package reconciler

import (
	"context"
	"slices"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler/plan"
)

// Verdict is a plan after all gates, and what the rules said about it.
type Verdict struct {
	Plan       plan.Plan
	Violations []Violation
	Error      string // why the rules could not be asked; everything is then denied
}

// judge asks the policy and closes the gates that it and the configuration
// demand. An error of the policy denies the whole plan.
func (r *Reconciler) judge(ctx context.Context, s Snapshot, p plan.Plan, desired projects.Desired, live inventory.Listing) Verdict {
	violations, err := r.Policy.Check(ctx, PolicyInput{
		Rules: s.Tree, Plan: p, Desired: desired.Resources, Live: live.Items, Actor: s.Author, Time: r.now(),
	})
	v := Verdict{Violations: violations}
	if err != nil {
		v.Error = say(msgUnjudged, err)
		p = p.Block(plan.GatePolicy, func(plan.Step) string { return v.Error })
	} else {
		p = p.Block(plan.GatePolicy, denied(violations))
	}
	p = p.Block(plan.GateMode, func(s plan.Step) string { return r.permission(s.Key.System()) })
	v.Plan = r.wait(p, desired).BlockDependants()
	return v
}

// denied gives the first rule's message for a step that a violation names.
func denied(violations []Violation) func(plan.Step) string {
	reasons := map[inventory.Key]string{}
	for _, v := range slices.Backward(violations) {
		if v.Level != LevelDeny {
			continue
		}
		for _, key := range v.Keys {
			reasons[key] = v.Message
		}
	}
	return func(s plan.Step) string { return reasons[s.Key] }
}
