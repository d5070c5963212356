package reconciler

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/untrusted"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler/plan"
)

// A commit status is one short line that a forge keeps as it is, and that reads
// the same in a page, a terminal and a mail.
func TestUntrustedTextsInStatuses(t *testing.T) {
	for _, u := range untrusted.Texts() {
		text := u.Text
		problem := projects.Problem{File: text, Line: 1, Column: 1, Message: text, Hint: text, Excerpt: text}
		warning := problem
		warning.Warning = true
		p := plan.Plan{Steps: []plan.Step{blockedBy(plan.GateConflict, inventory.Key("cri/guest/"+text), text)}}
		held := plan.Plan{Held: &plan.Held{Count: 1, Hash: text}, Steps: []plan.Step{blockedBy(plan.GateGuard, "cri/guest/x", text)}}
		approved := plan.Plan{Held: &plan.Held{Count: 1, Hash: text, By: text}, Kept: []plan.Kept{{Since: text, Until: text}}}
		failed := &Pass{Results: []Result{{Outcome: inventory.Outcome{Key: inventory.Key(text), State: inventory.StateFailed, Error: text}}}}
		unread := []inventory.Unknown{{Prefix: inventory.Key(text), Reason: text}}
		for _, s := range []Status{
			validateStatus([]projects.Problem{problem}, 1, 1), validateStatus([]projects.Problem{warning}, 1, 1), requestStatus(text),
			planStatus(p, nil, nil), planStatus(held, nil, nil), planStatus(approved, nil, nil), planStatus(plan.Plan{}, nil, unread),
			requestPlanStatus(p, true), policyStatus(Verdict{Error: text}),
			policyStatus(Verdict{Violations: []Violation{{Level: LevelDeny, Message: text}, {Level: LevelDeny, Message: text}}}),
			applyStatus(failed, ""), applyStatus(&Pass{}, text), applyStatus(&Pass{Unknown: unread}, ""),
		} {
			got := clip(s.Description)
			if r := untrusted.Obeyed(got); r >= 0 || strings.ContainsAny(got, "\n\t") || utf8.RuneCountInString(got) > longest {
				t.Errorf("%s: the status of %s would say %q", u.Name, s.Context, got)
			}
			if clip(got) != got {
				t.Errorf("%s: what a forge gives back is not what was written: %q", u.Name, got)
			}
		}
	}
}
