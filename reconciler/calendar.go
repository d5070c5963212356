package reconciler

import (
	"slices"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler/plan"
)

// wait holds back what the calendar does not let go out now.
func (r *Reconciler) wait(p plan.Plan, desired projects.Desired) plan.Plan {
	if !desired.Calendar.Reboots() {
		p = p.Block(plan.GateCalendar, func(s plan.Step) string {
			if s.Key.Kind() == inventory.KindReboot && desired.Reboots[guestOf(s.Key)] == plan.RebootWindow {
				return msgNoWindow
			}
			return ""
		})
	}
	if desired.Calendar.Empty() {
		return p
	}
	now := r.now()
	return plan.Wait(p, func(o inventory.Owner, kind, does string) (string, time.Time) {
		return desired.Calendar.Hold(now, projects.Change{Unit: o.Unit, Kind: kind, Action: does})
	})
}

// planOnly holds back what belongs to a cohort that has not begun, before any
// rule judges: what is only planned takes no room from what is to be made now.
func (r *Reconciler) planOnly(p plan.Plan, desired projects.Desired) plan.Plan {
	if desired.Calendar.Empty() {
		return p
	}
	now := r.now()
	return plan.Wait(p, func(o inventory.Owner, kind, does string) (string, time.Time) {
		if desired.Calendar.Begun(now, o.Unit) {
			return "", time.Time{}
		}
		return desired.Calendar.Hold(now, projects.Change{Unit: o.Unit, Kind: kind, Action: does})
	})
}

// wakes is when the calendar itself asks for a pass: what waits may go out, or a
// cohort ends. Zero where it does not.
func wakes(p plan.Plan, desired projects.Desired) time.Time {
	first := p.Wakes()
	for _, end := range desired.Ends {
		if !end.Over && (first.IsZero() || end.At.Before(first)) {
			first = end.At
		}
	}
	return first
}

// believedAfter is for how long the end of a cohort must have stood before what
// goes with it needs no approval: long enough that people have seen it, and that
// a wrong year is noticed.
const believedAfter = 7 * 24 * time.Hour

// ends says of each cohort that is over why its end is not believed yet, "" where
// it is.
func (r *Reconciler) ends(desired projects.Desired) map[string]string {
	doubts := map[string]string{}
	for unit, end := range desired.Ends {
		if !end.Over {
			continue
		}
		doubts[unit] = ""
		seen, known := r.noted.Ends[unit]
		if !known || seen.LastDay != end.LastDay {
			seen.Since = r.now()
		}
		if believed := seen.Since.Add(believedAfter); r.now().Before(believed) {
			doubts[unit] = say(msgEndDoubted, unit, end.LastDay, desired.Calendar.Day(believed))
		}
	}
	return doubts
}

// shut blocks what could begin and whose time has passed meanwhile.
func (w *walk) shut() {
	now := w.r.now()
	late := func(t *task) bool { return !t.closes.IsZero() && !now.Before(t.closes) }
	for _, l := range w.lanes {
		tasks := slices.DeleteFunc(slices.Clone(l.tasks), func(t *task) bool { return !late(t) })
		l.take(tasks)
		for _, t := range tasks {
			t.blocked, t.finished = msgShut, true
			w.release(t)
		}
	}
}

func guestOf(key inventory.Key) inventory.Key {
	return inventory.MakeKey(key.System(), inventory.KindGuest, key.Name())
}
