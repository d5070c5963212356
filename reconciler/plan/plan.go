// Package plan computes what would change: the pure, sorted difference between
// what should be and what is, as plain data. The same plan feeds the policies,
// the golden files, the log, the web page and the status on a commit.
//
// To add a rule on what may not happen, add a gate: a function that blocks steps
// of a finished plan and says why (see [Guard], and [Wait] for what is not in its
// time). What must be known of earlier passes comes in as data, and is little:
// [Drifting] argues what, and why it stands on no live system. The package refuses
// to do I/O, to look at a clock, and to know any live system.
package plan

import (
	"slices"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// Gate names what blocked a step.
type Gate string

// The gates, in the order in which they judge. A step is blocked by the first.
const (
	GateConflict Gate = "conflict" // something foreign stands there
	GateFrozen   Gate = "frozen"   // its file or its system could not be read
	GateField    Gate = "field"    // the system cannot make this change in place
	GateMode     Gate = "mode"     // the system is set to observe, or not to prune
	GateGuard    Gate = "guard"    // too much would be deleted
	GatePolicy   Gate = "policy"   // a rule denies it
	GateApproval Gate = "approval" // a rule wants that somebody approves it
	GateCalendar Gate = "calendar" // it is not the time for it
	GateNeeds    Gate = "needs"    // something that it needs is blocked
)

// Step is a change and, where something forbids it, the gate and the reason.
type Step struct {
	inventory.Change
	Gate   Gate   `json:"gate,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Until is when the calendar's gate opens, zero where that is not known, and
	// Closes when it closes before a step that is open.
	Until  time.Time `json:"until,omitzero"`
	Closes time.Time `json:"closes,omitzero"`
}

// Blocked reports whether the step must not be applied.
func (s Step) Blocked() bool { return s.Gate != "" }

// Plan is what a pass would do: at most one step a key, sorted by key.
type Plan struct {
	Steps []Step `json:"steps"`
	// Kept are the guests that nothing declares and that are not due yet.
	Kept []Kept `json:"kept,omitempty"`
	// Drift are the fields that are not as declared though no commit asked for
	// that, but for those that are to be ignored.
	Drift []Drifted `json:"drift,omitempty"`
	// Pending are the running guests that take something at their next start only.
	Pending []Pending `json:"pending,omitempty"`
	// Held is what waits for an approval, or waited for the one that it has now.
	Held *Held `json:"held,omitempty"`
}

// Ready are the changes that nothing blocks, in key order.
func (p Plan) Ready() []inventory.Change {
	var changes []inventory.Change
	for _, s := range p.Steps {
		if !s.Blocked() {
			changes = append(changes, s.Change)
		}
	}
	return changes
}

// BlockedSteps are the steps that something blocks, in key order.
func (p Plan) BlockedSteps() []Step {
	return slices.DeleteFunc(slices.Clone(p.Steps), func(s Step) bool { return !s.Blocked() })
}

// Counts is the number of steps by action, and by gate for the blocked ones.
type Counts struct {
	Actions map[inventory.Action]int `json:"actions"`
	Gates   map[Gate]int             `json:"gates"`
}

// Count adds up the plan.
func (p Plan) Count() Counts {
	c := Counts{Actions: map[inventory.Action]int{}, Gates: map[Gate]int{}}
	for _, s := range p.Steps {
		if s.Blocked() {
			c.Gates[s.Gate]++
		} else {
			c.Actions[s.Action]++
		}
	}
	return c
}

// Block returns the plan with a gate closed before every open step for which
// judge gives a reason. The receiver is not changed.
func (p Plan) Block(gate Gate, judge func(Step) (reason string)) Plan {
	own := false
	for i := range p.Steps {
		if p.Steps[i].Blocked() {
			continue
		}
		reason := judge(p.Steps[i])
		if reason == "" {
			continue
		}
		if !own {
			p.Steps, own = slices.Clone(p.Steps), true
		}
		p.Steps[i].Gate, p.Steps[i].Reason = gate, reason
	}
	return p
}

// BlockDependants closes [GateNeeds] before every step that needs a blocked
// one, however far away, and names the nearest one it waits for. A guest that
// may not be deleted is not stopped for it either.
func (p Plan) BlockDependants() Plan {
	blocked := map[inventory.Key]bool{}
	for {
		before := len(blocked)
		for i := range p.Steps { // steps are large: only those that matter are copied
			if s := &p.Steps[i]; s.Blocked() {
				blocked[s.Key] = true
			}
		}
		if len(blocked) == before {
			return p
		}
		p = p.Block(GateNeeds, func(s Step) string {
			for _, need := range s.Needs {
				if blocked[need] {
					return "waits for " + string(need)
				}
			}
			if s.Action == inventory.Delete && s.Key.Kind() == inventory.KindPower && blocked[guestOf(s.Key)] {
				return "goes with " + string(guestOf(s.Key))
			}
			return ""
		})
	}
}
