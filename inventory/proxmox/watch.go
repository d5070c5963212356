package proxmox

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	nodes   time.Time          // of the last look at the nodes
}

// waiting is one who waits for a task.
type waiting struct {
	upid   upid // "" until it is known which task of a bulk start it is
	bulk   upid // that start
	guest  ref  // whom it starts
	lesson *lesson
	floor  time.Time // no look before
	missed int       // looks in a row that could not tell
	since  time.Time // it waits
	// leisurely: nobody waits for it who could go on.
	leisurely bool
	starts    bool        // it makes its guest and starts it: a look at that is all that follows
	runs      bool        // and the start was seen to end well
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
	me.ended, me.since = make(chan ending, 1), time.Now()
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
		case endedWell(end.exit):
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
