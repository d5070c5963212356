package reconciler

import (
	"cmp"
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
// demand. What is held back goes if an approval was given of exactly that.
func (r *Reconciler) judge(ctx context.Context, s Snapshot, p plan.Plan, desired projects.Desired, live inventory.Listing) Verdict {
	return r.judgeWith(ctx, s, p, desired, live, r.given)
}

// judgeWith asks somebody else for the approval. What the guard holds back and what
// the rules want approved is one plan with one hash, so the rules are asked first
// what they would say if everything were let go: that is what an approval is of, and
// what happens when there is one. Where there is none, they are asked again about
// what is left: a machine that stays has not made room for another.
func (r *Reconciler) judgeWith(ctx context.Context, s Snapshot, p plan.Plan, desired projects.Desired, live inventory.Listing, approved consent) Verdict {
	v := r.ask(ctx, s, plan.Release(p), desired, live)
	wanted, waits := v.of(LevelHold), p
	if len(wanted) > 0 {
		waits = p.Block(plan.GateApproval, v.holds())
	}
	held := plan.Hold(waits)
	by := approved(held)
	if held != nil && by == "" {
		v = r.ask(ctx, s, waits, desired, live)
		v.Plan = v.Plan.Block(plan.GateApproval, v.holds())
		v.Violations = append(v.Violations, wanted...)
		slices.SortStableFunc(v.Violations, func(x, y Violation) int { return cmp.Compare(x.Level, y.Level) }) // denials first
	}
	if held != nil {
		held.By = by
	}
	v.Plan.Held = held
	v.Plan = v.Plan.Block(plan.GateMode, func(s plan.Step) string { return r.permission(s.Key.System()) })
	v.Plan = r.wait(v.Plan, desired).BlockDependants()
	return v
}

// ask has a plan judged, and closes the gate before what is denied. An error of the
// policy denies the whole plan.
func (r *Reconciler) ask(ctx context.Context, s Snapshot, p plan.Plan, desired projects.Desired, live inventory.Listing) Verdict {
	p = p.BlockDependants()
	violations, err := r.Policy.Check(ctx, PolicyInput{
		Rules: s.Tree, Plan: p, Desired: desired.Resources, Live: live.Items, Actor: s.Author, Time: r.now(),
	})
	v := Verdict{Violations: violations}
	if err != nil {
		v.Error = say(msgUnjudged, err)
		v.Plan = p.Block(plan.GatePolicy, func(plan.Step) string { return v.Error })
		return v
	}
	v.Plan = p.Block(plan.GatePolicy, named(violations, LevelDeny))
	return v
}

// of are the violations of a level.
func (v Verdict) of(level Level) []Violation {
	return slices.DeleteFunc(slices.Clone(v.Violations), func(x Violation) bool { return x.Level != level })
}

// holds gives the reason why a step must be approved that no rule denies.
func (v Verdict) holds() func(plan.Step) string {
	wanted := named(v.Violations, LevelHold)
	denied := named(v.Violations, LevelDeny)
	return func(s plan.Step) string {
		if v.Error != "" || denied(s) != "" {
			return ""
		}
		return wanted(s)
	}
}

// named gives the first rule's message for a step that a violation of a level names.
func named(violations []Violation, level Level) func(plan.Step) string {
	reasons := map[inventory.Key]string{}
	for _, v := range slices.Backward(violations) {
		if v.Level != level {
			continue
		}
		for _, key := range v.Keys {
			reasons[key] = v.Message
		}
	}
	return func(s plan.Step) string { return reasons[s.Key] }
}
