package proxmox

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"time"
)

const (
	firstPoll = 100 * time.Millisecond
	lastPoll  = 3 * time.Second
	// leastGap is between two requests at least.
	leastGap = 100 * time.Millisecond
	// pollErrors in a row are forgiven: the node may be busy, the endpoint fail over.
	pollErrors = 5
)

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
	ending := c.ending()
	first, last, known := c.deadlinesLocked(now, ending)
	if ending && known {
		first = halfWay(w.last, first, last)
	}
	return later(first, w.last.Add(leastGap))
}

// deadlinesLocked is when the first has to be looked at. The last may end before its
// deadline, as those that end leave it more room: last is when all can have ended,
// and known that something is known of each.
func (c *Cluster) deadlinesLocked(now time.Time, ending bool) (first, last time.Time, known bool) {
	w := &c.watcher
	first, known = now.Add(time.Hour), true // all have left; the context is about to end
	urgent := slices.ContainsFunc(w.waits, func(w *waiting) bool { return !w.leisurely })
	scouted := map[string]bool{}
	for _, wait := range w.waits {
		c.presume(wait, now)
		expect, kind := c.expectation(wait, ending), wait.lesson.subject
		if !expect.known && scouted[kind] {
			continue // of several of a kind that nothing is known of, one is asked about
		}
		scouted[kind] = true
		at := wait.deadline(expect, urgent)
		if at.Before(first) {
			first = at
		}
		last, known = later(last, wait.lesson.began.Add(expect.alone)), known && expect.known
	}
	return first, last, known
}

func (c *Cluster) seenAtWork(wait *waiting, now time.Time) {
	c.pace.atWork(wait.lesson, now)
	wait.seenAtWork(c.expectation(wait, c.ending()), now)
}

func (c *Cluster) expectation(wait *waiting, ending bool) expectation {
	e := c.pace.expectation(wait.lesson)
	if waiting, counts := c.pressing(wait.lesson); counts {
		e.care = closeCare(waiting)
	}
	if ending {
		e.care = lastCare
	}
	if e.measured { // nearly nothing is known
		e.care.late = max(e.care.late, e.care.unknown/2)
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
	c.lookAtNodes(ctx)
}

// tellAll gives back those whose task the answer does not show.
func (c *Cluster) tellAll(seen tasksSeen, err error) (unseen []*waiting) {
	w := &c.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.last = now
	if err == nil && len(seen.silent) == 0 {
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
		missed := cmp.Or(err, seen.silent[wait.task().node()])
		if missed == nil || ended {
			wait.missed = 0
		} else {
			wait.missed++
		}
		switch {
		case ended:
			wait.lesson.logged, wait.lesson.inLog = seen.took[wait.upid], true
			wait.runs = wait.starts && seen.started(wait)
			c.tell(wait, ending{exit: exit})
		case wait.missed > pollErrors:
			c.tell(wait, ending{err: missed})
		case missed != nil:
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

// pollPause grows by half each time. The jitter is drawn from the task's name,
// so that a run in virtual time can be repeated.
func pollPause(u upid, n int) time.Duration {
	h := fnv.New32a()
	fmt.Fprintf(h, "%s %d", u, n)
	jitter := 0.8 + 0.4*float64(h.Sum32())/math.MaxUint32
	pause := float64(firstPoll) * math.Pow(1.5, float64(min(n, 20)))
	return time.Duration(min(pause, float64(lastPoll)) * jitter)
}
