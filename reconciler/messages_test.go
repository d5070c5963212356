package reconciler

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler/plan"
)

func TestClip(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"short":             {"62 guests: applied", "62 guests: applied"},
		"on one line":       {"a\n\tb \r\n c ", "a b c"},
		"as long as it may": {strings.Repeat("é", 140), strings.Repeat("é", 140)},
		"one too many":      {strings.Repeat("é", 141), strings.Repeat("é", 139) + "…"},
		"wide":              {strings.Repeat("機", 500), strings.Repeat("機", 139) + "…"},
		"beyond the plane":  {strings.Repeat("🖥", 200), strings.Repeat("🖥", 139) + "…"},
		"not UTF-8":         {"caf\xe9 fermé", "caf? fermé"},
		"nothing":           {"", ""},
	} {
		if got := clip(c.in); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A broken connection is told of in the same words in each pass, though each had
// a port of its own: a status that differs is written.
func TestABrokenConnectionIsToldOnce(t *testing.T) {
	for text, want := range map[string]string{
		"read tcp 10.0.0.5:51234->10.0.0.9:8006: connection reset by peer": "read tcp 10.0.0.9:8006: connection reset by peer",
		"write tcp [::1]:51234->[fe80::1]:8006: broken pipe":               "write tcp [fe80::1]:8006: broken pipe",
		"dial tcp 10.0.0.9:8006: connect: connection refused":              "dial tcp 10.0.0.9:8006: connect: connection refused",
	} {
		if got := clip(text); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func FuzzClip(f *testing.F) {
	f.Add("Zoé\n" + strings.Repeat("é", 200))
	f.Add("\xff\xfe")
	f.Fuzz(func(t *testing.T, s string) {
		got := clip(s)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > longest || strings.ContainsAny(got, "\r\n") {
			t.Errorf("%q became %q", s, got)
		}
	})
}

// blockedBy is a step that a gate holds back.
func blockedBy(gate plan.Gate, key inventory.Key, reason string) plan.Step {
	return plan.Step{Change: inventory.Change{Key: key, Action: inventory.Create}, Gate: gate, Reason: reason}
}

func open(action inventory.Action, key inventory.Key) plan.Step {
	return plan.Step{Change: inventory.Change{Key: key, Action: action}}
}

func result(key inventory.Key, state inventory.State, blocked string) Result {
	return Result{Outcome: inventory.Outcome{Key: key, State: state, Error: "no space left"}, Blocked: blocked}
}

func TestStatuses(t *testing.T) {
	problem := projects.Problem{File: "projects/a.yaml", Line: 3, Column: 1, Message: "no such key"}
	warning := problem
	warning.Warning = true
	unread := []inventory.Unknown{{Prefix: "cri", Reason: "401"}}
	totals := map[string]int{inventory.KindGuest: 62, inventory.KindRecord: 124, inventory.KindPower: 62}
	steps := func(s ...plan.Step) plan.Plan { return plan.Plan{Steps: s} }
	drift := []plan.Drifted{{Key: "cri/guest/a", Field: "memory"}, {Key: "cri/guest/a", Field: "cores", Corrected: true}, {Key: "cri/guest/b", Field: "cores"}}
	deny := Violation{Level: LevelDeny, Message: "quota: student rapamato asks 40 GiB of 16"}
	warn := Violation{Level: LevelWarn, Message: "80 % of the storage is taken"}

	for _, c := range []struct {
		got  Status
		want string
	}{
		{validateStatus(nil, 12, 62), "provost/validate success 12 files, 62 machines"},
		{validateStatus([]projects.Problem{problem}, 1, 0), "provost/validate failed 1 error: projects/a.yaml:3:1: no such key"},
		{validateStatus([]projects.Problem{warning, problem, problem}, 1, 0), "provost/validate failed 2 errors: projects/a.yaml:3:1: no such key"},
		{validateStatus([]projects.Problem{warning}, 12, 62), "provost/validate success 12 files, 62 machines; warning: projects/a.yaml:3:1: no such key"},
		{requestStatus("rebase: a.yaml changed on both sides"), "provost/validate failed rebase: a.yaml changed on both sides"},

		{planStatus(steps(), totals, nil), "provost/plan success 62 guests, 124 records: in sync"},
		{planStatus(steps(), nil, nil), "provost/plan success nothing declared: in sync"},
		{planStatus(plan.Plan{Drift: drift}, totals, nil), "provost/plan success 62 guests, 124 records: in sync; 2 fields drifted: cri/guest/a memory, cri/guest/b cores"},
		{planStatus(steps(open(inventory.Update, "cri/reboot/a"), open(inventory.Update, "cri/guest/b")), totals, nil), "provost/plan success update 1 guest; restart 1 guest"},
		{planStatus(steps(), totals, unread), "provost/plan failed not read: cri: 401"},
		{planStatus(steps(open(inventory.Create, "cri/guest/a"), open(inventory.Create, "cri/power/a"), open(inventory.Delete, "ad/record/a/A"), open(inventory.Delete, "ad/record/b/A")), totals, nil),
			"provost/plan success create 1 guest, 1 power; delete 2 records"},
		{planStatus(steps(open(inventory.Create, "cri/play/a")), totals, nil), "provost/plan success 1 change"},
		{planStatus(steps(blockedBy(plan.GateNeeds, "cri/a/a", "waits"), blockedBy(plan.GateGuard, "cri/guest/a", "its file is gone"), blockedBy(plan.GateField, "cri/guest/b", "shrinks")), totals, unread),
			"provost/plan failed 2 blocked: cri/guest/a: its file is gone"},
		{planStatus(steps(blockedBy(plan.GateMode, "cri/guest/a", "observed")), totals, nil), "provost/plan success create 1 guest"},
		{requestPlanStatus(steps(), false), "provost/plan success changes nothing"},
		{requestPlanStatus(steps(), true), "provost/plan success changes nothing (as declared: a fork is not shown what is live)"},
		{requestPlanStatus(steps(open(inventory.Replace, "cri/guest/a")), false), "provost/plan success replace 1 guest"},

		{policyStatus(Verdict{}), "provost/policy success no rule objects"},
		{policyStatus(Verdict{Error: "cannot judge"}), "provost/policy failed cannot judge"},
		{policyStatus(Verdict{Violations: []Violation{warn, deny}}), "provost/policy failed quota: student rapamato asks 40 GiB of 16"},
		{policyStatus(Verdict{Violations: []Violation{deny, deny, warn}}), "provost/policy failed quota: student rapamato asks 40 GiB of 16 (and 1 more)"},
		{policyStatus(Verdict{Violations: []Violation{warn}}), "provost/policy success 1 warning: 80 % of the storage is taken"},

		{applyingStatus(1), "provost/apply running applying 1 change"},
		{applyingStatus(12), "provost/apply running applying 12 changes"},
		{applyStatus(&Pass{Totals: totals}, ""), "provost/apply success 62 guests, 124 records: applied"},
		{applyStatus(&Pass{Totals: totals, Plan: plan.Plan{Drift: drift}}, ""),
			"provost/apply success 62 guests, 124 records: applied; 2 fields drifted: cri/guest/a memory, cri/guest/b cores"},
		{applyStatus(&Pass{Plan: steps(blockedBy(plan.GatePolicy, "a/a/a", "quota"), blockedBy(plan.GateCalendar, "b/b/b", "freeze exams, until Monday"))}, ""),
			"provost/apply pending 1 of 2 changes wait: freeze exams, until Monday"},
		{applyStatus(&Pass{Results: []Result{result("a/a/a", "", msgShut)}}, ""), "provost/apply pending 1 of 1 changes wait: " + msgShut},
		{applyStatus(&Pass{Totals: totals}, "exams"), "provost/apply pending paused: exams"},
		{applyStatus(&Pass{Totals: totals, Unknown: unread}, ""), "provost/apply failed not read: cri: 401"},
		{applyStatus(&Pass{Results: []Result{result("cri/guest/a", inventory.StateDone, ""), result("cri/guest/b", inventory.StateFailed, ""), result("cri/power/b", "", "waits")}}, "exams"),
			"provost/apply failed 1 of 3 changes failed: cri/guest/b: no space left"},
		{applyStatus(&Pass{Stopped: true, Results: []Result{result("cri/guest/a", inventory.StateDone, ""), result("cri/guest/b", inventory.StateUnknown, "")}}, ""),
			"provost/apply pending stopped after 1 of 2 changes; the next pass goes on"},
		{applyStatus(&Pass{Plan: steps(blockedBy(plan.GatePolicy, "a/a/a", "quota"), blockedBy(plan.GateMode, "b/b/b", "observed"))}, ""),
			"provost/apply pending 1 of 2 changes wait: observed"},
		{applyStatus(&Pass{Totals: totals, Plan: steps(blockedBy(plan.GateNeeds, "a/a/a", "waits for b"), blockedBy(plan.GatePolicy, "b/b/b", "quota"), open(inventory.Create, "c/c/c"))}, ""),
			"provost/apply failed 2 of 3 changes wait: quota"},
	} {
		if got := string(c.got.Context) + " " + string(c.got.State) + " " + c.got.Description; got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}
