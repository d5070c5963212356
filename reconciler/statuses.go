package reconciler

import (
	"cmp"
	"slices"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler/plan"
)

func validateStatus(problems []projects.Problem, files, machines int) Status {
	errors, warnings := split(problems)
	switch {
	case len(errors) > 0:
		return Status{ContextValidate, StatusFailed, say(msgProblems, plural(len(errors), "error"), errors[0]), ""}
	case len(warnings) > 0:
		return Status{ContextValidate, StatusSuccess, say(msgValidWarn, files, machines, warnings[0]), ""}
	default:
		return Status{ContextValidate, StatusSuccess, say(msgValid, files, machines), ""}
	}
}

// requestStatus is for a request that has no tree to validate.
func requestStatus(problem string) Status {
	return Status{ContextValidate, StatusFailed, problem, ""}
}

// requestPlanStatus is about what a request itself would change.
func requestPlanStatus(p plan.Plan, fork bool) Status {
	s := Status{ContextPlan, StatusSuccess, msgNoChange, ""}
	if len(p.Steps) > 0 {
		s = planStatus(p, nil, nil)
	}
	if held := heldSteps(p); fork && len(held) > 0 {
		return Status{ContextPlan, StatusFailed, say(msgForkHeld, len(held), held[0].Reason), ""}
	}
	if fork {
		s.Description = say(msgFromFork, s.Description)
	}
	return s
}

// planStatus fails where something that is declared cannot be made so. What the
// configuration holds back on purpose is not a failure.
func planStatus(p plan.Plan, totals map[string]int, unknown []inventory.Unknown) Status {
	if held := heldSteps(p); p.Held != nil && p.Held.By == "" && len(held) > 0 {
		return Status{ContextPlan, StatusFailed, say(msgHeld, p.Held.Count, p.Held.Hash, held[0].Reason), ""}
	}
	counts := p.Count()
	for _, s := range p.Steps {
		switch s.Gate {
		case plan.GateConflict, plan.GateField, plan.GateGuard:
			n := counts.Gates[plan.GateConflict] + counts.Gates[plan.GateField] + counts.Gates[plan.GateGuard]
			return Status{ContextPlan, StatusFailed, say(msgBlocked, n, string(s.Key)+": "+s.Reason), ""}
		}
	}
	if len(unknown) > 0 {
		return Status{ContextPlan, StatusFailed, say(msgUnread, string(unknown[0].Prefix)+": "+unknown[0].Reason), ""}
	}
	if len(p.Steps) == 0 {
		return Status{ContextPlan, StatusSuccess, describeDrift(describeKept(say(msgInSync, describeTotals(totals)), p.Kept), p), ""}
	}
	text := describeKept(describeSteps(p.Steps), p.Kept)
	if p.Held != nil {
		text = say(msgApproved, text, p.Held.By)
	}
	return Status{ContextPlan, StatusSuccess, text, ""}
}

func policyStatus(v Verdict) Status {
	if v.Error != "" {
		return Status{ContextPolicy, StatusFailed, v.Error, ""}
	}
	var denies, warns []string
	for _, violation := range v.Violations {
		switch {
		case violation.Level == LevelDeny, violation.Level == LevelHold && !v.approved():
			denies = append(denies, violation.Message)
		case violation.Level == LevelWarn:
			warns = append(warns, violation.Message)
		}
	}
	switch {
	case len(denies) > 1:
		return Status{ContextPolicy, StatusFailed, say(msgPolicyMore, denies[0], len(denies)-1), ""}
	case len(denies) == 1:
		return Status{ContextPolicy, StatusFailed, denies[0], ""}
	case len(warns) > 0:
		return Status{ContextPolicy, StatusSuccess, say(msgPolicyWarn, plural(len(warns), "warning"), warns[0]), ""}
	case v.approved() && len(v.of(LevelHold)) > 0:
		return Status{ContextPolicy, StatusSuccess, say(msgApproved, v.of(LevelHold)[0].Message, v.Plan.Held.By), ""}
	default:
		return Status{ContextPolicy, StatusSuccess, msgPolicyOK, ""}
	}
}

func (v Verdict) approved() bool { return v.Plan.Held != nil && v.Plan.Held.By != "" }

func applyingStatus(changes int) Status {
	return Status{ContextApply, StatusRunning, say(msgApplying, plural(changes, "change")), ""}
}

// soFar says of a plan that it was made while another commit is applied.
func soFar(s Status, commit string) Status {
	s.Description = say(msgSoFar, short(commit), s.Description)
	return s
}

func applyStatus(pass *Pass, paused string) Status {
	if pass.Superseded != "" {
		return Status{ContextApply, StatusCanceled, say(msgSuperseded, short(pass.Superseded), pass.Changed(), len(pass.Results)), ""}
	}
	if pass.Stopped {
		return Status{ContextApply, StatusPending, say(msgStopped, pass.Changed(), len(pass.Results)), ""}
	}
	for _, r := range pass.Results {
		if r.Blocked == "" && r.State != inventory.StateDone {
			return Status{ContextApply, StatusFailed, say(msgFailed, pass.Failed(), len(pass.Results), r.Key, r.Error), ""}
		}
	}
	blocked := pass.Plan.BlockedSteps()
	held := waiting(pass.Plan)
	late := slices.DeleteFunc(slices.Clone(pass.Results), func(r Result) bool { return r.Blocked != msgShut })
	switch {
	case len(late) > 0:
		return Status{ContextApply, StatusPending, say(msgWaiting, len(late), len(pass.Results), msgShut), ""}
	case paused != "":
		return Status{ContextApply, StatusPending, say(msgPaused, paused), ""}
	case len(held) > 0:
		return Status{ContextApply, StatusPending, describeDrift(say(msgWaiting, len(held), len(pass.Plan.Steps), held[0].Reason), pass.Plan), ""}
	case len(blocked) > 0:
		return Status{ContextApply, StatusFailed, say(msgWaiting, len(blocked), len(pass.Plan.Steps), cause(blocked)), ""}
	case len(pass.Unknown) > 0:
		return Status{ContextApply, StatusFailed, say(msgUnread, string(pass.Unknown[0].Prefix)+": "+pass.Unknown[0].Reason), ""}
	default:
		return Status{ContextApply, StatusSuccess, describeDrift(say(msgApplied, describeTotals(pass.Totals)), pass.Plan), ""}
	}
}

// waiting are the steps that the configuration or the calendar holds back on purpose.
func waiting(p plan.Plan) []plan.Step {
	return slices.DeleteFunc(p.BlockedSteps(), func(s plan.Step) bool { return s.Gate != plan.GateMode && s.Gate != plan.GateCalendar })
}

// cause is the first reason that is more than another change's.
func cause(blocked []plan.Step) string {
	at := slices.IndexFunc(blocked, func(s plan.Step) bool { return s.Gate != plan.GateNeeds })
	return blocked[max(at, 0)].Reason
}

// heldSteps are those that wait for an approval, the guard's first.
func heldSteps(p plan.Plan) []plan.Step {
	held := slices.DeleteFunc(p.BlockedSteps(), func(s plan.Step) bool { return s.Gate != plan.GateGuard && s.Gate != plan.GateApproval })
	slices.SortStableFunc(held, func(x, y plan.Step) int { return cmp.Compare(y.Gate, x.Gate) })
	return held
}
