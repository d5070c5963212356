package reconciler

import (
	"fmt"
	"slices"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// lane is what may begin but for its claims, which are the same for all of it,
// the longest path first. What holds back one holds back all, so that a walk
// looks at the lanes and not at each of thousands of changes.
type lane struct{ tasks []*task }

// laneOf names the lane of a system's changes with these claims.
func laneOf(system string, claims []inventory.Claim) string {
	name := system
	for _, c := range claims {
		name += fmt.Sprintf(" %s:%d", c.Name, c.Limit)
	}
	return name
}

// queue puts a task into its lane.
func (w *walk) queue(t *task) {
	l := w.lanes[t.lane]
	if l == nil {
		l = &lane{}
		w.lanes[t.lane] = l
	}
	if last := len(l.tasks) - 1; last < 0 || sooner(l.tasks[last], t) <= 0 {
		l.tasks = append(l.tasks, t) // most come in order
		return
	}
	at, _ := slices.BinarySearchFunc(l.tasks, t, sooner)
	l.tasks = slices.Insert(l.tasks, at, t)
}

// take removes what begins now from its lane.
func (l *lane) take(batch []*task) {
	if len(batch) == 1 {
		at, _ := slices.BinarySearchFunc(l.tasks, batch[0], sooner)
		l.tasks = slices.Delete(l.tasks, at, at+1)
		return
	}
	begins := map[*task]bool{}
	for _, t := range batch {
		begins[t] = true
	}
	l.tasks = slices.DeleteFunc(l.tasks, func(t *task) bool { return begins[t] })
}

// resume puts back what was to be tried again by now, and gives the time at which
// the next is due, or zero.
func (w *walk) resume(now time.Time) (next time.Time) {
	w.pausing = slices.DeleteFunc(w.pausing, func(t *task) bool {
		if !t.try.due.After(now) {
			w.queue(t)
			return true
		}
		if next.IsZero() || t.try.due.Before(next) {
			next = t.try.due
		}
		return false
	})
	return next
}

// cursor walks along a lane.
type cursor struct {
	*lane
	at int
}

// soonest is the cursor at the task with the longest path of all, or nil.
func soonest(cursors []cursor) *cursor {
	var best *cursor
	for i := range cursors {
		c := &cursors[i]
		if c.at < len(c.tasks) && (best == nil || sooner(c.tasks[c.at], best.tasks[best.at]) < 0) {
			best = c
		}
	}
	return best
}
