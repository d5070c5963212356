package reconciler

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// start begins everything that may begin now, what has the longest way before
// it first, and returns when the next retry falls due, or zero.
func (w *walk) start(ctx context.Context) (next time.Time) {
	next = w.startWhat(ctx, w.patient)
	if w.running == 0 && next.IsZero() { // nothing more will come
		next = w.startWhat(ctx, func(*task) bool { return false })
	}
	return next
}

func (w *walk) startWhat(ctx context.Context, held func(*task) bool) (next time.Time) {
	now := time.Now()
	clear(w.widths)
	clear(w.partial)
	next = w.resume(now)
	w.shut()
	var cursors []cursor
	for _, l := range w.lanes {
		cursors = append(cursors, cursor{lane: l})
	}
	for {
		c := soonest(cursors)
		if c == nil || w.stopped() { // looked at before each start: a turn can end in the middle
			return next
		}
		switch t := c.tasks[c.at]; {
		case w.limiting(t) != "":
			c.at = len(c.tasks)
		case held(t):
			c.at++
		default:
			w.launch(ctx, w.batch(t))
			c.at = 0
		}
	}
}

// limiting is the first of a change's claims that cannot be had, or "".
func (w *walk) limiting(t *task) string {
	for _, c := range t.claims {
		if w.held[c.Name] >= w.width(t, c) {
			return c.Name
		}
	}
	return ""
}

// width is how many may hold a claim, asked once a round.
func (w *walk) width(t *task, c inventory.Claim) int {
	width, known := w.widths[c.Name]
	if !known {
		if widener, ok := w.system(t.Key).(Widener); ok {
			width = widener.Width(c.Name)
		}
		w.widths[c.Name] = width
	}
	return cmp.Or(width, c.Limit)
}

// batch is first and, where the system takes many changes in one call, others of
// its lane.
func (w *walk) batch(first *task) []*task {
	batch := []*task{first}
	batcher, ok := w.system(first.Key).(Batcher)
	if !ok {
		return batch
	}
	most := batcher.MaxBatch(*first.Change)
	for _, t := range w.lanes[first.lane].tasks {
		if len(batch) >= most {
			break
		}
		if t != first {
			batch = append(batch, t)
		}
	}
	slices.SortFunc(batch, func(a, b *task) int { return cmp.Compare(a.Key, b.Key) })
	return batch
}

// patient reports that a change may as well travel with later ones of its system.
func (w *walk) patient(t *task) bool {
	system := t.Key.System()
	patient, ok := w.system(t.Key).(Patient)
	if !ok || w.coming[system] == 0 || len(t.needers) > 0 || !patient.Patient(*t.Change) {
		return false
	}
	batcher, ok := patient.(Batcher)
	if !ok {
		return false
	}
	if _, counted := w.partial[t.lane]; !counted {
		w.partial[t.lane] = len(w.batch(t)) < batcher.MaxBatch(*t.Change)
	}
	return w.partial[t.lane]
}

// launch takes the claims and runs the batch on a goroutine of its own.
func (w *walk) launch(ctx context.Context, batch []*task) {
	for _, c := range batch[0].claims {
		w.held[c.Name]++
	}
	w.lanes[batch[0].lane].take(batch)
	changes := make([]inventory.Change, len(batch))
	for i, t := range batch {
		if t.running = true; t.try == nil {
			t.try = &try{}
		}
		t.try.number++
		t.try.started = w.r.now()
		changes[i] = *t.Change
	}
	w.running++
	system := w.system(batch[0].Key)
	go func() {
		var outcomes []inventory.Outcome
		tell := func(e inventory.Event) {
			select {
			case w.events <- e:
			case <-w.over:
			}
		}
		if fault := w.r.guarded("applying "+string(changes[0].Key), func() { outcomes = system.Apply(ctx, changes, tell) }); fault != nil {
			outcomes = lost(changes, fault)
		}
		select {
		case w.answers <- answer{batch, outcomes}:
		case <-w.over:
		}
	}()
}

// backoff is how long a change waits after its n-th attempt.
func (r *Reconciler) backoff(n int) Backoff {
	if r.Retry != nil {
		return r.Retry(n)
	}
	return DefaultBackoff(n)
}

// DefaultBackoff tries seven times over about a minute: 0.5 s doubling to 16 s,
// each with up to half as much again, so that losers of a lock do not come back together.
func DefaultBackoff(n int) Backoff {
	if n >= 7 {
		return Backoff{Stop: true}
	}
	base := min(500*time.Millisecond<<(n-1), 16*time.Second)
	return Backoff{Wait: base + rand.N(base/2)}
}

const (
	defaultGrace = 30 * time.Second
	lastWord     = 5 * time.Second // for a system to say what it left undone
)

// graceful is a context that goes on for a while after its parent has ended.
func graceful(parent context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		timer := time.AfterFunc(grace, cancel)
		context.AfterFunc(ctx, func() { timer.Stop() })
	})
	return ctx, func() { stop(); cancel() }
}

// until fires at t; a zero t never does.
func until(t time.Time) <-chan time.Time {
	if t.IsZero() {
		return nil
	}
	return time.After(time.Until(t))
}
