package reconciler

import (
	"time"

	"github.com/provost-dev/provost/inventory"
)

// measure works out, for every open task, how long the work from its start to
// the end of the plan takes at least. Beginning with the longest path keeps the
// last machines of a plan from waiting for work that could have been done early.
func (w *walk) measure() {
	done := map[inventory.Key]bool{}
	for _, t := range w.tasks {
		w.measureTask(t, done)
	}
}

func (w *walk) measureTask(t *task, done map[inventory.Key]bool) {
	if done[t.Key] {
		return
	}
	done[t.Key] = true // before the rest: a circle of needs must end
	for _, needer := range w.needers[t.Key] {
		w.measureTask(needer, done)
		t.path = max(t.path, needer.path)
	}
	t.path += w.estimate(t.Change)
}

func (w *walk) estimate(c inventory.Change) time.Duration {
	if estimator, ok := w.system(c.Key).(Estimator); ok {
		return estimator.Estimate(c)
	}
	return 0
}
