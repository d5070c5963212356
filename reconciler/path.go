package reconciler

import (
	"cmp"
	"slices"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler/plan"
)

// link leads from each task to those that it needs and those that need it. What
// is needed and not in the plan will never be done.
func (w *walk) link() {
	byKey := func(a, b *task) int { return cmp.Compare(a.Key, b.Key) }
	if !slices.IsSortedFunc(w.tasks, byKey) {
		slices.SortFunc(w.tasks, byKey)
	}
	total, keys := 0, make([]inventory.Key, len(w.tasks)) // closer together than the tasks
	for i, t := range w.tasks {
		total, keys[i] = total+len(t.Needs), t.Key
	}
	// One list for all, and a piece of it for each: most need little, and are needed by little.
	needs, needers, counts := make([]*task, total), make([]*task, total), make([]int, len(w.tasks))
	find := plan.Finder(keys)
	for _, t := range w.tasks {
		t.needs, needs = needs[:len(t.Needs)], needs[len(t.Needs):]
		for i, key := range t.Needs {
			if at, found := find(key); found {
				t.needs[i] = w.tasks[at]
				counts[at]++
			}
		}
	}
	for i, t := range w.tasks {
		t.needers, needers = needers[:0:counts[i]], needers[counts[i]:]
	}
	for _, t := range w.tasks {
		for _, need := range t.needs {
			if need != nil {
				need.needers = append(need.needers, t)
			}
		}
	}
}

// measure works out, for every open task, how long the work from its start to
// the end of the plan takes at least. Beginning with the longest path keeps the
// last machines of a plan from waiting for work that could have been done early.
func (w *walk) measure() {
	for _, t := range w.tasks {
		w.measureTask(t)
	}
}

func (w *walk) measureTask(t *task) {
	if t.measured {
		return
	}
	t.measured = true // before the rest: a circle of needs must end
	for _, needer := range t.needers {
		w.measureTask(needer)
		t.path = max(t.path, needer.path)
	}
	t.path += w.estimate(t.Change)
}

func (w *walk) estimate(c *inventory.Change) time.Duration {
	if estimator, ok := w.system(c.Key).(Estimator); ok {
		return estimator.Estimate(*c)
	}
	return 0
}
