package proxmox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// watcher follows the running tasks of the whole cluster, with one request for
// all of them. Its goroutine lives as long as somebody waits.
//
// When to ask is learned: when such a task has usually ended, which [waiting.deadline]
// says. What one asks for answers all.
type watcher struct {
	mu      sync.Mutex // held for moments only
	waits   []*waiting
	stop    context.CancelFunc // of the goroutine; nil when there is none
	wake    chan struct{}      // the goroutine's; has room for one
	last    time.Time          // of the last answer
	failing int                // requests in a row without an answer
	starts  map[string]upid    // by VMID, the last task of a bulk start that was seen to start it
}

// waiting is one who waits for a task.
type waiting struct {
	upid   upid // "" until it is known which task of a bulk start it is
	bulk   upid // that start
	guest  ref  // whom it starts
	lesson *lesson
	floor  time.Time // no look before
	// leisurely: nobody waits for it who could go on.
	leisurely bool
	ended     chan ending // has room for one
}

// task is the one that tells how it stands.
func (w *waiting) task() upid {
	if w.upid == "" {
		return w.bulk
	}
	return w.upid
}

// ending is how a task ended, or why nobody can tell.
type ending struct {
	exit string
	err  error
}

// errNoTask says that a bulk start ended, and no task of it was seen for a guest.
var errNoTask = errors.New("no task is to be seen that starts it")

const (
	firstPoll = 100 * time.Millisecond
	lastPoll  = 3 * time.Second
	// leastGap is between two requests at least.
	leastGap = 100 * time.Millisecond
	// pollErrors in a row are forgiven: the node may be busy, the endpoint fail over.
	pollErrors = 5
)

// wait waits until a task ends. The task goes on when ctx ends, or when the time
// is up: the next pass finds it.
func (c *Cluster) wait(ctx context.Context, u upid) error { return c.waitAtLeisure(ctx, u, false) }

// waitAtLeisure is wait, where nobody could go on who waits for that.
func (c *Cluster) waitAtLeisure(ctx context.Context, u upid, leisurely bool) error {
	if u == "" {
		return nil
	}
	return c.await(ctx, &waiting{upid: u, leisurely: leisurely}, u)
}

// waitStarted waits for the task by which a bulk start starts one guest.
func (c *Cluster) waitStarted(ctx context.Context, bulk upid, r ref, leisurely bool) error {
	return c.await(ctx, &waiting{bulk: bulk, guest: r, leisurely: leisurely}, startOf(r))
}

// startOf stands for a guest's start whose task is not known yet.
func startOf(r ref) upid {
	kind := "vzstart"
	if r.typ == typeQEMU {
		kind = "qmstart"
	}
	return upid(fmt.Sprintf("UPID:%s:00000000:00000000:00000000:%s:%s:provost:", r.node, kind, r.vmid))
}

// await waits for a task of that name, or of the kind that it says.
func (c *Cluster) await(ctx context.Context, me *waiting, name upid) error {
	me.ended = make(chan ending, 1)
	shown := me.task()
	c.follow(me, name)
	defer c.leave(me)
	limit := time.NewTimer(c.cfg.TaskTimeout)
	defer limit.Stop()
	select {
	case <-ctx.Done():
		return unknownf("task %s is still running; the next pass looks at it again", shown)
	case <-limit.C:
		return unknownf("task %s is still running after %s; the next pass looks at it again", shown, c.cfg.TaskTimeout)
	case end := <-me.ended:
		switch {
		case errors.Is(end.err, errNoTask):
			return end.err
		case end.err != nil:
			return unknownf("cannot tell how task %s ended: %v", shown, end.err)
		case end.exit == "OK" || strings.HasPrefix(end.exit, "WARNINGS"):
			return nil
		}
		return &taskError{upid: me.upid, exit: end.exit, log: c.taskLog(ctx, me.upid)}
	}
}

func (c *Cluster) follow(me *waiting, name upid) {
	w := &c.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	me.lesson = c.pace.begin(name)
	w.waits = append(w.waits, me)
	if w.stop == nil {
		ctx, stop := context.WithCancel(context.Background())
		w.stop, w.failing, w.wake = stop, 0, make(chan struct{}, 1)
		go c.watch(ctx, w.wake)
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (c *Cluster) leave(me *waiting) {
	w := &c.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	if at := slices.Index(w.waits, me); at >= 0 {
		w.waits = slices.Delete(w.waits, at, at+1)
		c.pace.forget(me.lesson)
	}
	if len(w.waits) == 0 && w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

// watch asks whenever it is time, until its context ends.
func (c *Cluster) watch(ctx context.Context, wake <-chan struct{}) {
	for ctx.Err() == nil {
		timer := time.NewTimer(time.Until(c.nextLook()))
		select {
		case <-ctx.Done():
		case <-wake: // somebody came who may want to know sooner
		case <-timer.C:
			c.lookAtTasks(ctx)
		}
		timer.Stop()
	}
}

// nextLook is when the first runs out of patience: whoever is due until then is
// told by the same answer.
func (c *Cluster) nextLook() time.Time {
	w := &c.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if w.failing > 0 {
		return w.last.Add(pollPause("", w.failing))
	}
	next := now.Add(time.Hour) // all have left; the context is about to end
	urgent := slices.ContainsFunc(w.waits, func(w *waiting) bool { return !w.leisurely })
	scouted := map[string]bool{}
	for _, wait := range w.waits {
		c.presume(wait, now)
		expect, kind := c.expectation(wait), wait.lesson.subject
		if !expect.known && scouted[kind] {
			continue // of several of a kind that nothing is known of, one is asked about
		}
		scouted[kind] = true
		if at := wait.deadline(expect, urgent); at.Before(next) {
			next = at
		}
	}
	if soonest := w.last.Add(leastGap); next.Before(soonest) {
		return soonest
	}
	return next
}

func (c *Cluster) seenAtWork(wait *waiting, now time.Time) {
	c.pace.atWork(wait.lesson, now)
	wait.seenAtWork(c.expectation(wait), now)
}

func (c *Cluster) expectation(wait *waiting) expectation {
	e := c.pace.expectation(wait.lesson)
	if waiting, counts := c.pressing(wait.lesson); counts {
		e.care = closeCare(waiting)
	}
	return e
}

// presume lets a task that nobody hurries to look at be company only as long as it
// should have lasted.
func (c *Cluster) presume(wait *waiting, now time.Time) {
	if wait.leisurely {
		c.pace.presume(wait.lesson, now)
	}
}

// lookAtTasks asks once and tells everybody whose task has ended.
func (c *Cluster) lookAtTasks(ctx context.Context) {
	w := &c.watcher
	w.mu.Lock()
	waits := slices.Clone(w.waits)
	w.mu.Unlock()
	seen, err := c.readTasks(ctx, waits)
	if ctx.Err() != nil {
		return
	}
	unseen := c.tellAll(seen, err)
	for _, wait := range unseen {
		c.askFor(ctx, wait)
	}
}

// tellAll gives back those whose task the answer does not show.
func (c *Cluster) tellAll(seen tasksSeen, err error) (unseen []*waiting) {
	w := &c.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.last = now
	if err == nil {
		w.failing = 0
	} else {
		w.failing++
	}
	var working []*waiting
	for _, wait := range slices.Clone(w.waits) {
		c.presume(wait, now)
		w.recognise(wait, seen)
		exit, ended := seen.ends[wait.upid]
		_, over := seen.ends[wait.bulk]
		switch {
		case err != nil && w.failing > pollErrors:
			c.tell(wait, ending{err: err})
		case err != nil:
		case ended:
			wait.lesson.logged, wait.lesson.inLog = seen.took[wait.upid], true
			c.tell(wait, ending{exit: exit})
		case seen.running[wait.upid]:
			working = append(working, wait)
		case wait.upid != "":
			unseen = append(unseen, wait)
		case over:
			c.tell(wait, ending{err: errNoTask})
		default:
			working = append(working, wait)
		}
	}
	for _, wait := range working { // now that it is known who is left
		c.seenAtWork(wait, now)
	}
	return unseen
}

// tell is called under the watcher's lock.
func (c *Cluster) tell(wait *waiting, end ending) {
	w := &c.watcher
	w.waits = slices.DeleteFunc(w.waits, func(o *waiting) bool { return o == wait })
	if end.err == nil {
		c.pace.learn(wait.lesson, time.Now())
	} else {
		c.pace.forget(wait.lesson)
	}
	wait.ended <- end
}

// recognise finds the task by which a bulk start starts a guest: one of that
// guest that began since, as far as the nodes' clocks agree, and is not known
// from a former start.
func (w *watcher) recognise(wait *waiting, seen tasksSeen) {
	if wait.upid != "" {
		return
	}
	since := wait.bulk.began()
	if wait.bulk.node() != wait.guest.node {
		since -= clocksApart
	}
	for _, u := range seen.starts[wait.guest.vmid] {
		if u.node() == wait.guest.node && u.began() >= since && w.starts[wait.guest.vmid] != u {
			wait.upid = u
			if w.starts == nil {
				w.starts = map[string]upid{}
			}
			w.starts[wait.guest.vmid] = u
			return
		}
	}
}

// clocksApart is by how many seconds two nodes' clocks may differ. Corosync
// hardly works where they do.
const clocksApart = 2

// askFor asks for one task that no list shows: it began before too many others,
// or the node has forgotten it.
func (c *Cluster) askFor(ctx context.Context, wait *waiting) {
	exit, ended, err := c.poll(ctx, wait.upid)
	w := &c.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case ctx.Err() != nil || !slices.Contains(w.waits, wait):
	case ended:
		c.tell(wait, ending{exit: exit})
	case says(err, "no such task"):
		c.tell(wait, ending{err: err})
	default:
		c.seenAtWork(wait, time.Now())
	}
}

// poll asks for one task. The library's GetTaskExitstatus gives the exit status
// both as a value and, when it is a bad one, as an error.
func (c *Cluster) poll(ctx context.Context, u upid) (exit string, done bool, err error) {
	_, err = c.api.do(ctx, "GET", "/nodes/"+u.node()+"/tasks/"+string(u)+"/status", func(ctx context.Context) {
		status, _ := c.api.client.GetTaskExitstatus(ctx, string(u))
		exit, done = status.(string)
	})
	return exit, done, err
}

// began is when the task began, in seconds on its node's clock.
func (u upid) began() int64 {
	n, _ := strconv.ParseInt(u.part(2), 16, 64)
	return n
}
