package proxmox

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// watcher follows the running tasks of one node with one request for all of
// them. Its goroutine lives as long as somebody waits.
//
// When to ask is learned: first when such a task has usually ended, then in
// short steps. What one asks for answers all, so that a node with many short
// tasks is not asked more often than with few.
type watcher struct {
	c    *Cluster
	node string

	mu      sync.Mutex // held for moments only
	waits   []*waiting
	stop    context.CancelFunc // of the goroutine; nil when there is none
	wake    chan struct{}      // the goroutine's; has room for one
	last    time.Time          // of the last answer
	failing int                // requests in a row without an answer
}

// waiting is one who waits for a task.
type waiting struct {
	upid   upid
	lesson *lesson
	due    time.Time   // when to ask next
	late   int         // how often it was asked about after its time
	ended  chan ending // has room for one
}

// ending is how a task ended, or why nobody can tell.
type ending struct {
	exit string
	err  error
}

const (
	// Polling of a task of which nothing is known is fast at first, since most
	// tasks are short, and grows slower.
	firstPoll = 100 * time.Millisecond
	lastPoll  = 3 * time.Second
	// leastGap is between two requests of one watcher at least.
	leastGap = 100 * time.Millisecond
	// pollErrors in a row are forgiven: the node may be busy, the endpoint fail over.
	pollErrors = 5
)

// wait waits until a task ends. The task goes on when ctx ends, or when the time
// is up: the next pass finds it.
func (c *Cluster) wait(ctx context.Context, u upid) error { return c.waitAbout(ctx, u, 0) }

// waitAbout is wait for a task that takes about as long as is said; 0 leaves it
// to what such tasks took before.
func (c *Cluster) waitAbout(ctx context.Context, u upid, guess time.Duration) error {
	if u == "" {
		return nil
	}
	w := c.watcher(u.node())
	me := w.join(u, guess)
	defer w.leave(me)
	limit := time.NewTimer(c.cfg.TaskTimeout)
	defer limit.Stop()
	select {
	case <-ctx.Done():
		return unknownf("task %s is still running; the next pass looks at it again", u)
	case <-limit.C:
		return unknownf("task %s is still running after %s; the next pass looks at it again", u, c.cfg.TaskTimeout)
	case end := <-me.ended:
		switch {
		case end.err != nil:
			return unknownf("cannot tell how task %s ended: %v", u, end.err)
		case end.exit == "OK" || strings.HasPrefix(end.exit, "WARNINGS"):
			return nil
		}
		return &taskError{upid: u, exit: end.exit, log: c.taskLog(ctx, u)}
	}
}

func (c *Cluster) watcher(node string) *watcher {
	c.mu.Lock()
	defer c.mu.Unlock()
	w, ok := c.watchers[node]
	if !ok {
		w = &watcher{c: c, node: node}
		c.watchers[node] = w
	}
	return w
}

func (w *watcher) join(u upid, guess time.Duration) *waiting {
	lesson := w.c.pace.begin(u, guess)
	expect := w.c.pace.expect(lesson)
	me := &waiting{upid: u, lesson: lesson, due: lesson.began.Add(cmp.Or(expect, leastGap/2)), ended: make(chan ending, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waits = append(w.waits, me)
	if w.stop == nil {
		ctx, stop := context.WithCancel(context.Background())
		w.stop, w.failing, w.wake = stop, 0, make(chan struct{}, 1)
		go w.run(ctx, w.wake)
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return me
}

func (w *watcher) leave(me *waiting) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at := slices.Index(w.waits, me); at >= 0 {
		w.waits = slices.Delete(w.waits, at, at+1)
		w.c.pace.forget(me.lesson)
	}
	if len(w.waits) == 0 && w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

// run asks whenever it is time, until its context ends.
func (w *watcher) run(ctx context.Context, wake <-chan struct{}) {
	for ctx.Err() == nil {
		next := w.next()
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
		case <-wake: // somebody came who may want to know sooner
		case <-timer.C:
			w.ask(ctx)
		}
		timer.Stop()
	}
}

// next is when somebody's task may have ended, but not too soon after the last
// answer: within a fifth of the time that the shortest task takes little happens.
// Of several tasks of a kind that nothing is known of, the eldest is asked about.
func (w *watcher) next() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	var due time.Time
	gap, now := time.Second, time.Now()
	scouted := map[string]bool{}
	for _, wait := range w.waits {
		expect := w.c.pace.expect(wait.lesson)
		if kind := wait.upid.kind(); expect == 0 {
			if scouted[kind] {
				continue
			}
			scouted[kind] = true
		}
		if due.IsZero() || wait.due.Before(due) {
			due = wait.due
		}
		gap = min(gap, max(expect/5, now.Sub(wait.lesson.began)/5, leastGap))
	}
	switch {
	case due.IsZero():
		return now.Add(time.Hour) // all have left; the context is about to end
	case w.failing > 0:
		return w.last.Add(pollPause(upid(w.node), w.failing))
	case due.Before(w.last.Add(gap)):
		return w.last.Add(gap)
	}
	return due
}

// ask asks once and tells everybody whose task has ended.
func (w *watcher) ask(ctx context.Context) {
	ends, running, err := w.read(ctx)
	if ctx.Err() != nil {
		return
	}
	var unseen []*waiting
	w.mu.Lock()
	now := time.Now()
	w.last = now
	if err != nil {
		w.failing++
	} else {
		w.failing = 0
	}
	for _, wait := range slices.Clone(w.waits) {
		exit, ended := ends[wait.upid]
		switch {
		case err != nil:
			if w.failing > pollErrors {
				w.tell(wait, ending{err: err})
			}
		case ended:
			w.tell(wait, ending{exit: exit})
		case running[wait.upid]:
			w.later(wait, now)
		default:
			unseen = append(unseen, wait)
		}
	}
	w.mu.Unlock()
	for _, wait := range unseen {
		w.askFor(ctx, wait)
	}
}

// later puts off the next question about a task that was seen at work: until it
// should have ended in the company that it has now, or else in steps.
func (w *watcher) later(wait *waiting, now time.Time) {
	wait.lesson.running = now
	expect := w.c.pace.expect(wait.lesson)
	switch end := wait.lesson.began.Add(expect); {
	case end.After(now):
		wait.due = end
	case expect == 0:
		wait.due = now.Add(min(max(firstPoll, now.Sub(wait.lesson.began)), lastPoll))
	case !wait.due.After(now):
		step := max(expect/10, leastGap) << min(wait.late, 6)
		wait.due = now.Add(min(step, max(lastPoll, expect/10)))
		wait.late++
	}
}

// tell is called under the lock.
func (w *watcher) tell(wait *waiting, end ending) {
	w.waits = slices.DeleteFunc(w.waits, func(o *waiting) bool { return o == wait })
	if end.err == nil {
		w.c.pace.learn(wait.lesson, time.Now())
	} else {
		w.c.pace.forget(wait.lesson)
	}
	wait.ended <- end
}

// read asks for the node's tasks, back to the oldest that somebody waits for.
func (w *watcher) read(ctx context.Context) (ends map[upid]string, running map[upid]bool, err error) {
	var since int64
	w.mu.Lock()
	for _, wait := range w.waits {
		if began := wait.upid.began(); since == 0 || began < since {
			since = began
		}
	}
	w.mu.Unlock()
	var lines []task
	path := fmt.Sprintf("/nodes/%s/tasks?source=all&limit=500&since=%d", w.node, since)
	if _, err := w.c.api.get(ctx, path, &lines); err != nil {
		return nil, nil, err
	}
	ends, running = map[upid]string{}, map[upid]bool{}
	for _, l := range lines {
		switch {
		case l.EndTime == "" && (l.Status == "" || l.Status == "RUNNING"):
			running[l.UPID] = true
		case l.Status != "":
			ends[l.UPID] = l.Status
		}
	}
	return ends, running, nil
}

// askFor asks for one task that the list does not show: it began before too many
// others, or the node has forgotten it.
func (w *watcher) askFor(ctx context.Context, wait *waiting) {
	exit, ended, err := w.c.poll(ctx, wait.upid)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case ctx.Err() != nil || !slices.Contains(w.waits, wait):
	case ended:
		w.tell(wait, ending{exit: exit})
	case says(err, "no such task"):
		w.tell(wait, ending{err: err})
	default:
		w.later(wait, time.Now())
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
