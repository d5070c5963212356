package reconciler

import "github.com/provost-dev/provost/inventory"

// Health is what a badge says about the campus, a cohort or a project.
type Health struct {
	State StatusState `json:"state"`
	Text  string      `json:"text"`
}

// Health sums a pass up for one unit ("cohort/gis3"), or for the campus when
// unit is "".
func (p *Pass) Health(unit string) Health {
	machines, known := p.Units[unit]
	if unit == "" {
		machines, known = p.Machines, true
	}
	mine := func(o inventory.Owner) bool { return unit == "" || o.Unit == unit }
	var errors, failed, blocked int
	for _, problem := range p.Errors() {
		if mine(problem.Owner) {
			errors++
		}
	}
	for _, r := range p.Results {
		switch {
		case !mine(r.Owner):
		case r.Blocked != "":
			blocked++
		case r.State != inventory.StateDone:
			failed++
		}
	}
	switch {
	case errors > 0:
		return Health{StatusFailed, plural(errors, "error")}
	case !known:
		return Health{StatusPending, msgHealthNone}
	case failed > 0:
		return Health{StatusFailed, say(msgHealthFailed, failed)}
	case p.Superseded != "":
		return Health{StatusRunning, msgHealthWorking}
	case blocked > 0:
		return Health{StatusPending, say(msgHealthBlocked, blocked)}
	case unit == "" && len(p.Unknown) > 0:
		return Health{StatusPending, msgHealthUnread}
	case p.Stage != StageDone:
		return Health{StatusRunning, msgHealthWorking}
	default:
		return Health{StatusSuccess, plural(machines, "machine")}
	}
}
