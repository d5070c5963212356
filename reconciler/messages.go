package reconciler

import (
	"fmt"
	"slices"
	"strings"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler/plan"
)

// All that a commit status says stands in this file, so that it can be said in
// another language.
const (
	msgApplying   = "applying %d changes"
	msgValid      = "%d files, %d machines"
	msgValidWarn  = "%d files, %d machines; warning: %s"
	msgProblems   = "%d errors: %s"
	msgProblem    = "1 error: %s"
	msgInSync     = "%s: in sync"
	msgNoChange   = "changes nothing"
	msgChanges    = "%s"
	msgBlocked    = "%d blocked: %s"
	msgUnread     = "not read: %s"
	msgPolicyOK   = "no rule objects"
	msgPolicyWarn = "%d warnings: %s"
	msgPolicyMore = "%s (and %d more)"
	msgApplied    = "%s: applied"
	msgFailed     = "%d of %d changes failed: %s: %s"
	msgPaused     = "paused: %s"
	msgObserving  = "%d changes wait: %s"
	msgWaiting    = "%s; %d wait: %s"
)

// longest is what every forge takes for a description: GitHub's limit.
const longest = 140

func say(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// clip shortens a description to what every forge takes, at a rune's edge and on one line.
func clip(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > longest {
		return string(runes[:longest-1]) + "…"
	}
	return s
}

func validateStatus(problems []projects.Problem, files, machines int) Status {
	errors, warnings := split(problems)
	switch {
	case len(errors) == 1:
		return Status{ContextValidate, StatusFailed, say(msgProblem, errors[0]), ""}
	case len(errors) > 1:
		return Status{ContextValidate, StatusFailed, say(msgProblems, len(errors), errors[0]), ""}
	case len(warnings) > 0:
		return Status{ContextValidate, StatusSuccess, say(msgValidWarn, files, machines, warnings[0]), ""}
	default:
		return Status{ContextValidate, StatusSuccess, say(msgValid, files, machines), ""}
	}
}

// planStatus fails where something that is declared cannot be made so. What the
// configuration holds back on purpose is not a failure.
func planStatus(p plan.Plan, totals map[string]int, unknown []inventory.Unknown) Status {
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
		return Status{ContextPlan, StatusSuccess, say(msgInSync, describeTotals(totals)), ""}
	}
	return Status{ContextPlan, StatusSuccess, say(msgChanges, describeSteps(p.Steps)), ""}
}

func policyStatus(v Verdict) Status {
	if v.Error != "" {
		return Status{ContextPolicy, StatusFailed, v.Error, ""}
	}
	var denies, warns []string
	for _, violation := range v.Violations {
		if violation.Level == LevelDeny {
			denies = append(denies, violation.Message)
		} else {
			warns = append(warns, violation.Message)
		}
	}
	switch {
	case len(denies) > 1:
		return Status{ContextPolicy, StatusFailed, say(msgPolicyMore, denies[0], len(denies)-1), ""}
	case len(denies) == 1:
		return Status{ContextPolicy, StatusFailed, denies[0], ""}
	case len(warns) > 0:
		return Status{ContextPolicy, StatusSuccess, say(msgPolicyWarn, len(warns), warns[0]), ""}
	default:
		return Status{ContextPolicy, StatusSuccess, msgPolicyOK, ""}
	}
}

func applyStatus(pass *Pass, paused string) Status {
	totals := describeTotals(pass.Totals)
	for _, r := range pass.Results {
		if r.Blocked == "" && r.State != inventory.StateDone {
			return Status{ContextApply, StatusFailed, say(msgFailed, pass.Failed(), len(pass.Results), r.Key, r.Error), ""}
		}
	}
	waiting := slices.DeleteFunc(pass.Plan.BlockedSteps(), func(s plan.Step) bool { return s.Gate != plan.GateMode })
	switch blocked := pass.Plan.BlockedSteps(); {
	case paused != "":
		return Status{ContextApply, StatusPending, say(msgPaused, paused), ""}
	case len(waiting) > 0:
		return Status{ContextApply, StatusPending, say(msgObserving, len(waiting), waiting[0].Reason), ""}
	case len(blocked) > 0:
		return Status{ContextApply, StatusFailed, say(msgWaiting, say(msgApplied, totals), len(blocked), blocked[0].Reason), ""}
	case len(pass.Unknown) > 0:
		return Status{ContextApply, StatusFailed, say(msgUnread, string(pass.Unknown[0].Prefix)+": "+pass.Unknown[0].Reason), ""}
	default:
		return Status{ContextApply, StatusSuccess, say(msgApplied, totals), ""}
	}
}

// describeTotals reads "62 guests, 124 records, 60 filters".
func describeTotals(totals map[string]int) string {
	var parts []string
	for _, kind := range []string{inventory.KindGuest, inventory.KindRecord, inventory.KindReservation, inventory.KindFilter} {
		if n := totals[kind]; n > 0 {
			parts = append(parts, plural(n, kind))
		}
	}
	if len(parts) == 0 {
		return "nothing declared"
	}
	return strings.Join(parts, ", ")
}

// describeSteps reads "create 62 guests, 124 records; update 1 guest".
func describeSteps(steps []plan.Step) string {
	counts := map[inventory.Action]map[string]int{}
	for _, s := range steps {
		if counts[s.Action] == nil {
			counts[s.Action] = map[string]int{}
		}
		counts[s.Action][s.Key.Kind()]++
	}
	var parts []string
	for _, action := range []inventory.Action{inventory.Create, inventory.Update, inventory.Replace, inventory.Adopt, inventory.Delete} {
		var kinds []string
		for _, kind := range []string{inventory.KindGuest, inventory.KindPower, inventory.KindRecord, inventory.KindReservation, inventory.KindFilter} {
			if n := counts[action][kind]; n > 0 {
				kinds = append(kinds, plural(n, kind))
			}
		}
		if len(kinds) > 0 {
			parts = append(parts, string(action)+" "+strings.Join(kinds, ", "))
		}
	}
	return strings.Join(parts, "; ")
}

func plural(n int, kind string) string {
	if n == 1 || kind == inventory.KindPower {
		return fmt.Sprintf("%d %s", n, kind)
	}
	return fmt.Sprintf("%d %ss", n, kind)
}
