package reconciler

import (
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler/plan"
)

// Stage is how far a pass has come.
type Stage string

// The stages, in order.
const (
	StageReading  Stage = "reading"
	StagePlanned  Stage = "planned"
	StageApplying Stage = "applying"
	StageDone     Stage = "done"
)

// Pass is the record of one pass: plain data for pages, logs and tests. A
// published pass is never changed again; each stage publishes a new copy.
type Pass struct {
	ID       string    `json:"id"`
	Commit   string    `json:"commit"`
	Branch   string    `json:"branch"`
	Author   string    `json:"author"`
	Subject  string    `json:"subject"`
	Stage    Stage     `json:"stage"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished,omitzero"`

	Refused    []Refusal           `json:"refused,omitempty"` // newer commits that are not believed
	Newer      *ProposalPass       `json:"newer,omitempty"`   // what was answered on a newer commit while this one was applied
	Problems   []projects.Problem  `json:"problems,omitempty"`
	Unknown    []inventory.Unknown `json:"unknown,omitempty"`
	Plan       plan.Plan           `json:"plan"`
	Violations []Violation         `json:"violations,omitempty"`
	Results    []Result            `json:"results,omitempty"`
	Proposals  []ProposalPass      `json:"proposals,omitempty"`
	Statuses   []Status            `json:"statuses"`

	Machines int            `json:"machines"` // guests declared
	Totals   map[string]int `json:"totals"`   // desired resources by kind
	Units    map[string]int `json:"units"`    // declared machines by cohort and project
	Error    string         `json:"error,omitempty"`
	Stopped  bool           `json:"stopped,omitempty"` // before everything was applied
	// Superseded is the newer commit for which it was stopped.
	Superseded string    `json:"superseded,omitempty"`
	Wakes      time.Time `json:"wakes,omitzero"` // when the calendar lets more go out, or ends a cohort
}

// Result is what became of one step: an outcome, or what it was blocked by.
type Result struct {
	inventory.Outcome
	Action   inventory.Action `json:"action"`
	Owner    inventory.Owner  `json:"owner,omitzero"`
	Blocked  string           `json:"blocked,omitempty"` // why it was not tried
	Attempts int              `json:"attempts"`
	Seconds  float64          `json:"seconds"`
}

// ProposalPass is what a pass said about one merge request.
type ProposalPass struct {
	ID         string             `json:"id"`
	Title      string             `json:"title"`
	URL        string             `json:"url,omitempty"`
	Commit     string             `json:"commit"`
	Problem    string             `json:"problem,omitempty"`
	Problems   []projects.Problem `json:"problems,omitempty"`
	Plan       plan.Plan          `json:"plan"` // only what the request itself would change
	Violations []Violation        `json:"violations,omitempty"`
	Statuses   []Status           `json:"statuses"`
}

// Changed is the number of steps that were carried out.
func (p *Pass) Changed() int { return p.count(inventory.StateDone) }

// Failed is the number of steps that were tried and are not done.
func (p *Pass) Failed() int {
	return p.count(inventory.StateFailed) + p.count(inventory.StateRetry) + p.count(inventory.StateUnknown)
}

func (p *Pass) count(state inventory.State) int {
	n := 0
	for _, r := range p.Results {
		if r.Blocked == "" && r.State == state {
			n++
		}
	}
	return n
}

// Converged reports whether the declarations are all true now: nothing was
// refused, unread or left undone, and everything that was needed is done.
func (p *Pass) Converged() bool {
	return p.Stage == StageDone && p.Error == "" && len(p.Errors()) == 0 && len(p.Unknown) == 0 && len(p.Refused) == 0 &&
		p.Failed() == 0 && p.Changed() == len(p.Plan.Steps)
}

// Errors are the problems that hold something back; the others are warnings.
func (p *Pass) Errors() []projects.Problem {
	errors, _ := split(p.Problems)
	return errors
}

func split(problems []projects.Problem) (errors, warnings []projects.Problem) {
	for _, p := range problems {
		if p.Warning {
			warnings = append(warnings, p)
		} else {
			errors = append(errors, p)
		}
	}
	return errors, warnings
}
