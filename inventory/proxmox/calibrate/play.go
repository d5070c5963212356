package calibrate

import (
	"math"
	"time"

	"github.com/provost-dev/provost/inventory/proxmox"
)

// node is what tasks that are begun at once share: see [pvesim.Costs].
type node struct {
	contention         float64
	stream, throughput float64 // bytes a second
}

// played is a task on its way; times in seconds.
type played struct {
	began, work, bytes float64
}

// play is how long the tasks of a batch take on average, in seconds, each working
// first and then copying. Tasks differ a little when they are alone, and then do
// so here, so that not all of them copy at the same time.
func (n node) play(alone []time.Duration, batch proxmox.Batch, work, bytes float64) float64 {
	var open []played
	for i, began := range batch.Began {
		factor := alone[i%len(alone)].Seconds() / mean(alone)
		open = append(open, played{began.Seconds(), work * factor, bytes * factor})
	}
	now, sum := 0.0, 0.0
	for len(open) > 0 {
		working, copying := n.speeds(open, now)
		step := math.Inf(1)
		for _, t := range open {
			step = min(step, t.next(now, working, copying))
		}
		left := open[:0]
		for _, t := range open {
			if t.goOn(now, step, working, copying); t.work+t.bytes == 0 {
				sum += now + step - t.began
			} else {
				left = append(left, t)
			}
		}
		now, open = now+step, left
	}
	return sum / float64(len(batch.Began))
}

// speeds are how much each task that works, and each that copies, does in a second.
func (n node) speeds(open []played, now float64) (working, copying float64) {
	workers, copies := 0.0, 0.0
	for _, t := range open {
		switch {
		case t.began > now:
		case t.work > 0:
			workers++
		default:
			copies++
		}
	}
	return 1 / (1 + n.contention*max(0, workers-1)), min(n.stream, n.throughput/max(1, copies))
}

// next is how long it takes until something changes for the task.
func (t *played) next(now, working, copying float64) float64 {
	switch {
	case t.began > now:
		return t.began - now
	case t.work > 0:
		return t.work / working
	}
	return t.bytes / copying
}

func (t *played) goOn(now, step, working, copying float64) {
	switch {
	case t.began > now:
	case t.work > 0:
		t.work = less(t.work, step*working)
	default:
		t.bytes = less(t.bytes, step*copying)
	}
}

// less subtracts, and takes what is left by rounding for nothing.
func less(a, b float64) float64 {
	if a-b < 1e-9*a {
		return 0
	}
	return a - b
}

// solve finds where a growing function takes a value, or the end that is nearer.
func solve(want, from, to float64, f func(float64) float64) float64 {
	for range 60 {
		middle := (from + to) / 2
		if f(middle) < want {
			from = middle
		} else {
			to = middle
		}
	}
	return (from + to) / 2
}
