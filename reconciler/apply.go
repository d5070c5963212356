package reconciler

import (
	"cmp"
	"context"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler/plan"
)

// apply carries out what nothing blocks and gives one result for each step of
// the plan, in key order.
//
// It is a walk over the graph of needs. One goroutine owns all of the walk's
// state: it starts what is ready and free of claims, and waits for an answer, a
// retry that falls due, or the stop. When ctx ends nothing new is started;
// what runs gets r.Grace to finish, then a moment to say how it stands, and is
// otherwise left to the next pass. A pause, or a newer commit of which the desk
// tells, winds it down without hurry: nothing new is started, and what runs takes
// the time that it takes.
func (r *Reconciler) apply(ctx context.Context, p plan.Plan, d *desk) []Result {
	if r.DryRun {
		return nil
	}
	paused := r.paused()
	w := newWalk(r, len(p.Steps))
	w.desk = d
	for i := range p.Steps {
		s := &p.Steps[i]
		reason := s.Reason
		if reason == "" && paused != "" {
			reason = say(msgPaused, paused)
		}
		w.add(&s.Change, reason).closes = s.Closes
	}
	d.open(ctx)
	defer d.close()
	w.run(ctx)
	return w.results()
}

// Backoff is the pause before a change is tried again.
type Backoff struct {
	Wait time.Duration
	Stop bool // give up: the next pass tries again
}

// task is one change on its way. A plan may have tens of thousands, most of which
// wait: what only begun ones have stands apart.
type task struct {
	*inventory.Change // the plan's, and read only
	try               *try
	blocked           string // why it is not tried
	claims            []inventory.Claim
	lane              string        // where it waits for these
	needs             []*task       // one for each of the change's; nil where the plan has none
	needers           []*task       // those that need it
	waits             int           // unfinished needs
	path              time.Duration // of the longest way from its start to the end of the plan
	closes            time.Time     // not to be started from then on; zero for never
	measured          bool
	running           bool
	finished          bool
}

// try is what became of a task that was begun; nil before.
type try struct {
	number  int // how often
	started time.Time
	state   inventory.State // as it ended the last time
	err     string
	seconds float64   // of all times
	due     time.Time // not to be begun again before
}

type walk struct {
	r       *Reconciler
	desk    *desk            // told of what is made; nil for none
	tasks   []*task          // in key order
	room    []task           // for those to come
	lanes   map[string]*lane // what is open and without unfinished needs
	pausing []*task          // what is to be tried again
	coming  map[string]int   // tasks of a system that are open and not ready yet
	held    map[string]int   // claims in use
	widths  map[string]int   // what wideners said in this round
	partial map[string]bool  // lanes whose calls would not be full in this round
	running int
	news    []inventory.Event // not told yet
	turn    <-chan time.Time  // to start more, a moment after something has ended
	told    time.Time         // of the last word to the watcher
	behind  bool              // there is more to tell since
	answers chan answer
	events  chan inventory.Event
	over    <-chan struct{} // closed when nobody listens any more
	stopped func() bool     // whether nothing may be started any more
	halted  string          // why, as of the last look
}

// answer is what one call of System.Apply came back with.
type answer struct {
	batch    []*task
	outcomes []inventory.Outcome
}

// newWalk has room for some tasks: a plan may have tens of thousands.
func newWalk(r *Reconciler, tasks int) *walk {
	return &walk{
		r: r, tasks: make([]*task, 0, tasks), room: make([]task, tasks),
		lanes: map[string]*lane{}, coming: map[string]int{}, held: map[string]int{}, widths: map[string]int{}, partial: map[string]bool{},
		answers: make(chan answer), events: make(chan inventory.Event),
	}
}

// add takes a step up; one with a reason is never tried.
func (w *walk) add(c *inventory.Change, blocked string) *task {
	t := &w.room[0]
	w.room, w.tasks = w.room[1:], append(w.tasks, t)
	t.Change, t.waits, t.blocked, t.finished = c, len(c.Needs), blocked, blocked != ""
	if !t.finished {
		w.coming[t.Key.System()]++
	}
	return t
}

func (w *walk) system(key inventory.Key) System { return w.r.Systems[key.System()].System }

// moment is how long after an end more is started, so that what ends at one moment
// is seen together: what begins next then hangs on keys and not on which answer
// came first.
const moment = time.Millisecond

// run walks until everything is finished or ctx has ended.
func (w *walk) run(ctx context.Context) {
	grace := cmp.Or(w.r.Grace, defaultGrace)
	work, cancel := graceful(ctx, grace)
	defer cancel()
	over, end := graceful(ctx, grace+lastWord)
	defer end()
	w.over, w.stopped = over.Done(), func() bool { return w.halt(ctx) }
	w.prepare()
	stopped, yield := ctx.Done(), w.desk.yielding()
	var next time.Time // at which a retry falls due
	for again := true; ; {
		if again {
			next, again = time.Time{}, false
			if !w.stopped() {
				next = w.start(work)
			}
		}
		if w.running == 0 && next.IsZero() && w.turn == nil {
			break
		}
		w.tell()
		select {
		case a := <-w.answers:
			w.settle(a)
			switch {
			case w.running == 0:
				w.turn, again = nil, true // nothing else can end
			case w.turn == nil:
				w.turn = time.After(moment)
			}
		case <-w.turn:
			w.turn, again = nil, true
		case e := <-w.events:
			w.news = append(w.news, e)
		case <-until(next):
			again = true
		case <-until(w.untold()):
		case <-stopped:
			stopped, again = nil, true // noticed; what runs is still waited for
		case <-yield:
			yield, again = nil, true
		case <-w.over:
			w.running = 0
		}
	}
	w.abandon()
	w.tell()
}

// prepare finds out what waits for what, and queues what waits for nothing.
func (w *walk) prepare() {
	w.link()
	w.measure()
	for _, t := range w.tasks {
		switch {
		case t.finished:
			w.release(t)
		case t.waits == 0:
			w.makeReady(t)
		}
	}
}

// halt looks whether something keeps more from being started. It is asked before
// each start: a turn can end in the middle, and so can leave to apply.
func (w *walk) halt(ctx context.Context) bool {
	switch why := w.r.paused(); {
	case ctx.Err() != nil:
		w.halted = msgNotStarted
	case w.desk.yields():
		w.halted = msgNotBegun
	case why != "":
		w.halted = say(msgPaused, why)
	default:
		w.halted = ""
	}
	return w.halted != ""
}

// makeReady queues a task that nothing but claims holds back any more. Only now
// are the claims asked for: where a guest was put is known once it was made.
func (w *walk) makeReady(t *task) {
	if claimer, ok := w.system(t.Key).(Claimer); ok {
		t.claims = claimer.Claims(*t.Change)
	}
	w.coming[t.Key.System()]--
	t.lane = laneOf(t.Key.System(), t.claims)
	w.queue(t)
}

// sooner orders tasks that are ready: the longest path first, then by key.
func sooner(a, b *task) int {
	return cmp.Or(cmp.Compare(b.path, a.path), cmp.Compare(a.Key, b.Key))
}
