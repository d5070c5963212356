package reconciler

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler/plan"
)

// All that a commit status or a badge says of a pass stands in this file, so that
// it can be said in another language. The reasons that package plan and the rules
// give are theirs.
const (
	msgApplying   = "applying %s"
	msgValid      = "%d files, %d machines"
	msgValidWarn  = "%d files, %d machines; warning: %s"
	msgProblems   = "%s: %s"
	msgInSync     = "%s: in sync"
	msgKept       = "%s; %s kept, the first until %s"
	msgHeld       = "%d held back, approve %s: %s"
	msgApproved   = "%s; approved by %s"
	msgRetire     = "retire"
	msgRestart    = "restart"
	msgNoDay      = "a day that no mark names"
	msgNoChange   = "changes nothing"
	msgBlocked    = "%d blocked: %s"
	msgUnread     = "not read: %s"
	msgPolicyOK   = "no rule objects"
	msgPolicyWarn = "%s: %s"
	msgPolicyMore = "%s (and %d more)"
	msgApplied    = "%s: applied"
	msgDrifted    = "%s; %s drifted: %s"
	msgFailed     = "%d of %d changes failed: %s: %s"
	msgSeen       = "seen; the answer follows"
	msgPaused     = "paused: %s"
	msgWaiting    = "%d of %d changes wait: %s"
	msgStopped    = "stopped after %d of %d changes; the next pass goes on"
	msgSuperseded = "superseded by %s after %d of %d changes"
	msgSoFar      = "while %s is applied: %s"
)

// Why a change was not made, as far as the reconciler itself says so.
const (
	msgUnjudged   = "cannot judge, so everything is denied: %v"
	msgNoSystem   = "no system %q is configured"
	msgNoPrune    = "prune is off for %s"
	msgModeOff    = "%s is only observed (apply: off)"
	msgModeManual = "%s waits for 'provost apply' (apply: manual)"
	msgNeeds      = "waits for %s"
	msgNoAnswer   = "the system gave no answer for it"
	msgNoEnd      = "it did not end when provost stopped"
	msgFault      = "cannot go on with %s: a fault in provost itself; its log says where"
	msgNotStarted = "stopped before it was started"
	msgNotBegun   = "a newer commit came before it was started"
	msgShut       = "its time was over before it could begin; it waits for the next one"
	msgNoWindow   = "no window of campus.yaml names reboot"
	msgEndDoubted = "the end of %s (%s) was written down only lately: it needs an approval until %s, and none from then on"
	msgCircle     = "it needs itself, through other changes"
)

// Who may ask for what.
const (
	msgOwnersTitle = "A file is changed by those whom its owners name"
	msgRulesBroken = "the branch's own rules cannot be read, so nothing may be changed: %s"
	msgNotBelieved = "not applied: what %s declares stands"
	msgFromFork    = "%s (as declared: a fork is not shown what is live)"
	msgForkHeld    = "%d held back; a fork's plan cannot be approved, the branch's can once it is merged: %s"
)

// Words of the badge.
const (
	msgHealthNone    = "not declared"
	msgHealthWorking = "working"
	msgHealthFailed  = "%d failed"
	msgHealthBlocked = "%d blocked"
	msgHealthUnread  = "unread"
)

// longest is what every forge takes for a description: GitHub's limit.
const longest = 140

func say(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// ownPort is our end of a connection in an error of package net. It is another
// one each time, and a status that differs is written.
var ownPort = regexp.MustCompile(`\b(tcp|udp) \S+->`)

// clip shortens a description to what every forge takes, at a rune's edge and on
// one line. What is not UTF-8 would come back from a forge as something else, and
// what nobody sees is left out: whoever reads a status reads it in a terminal, too.
func clip(s string) string {
	s = ownPort.ReplaceAllString(strings.ToValidUTF8(s, "?"), "$1 ")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }), " ")
	if runes := []rune(s); len(runes) > longest {
		return string(runes[:longest-1]) + "…"
	}
	return s
}

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

// heldSteps are those that wait for an approval, the guard's first.
func heldSteps(p plan.Plan) []plan.Step {
	held := slices.DeleteFunc(p.BlockedSteps(), func(s plan.Step) bool { return s.Gate != plan.GateGuard && s.Gate != plan.GateApproval })
	slices.SortStableFunc(held, func(x, y plan.Step) int { return cmp.Compare(y.Gate, x.Gate) })
	return held
}

// describedVerbs are what steps do, in the order in which they are told.
var describedVerbs = []string{
	string(inventory.Create), string(inventory.Update), string(inventory.Replace), string(inventory.Adopt), msgRestart, msgRetire, string(inventory.Delete),
}

// describeSteps reads "create 62 guests, 124 records; update 1 guest".
func describeSteps(steps []plan.Step) string {
	counts := map[string]map[string]int{}
	for _, s := range steps {
		verb, kind := string(s.Action), s.Key.Kind()
		switch {
		case plan.Retires(s.Change):
			verb = msgRetire
		case kind == inventory.KindReboot:
			verb, kind = msgRestart, inventory.KindGuest
		}
		if counts[verb] == nil {
			counts[verb] = map[string]int{}
		}
		counts[verb][kind]++
	}
	var parts []string
	for _, verb := range describedVerbs {
		var kinds []string
		for _, kind := range []string{inventory.KindGuest, inventory.KindPower, inventory.KindRecord, inventory.KindReservation, inventory.KindFilter} {
			if n := counts[verb][kind]; n > 0 {
				kinds = append(kinds, plural(n, kind))
			}
		}
		if len(kinds) > 0 {
			parts = append(parts, verb+" "+strings.Join(kinds, ", "))
		}
	}
	if len(parts) == 0 {
		return plural(len(steps), "change")
	}
	return strings.Join(parts, "; ")
}

// describeKept adds how many retired guests are kept, and which day is the first
// on which one of them goes.
func describeKept(text string, kept []plan.Kept) string {
	if len(kept) == 0 {
		return text
	}
	first := msgNoDay
	for _, k := range kept {
		if k.Until != "" && (first == msgNoDay || k.Until < first) {
			first = k.Until
		}
	}
	return say(msgKept, text, plural(len(kept), "retired guest"), first)
}

// describeDrift adds the fields that drifted and stay as they are.
func describeDrift(text string, p plan.Plan) string {
	left := p.Reported()
	if len(left) == 0 {
		return text
	}
	var names []string
	for _, d := range left {
		names = append(names, string(d.Key)+" "+d.Field)
	}
	return say(msgDrifted, text, plural(len(left), "field"), strings.Join(names, ", "))
}

func plural(n int, kind string) string {
	if n == 1 || kind == inventory.KindPower {
		return fmt.Sprintf("%d %s", n, kind)
	}
	return fmt.Sprintf("%d %ss", n, kind)
}
