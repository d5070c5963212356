package reconciler

import (
	"cmp"
	"context"
	"slices"
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

// task is one change on its way.
type task struct {
	*inventory.Change // the plan's, and read only
	state             inventory.State
	err               string // of the last try
	blocked           string // why it is not tried
	attempts          int
	seconds           float64 // of all tries
	claims            []inventory.Claim
	lane              string        // where it waits for these
	needs             []*task       // one for each of the change's; nil where the plan has none
	needers           []*task       // those that need it
	waits             int           // unfinished needs
	path              time.Duration // of the longest way from its start to the end of the plan
	due               time.Time     // not to be started before
	closes            time.Time     // not to be started from then on; zero for never
	started           time.Time
	measured          bool
	running           bool
	finished          bool
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

// settle books the outcomes of a batch. A change without an outcome is unknown:
// only the next pass can tell.
func (w *walk) settle(a answer) {
	w.running--
	outcomes := map[inventory.Key]inventory.Outcome{}
	for _, o := range a.outcomes {
		outcomes[o.Key] = o
	}
	for _, c := range a.batch[0].claims {
		w.held[c.Name]--
	}
	pauses := map[int]Backoff{} // by attempt, so that a batch comes back as one
	for _, t := range a.batch {
		o, ok := outcomes[t.Key]
		if !ok {
			o = inventory.Outcome{Key: t.Key, State: inventory.StateUnknown, Error: msgNoAnswer}
		}
		n := t.attempts
		if _, drawn := pauses[n]; !drawn {
			pauses[n] = w.r.backoff(n)
		}
		w.finish(t, o, pauses[n])
	}
}

// finish books one outcome, or puts the change back for another try after a pause.
func (w *walk) finish(t *task, o inventory.Outcome, pause Backoff) {
	t.running = false
	t.state, t.err = o.State, o.Error
	t.seconds += w.r.now().Sub(t.started).Seconds()
	log := w.r.Log.With("key", t.Key, "action", t.Action, "attempt", t.attempts)
	switch o.State {
	case inventory.StateDone:
		log.Info("change done")
		w.tellFollowers(t.Key)
		w.desk.note(t.Change)
	case inventory.StateRetry:
		if !pause.Stop {
			t.due = time.Now().Add(pause.Wait)
			w.pausing = append(w.pausing, t)
			log.Info("change tried again", "after", pause.Wait, "error", o.Error)
			return
		}
		fallthrough
	default:
		log.Warn("change not done", "state", o.State, "error", o.Error)
	}
	t.finished = true
	w.news = append(w.news, inventory.Event{Key: t.Key, Text: string(o.State)})
	w.release(t)
}

func (w *walk) tellFollowers(key inventory.Key) {
	for _, managed := range w.r.Systems {
		if follower, ok := managed.System.(Follower); ok {
			follower.Made(key)
		}
	}
}

// release lets the changes that waited for t go on, or blocks them for good.
func (w *walk) release(t *task) {
	for _, needer := range t.needers {
		needer.waits--
		switch {
		case needer.finished:
		case !t.succeeded():
			needer.blocked = say(msgNeeds, t.Key)
			w.coming[needer.Key.System()]--
			needer.finished = true
			w.release(needer)
		case needer.waits == 0:
			w.makeReady(needer)
		}
	}
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

func (t *task) succeeded() bool {
	return t.blocked == "" && t.state == inventory.StateDone
}

// abandon marks what something kept from being started.
func (w *walk) abandon() {
	for _, t := range w.tasks {
		if !t.finished {
			t.finished = true
			switch {
			case t.running: // it was stopped, and waited for long enough
				t.state, t.err = inventory.StateUnknown, msgNoEnd
			case w.halted == "": // only a circle of needs leaves work undone by itself
				t.blocked = msgCircle
			case t.attempts == 0:
				t.blocked = w.halted
			}
		}
	}
}

func (t *task) result() Result {
	return Result{
		Outcome: inventory.Outcome{Key: t.Key, State: t.state, Error: t.err},
		Action:  t.Action, Owner: t.Owner, Blocked: t.blocked, Attempts: t.attempts, Seconds: t.seconds,
	}
}

func (w *walk) results() []Result {
	results := make([]Result, len(w.tasks))
	for i, t := range w.tasks {
		results[i] = t.result()
	}
	slices.SortFunc(results, func(a, b Result) int { return cmp.Compare(a.Key, b.Key) })
	return results
}
