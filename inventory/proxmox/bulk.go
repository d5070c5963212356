package proxmox

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// Proxmox VE since 9.1.2 starts many guests by one request: a worker of it starts
// one after the other, each by a task of its own, and by that task its change
// waits for it. So guests share nothing but the request, and whoever becomes
// ready later does not wait for those who went before.

// starts are the guests that are about to be started by one request.
type starts struct {
	mu   sync.Mutex
	next *starting // may still be joined; nil when there is none
}

// starting is one request that starts guests.
type starting struct {
	guests []ref
	// leisurely: a node has so much to do, or something else takes so long, that it does
	// not matter who starts first.
	leisurely bool
	once      sync.Once
	ready     chan struct{} // closed, once, when somebody's patience ends
	sent      chan struct{} // closed when upid is known
	upid      upid          // "" when each is to be started by itself
}

// startPause is how long the first waits for others: guests that one answer told
// to be made are configured within about that time. A node has three workers for that,
// so that several nodes take a part of it each.
const (
	startPause      = 50 * time.Millisecond
	leastStartPause = 10 * time.Millisecond
)

// fewStarts are sooner begun by a request each, which their nodes answer side by side,
// than one after the other by the worker of one. Fewer share a request only where it
// does not matter how soon they begin.
const fewStarts = 4

// patience is how long a guest's start may wait for others to share its request.
// While its node has no core to spare, a start that begins a little later loses
// nothing: what runs there is done the sooner. So it may wait for a part of what it
// takes, if nothing waits for it and others may yet come.
func (c *Cluster) patience(r ref, leisurely bool) (patience time.Duration, leisure bool) {
	v := c.look()
	pause := max(leastStartPause, startPause/time.Duration(max(1, len(v.nodes))))
	if !leisurely || !c.watcher.crowded(r.node, v.cores[r.node]) {
		return pause, c.watchesLong()
	}
	return max(pause, share(c.usual(startOf(r).kind(), guessBoot), 0.15)), true
}

// crowded reports that as many tasks work on a node as it has cores, and that there
// are some at all that others go on after.
func (w *watcher) crowded(node string, cores int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	here, urgent := 0, false
	for _, wait := range w.waits {
		urgent = urgent || !wait.leisurely
		if wait.guest.node == node || wait.upid != "" && wait.upid.node() == node {
			here++
		}
	}
	return urgent && here >= cores
}

// watchesLong reports that something takes so long that moments do not matter.
func (c *Cluster) watchesLong() bool {
	w := &c.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.waits, func(wait *waiting) bool { return c.pace.expectation(wait.lesson).usual >= worthStaggering })
}

// bulk reports whether the server can start guests together as this package asks it.
func (c *Cluster) bulk() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cfg.Limits.BulkStart > 1 && !c.noBulk && slices.Compare(
		[]int{c.version.major, c.version.minor, c.version.patch}, []int{9, 1, 2}) >= 0
}

// startWith joins a guest to those that are about to start, and returns when the
// request was answered.
func (c *Cluster) startWith(ctx context.Context, r ref, leisurely bool) (bulk upid) {
	patience, leisure := c.patience(r, leisurely)
	c.starts.mu.Lock()
	s := c.starts.next
	if s == nil {
		s = &starting{ready: make(chan struct{}), sent: make(chan struct{})}
		c.starts.next = s
		// It is everybody's: it does not end with the first one's context.
		go c.sendStarts(context.WithoutCancel(ctx), s)
	}
	s.guests, s.leisurely = append(s.guests, r), s.leisurely || leisure
	if len(s.guests) >= c.cfg.Limits.BulkStart {
		c.starts.next, patience = nil, 0
	}
	c.starts.mu.Unlock()
	time.AfterFunc(patience, func() { s.once.Do(func() { close(s.ready) }) })
	select {
	case <-s.sent:
		return s.upid
	case <-ctx.Done():
		return ""
	}
}

// sendStarts sends the one request. What was lost shows in the guests.
func (c *Cluster) sendStarts(ctx context.Context, s *starting) {
	defer close(s.sent)
	<-s.ready
	c.starts.mu.Lock()
	if c.starts.next == s {
		c.starts.next = nil // whoever comes now goes with the next
	}
	guests, fewest := s.guests, min(fewStarts, c.cfg.Limits.BulkStart)
	if s.leisurely {
		fewest = 2
	}
	c.starts.mu.Unlock()
	if len(guests) < fewest {
		return
	}
	var vmids []string
	for _, r := range guests {
		vmids = append(vmids, r.vmid)
	}
	slices.Sort(vmids)
	// The claims bound how many start at once, so that nobody needs to take turns.
	p := params{"max-workers": strconv.Itoa(min(len(vmids), mostWorkers))}
	u, err := c.api.postList(ctx, "/cluster/bulk-action/guest/start", p, "vms", vmids)
	if refused(err) {
		c.log.Info("starting guests one by one", "reason", err)
		c.mu.Lock()
		c.noBulk = true
		c.mu.Unlock()
	}
	s.upid = u
}

// mostWorkers is what the server allows.
const mostWorkers = 64

// readPlan finds the containers whose creation may start them: made from an OS
// template or restored. What else they wait for before their first start, DNS for one, may be
// there by then. And it finds the starts that something waits for, such as a play.
func (c *Cluster) readPlan(changes []inventory.Change) {
	made, needed := map[inventory.Key]bool{}, map[inventory.Key]bool{}
	for _, ch := range changes {
		if ch.Key.Kind() == inventory.KindGuest && ch.Action == inventory.Create && ch.After != nil &&
			(strings.HasPrefix(ch.After.Attrs["create.base"], "ostemplate:") || restoredKind(*ch.After)) {
			made[ch.Key] = true
		}
		for _, need := range ch.Needs {
			needed[need] = true
		}
	}
	start := map[inventory.Key][]inventory.Key{}
	for _, ch := range changes {
		guest := c.key(inventory.KindGuest, ch.Key.Name())
		if !startsGuest(ch) || !made[guest] {
			continue
		}
		if want := ch.After.Attrs; want["state"] == "running" || want["boot"] == bootDone {
			start[guest] = slices.DeleteFunc(slices.Clone(ch.Needs), func(need inventory.Key) bool { return need == guest })
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.startAtOnce, c.needed, c.made = start, needed, map[inventory.Key]bool{}
	c.noteAheadLocked(changes)
}

// Made implements reconciler.Follower.
func (c *Cluster) Made(key inventory.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.needed[key] {
		c.made[key] = true
	}
}

// startsAtOnce reports that a guest's creation may start it now: all that its
// start waits for besides is there.
func (c *Cluster) startsAtOnce(guest inventory.Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	waits, ok := c.startAtOnce[guest]
	return ok && !slices.ContainsFunc(waits, func(need inventory.Key) bool { return !c.made[need] })
}

// unneeded reports that nothing in the plan waits for a change.
func (c *Cluster) unneeded(key inventory.Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.needed != nil && !c.needed[key]
}

// startsGuest reports a change that does nothing but start a guest.
func startsGuest(ch inventory.Change) bool {
	return ch.Key.Kind() == inventory.KindPower && (ch.Action == inventory.Create || ch.Action == inventory.Update) &&
		ch.After != nil && ch.After.Attrs["state"] != "stopped"
}

// guestsAt lists the guests of a node and type, by VMID; nothing when it cannot.
func (c *Cluster) guestsAt(ctx context.Context, place at) map[string]line {
	var lines []line
	if _, err := c.api.get(ctx, "/nodes/"+place.node+"/"+place.typ, &lines); err != nil {
		return nil
	}
	seen := map[string]line{}
	for _, l := range lines {
		seen[l.vmid] = l
	}
	return seen
}

// refused reports that the server will not do it: it has no such method, or the
// token may not.
func refused(err error) bool {
	return forbidden(err) || says(err, "not implemented") || says(err, "parameter verification failed")
}

// boot is a guest that a power change may start.
type boot struct {
	ref
	needed bool   // it does not run, and should
	owed   string // what its mark says of a first start
}

// boot finds the guest of a change that starts it.
func (j *job) boot(ctx context.Context) (boot, error) {
	if at, ok := j.known(j.guestKeys()); ok {
		if b, ok := j.c.takeBorn(at.vmid); ok {
			needed := j.wants(at.vmid, b.owed)
			switch {
			case b.runs:
				needed = false
			case needed && b.started:
				seen, _ := j.c.glance(ctx, at)
				needed = powerState(seen.status) != "running"
			}
			return boot{ref: at, needed: needed, owed: b.owed}, nil
		}
	}
	g, m, err := j.powered(ctx)
	if err != nil {
		return boot{}, err
	}
	if g.vmid == "" {
		return boot{}, retryf("%s is not there: list again", j.guestKeys()[0])
	}
	b := boot{ref: g.ref, owed: m.Extra[markBoot]}
	if j.wants(b.vmid, b.owed) {
		running, err := j.c.running(ctx, g.ref)
		if err != nil {
			return boot{}, err
		}
		b.needed = !running
	}
	return b, nil
}

// wants reports whether the change asks that its guest runs: always, or once if it
// is owed that and did not have it yet.
func (j *job) wants(vmid, word string) bool {
	want := j.change.After.Attrs
	_, first := parseOwed(word)
	return want["state"] == "running" && (j.concerns("state") || j.concerns("boot")) ||
		want["boot"] == bootDone && first && !j.c.hasRun(vmid, word)
}

// startOne starts the guest of one change. That it had its first start, the
// cluster tells from then on.
func (j *job) startOne(ctx context.Context) error {
	b, err := j.boot(ctx)
	if err != nil || !b.needed {
		return err
	}
	if err := j.start(ctx, b.ref); err != nil {
		return err
	}
	j.c.noteRan(b.vmid, b.owed)
	return nil
}

// start starts a guest that does not run: together with others if there are any,
// and by itself where that did not start it.
func (j *job) start(ctx context.Context, r ref) error {
	j.say("starting %s on %s", r, r.node)
	claims := []string{j.c.name + "/starts/" + r.node}
	leisurely := j.c.unneeded(j.change.Key)
	if j.c.bulk() {
		if bulk := j.c.startWith(ctx, r, leisurely); bulk != "" {
			err := j.c.waitStarted(ctx, bulk, r, leisurely)
			if !errors.Is(err, errNoTask) {
				j.c.adapt(claims, startOf(r), err)
				return j.orAlready(ctx, r, true, err)
			}
			if running, err := j.c.running(ctx, r); err == nil && running {
				return nil
			}
		}
	}
	u, err := j.c.api.post(ctx, r.path()+"/status/start", nil)
	if err == nil {
		err = j.c.waitAtLeisure(ctx, u, leisurely)
	}
	j.c.adapt(claims, u, err)
	if says(err, "already running") {
		return nil
	}
	return j.orAlready(ctx, r, true, err)
}
