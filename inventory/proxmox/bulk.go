package proxmox

import (
	"context"
	"slices"
	"strconv"
	"sync"

	"github.com/provost-dev/provost/inventory"
)

// Proxmox VE 9.1 starts many guests in one task. The task says only whether all
// of them started; so one look at the node's guests afterwards says which run,
// and is at the same time the look at each guest before its mark is written.

const (
	bulkTasks = 2  // at a time on a node; what becomes ready meanwhile makes the next
	bulkMost  = 50 // guests in one
)

// bulk reports whether the server can start guests together.
func (c *Cluster) bulk() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	atLeast := c.version.major > 9 || c.version.major == 9 && c.version.minor >= 1
	return atLeast && !c.noBulk
}

// MaxBatch implements reconciler.Batcher: guests that start on one node start
// together.
func (c *Cluster) MaxBatch(ch inventory.Change) int {
	if startsGuest(ch) && c.bulk() {
		return bulkMost
	}
	return 1
}

// startsGuest reports a change that does nothing but start a guest.
func startsGuest(ch inventory.Change) bool {
	return ch.Key.Kind() == inventory.KindPower && (ch.Action == inventory.Create || ch.Action == inventory.Update) &&
		ch.After != nil && ch.After.Attrs["state"] != "stopped"
}

// startTogether starts the guests of several changes in one request, and gives
// an error for each.
func (c *Cluster) startTogether(ctx context.Context, jobs []*job) []error {
	boots, errs := make([]boot, len(jobs)), make([]error, len(jobs))
	each(len(jobs), readers, func(i int) { boots[i], errs[i] = jobs[i].boot(ctx) })
	var due []int
	for i, b := range boots {
		if errs[i] == nil && b.needed {
			due = append(due, i)
		}
	}
	seen := map[string]line{}
	if len(due) > 1 {
		c.bulkStart(ctx, jobs, boots, due)
		seen = c.lookAt(ctx, boots, due)
	}
	each(len(jobs), c.cfg.Limits.StartsPerNode, func(i int) {
		l := seen[boots[i].vmid]
		if errs[i] == nil && boots[i].needed && powerState(l.status) != "running" {
			errs[i] = jobs[i].start(ctx, boots[i].ref)
		}
		if errs[i] == nil && boots[i].first {
			errs[i] = jobs[i].firstStarted(ctx, boots[i], l)
		}
	})
	return errs
}

// bulkStart sends the one request. Whatever comes of it shows in the guests.
func (c *Cluster) bulkStart(ctx context.Context, jobs []*job, boots []boot, due []int) {
	var vmids []string
	for _, i := range due {
		vmids = append(vmids, boots[i].vmid)
		jobs[i].say("starting %s on %s with %d others", boots[i].ref, boots[i].node, len(due)-1)
	}
	slices.Sort(vmids)
	workers := strconv.Itoa((c.cfg.Limits.StartsPerNode + bulkTasks - 1) / bulkTasks)
	u, err := c.api.postList(ctx, "/cluster/bulk-action/guest/start", params{"max-workers": workers}, "vms", vmids)
	if err == nil {
		err = c.wait(ctx, u)
	}
	if refused(err) {
		c.log.Info("starting guests one by one", "reason", err)
		c.mu.Lock()
		c.noBulk = true
		c.mu.Unlock()
	}
}

// lookAt asks for the guests of the nodes and types that are concerned.
func (c *Cluster) lookAt(ctx context.Context, boots []boot, due []int) map[string]line {
	seen, asked := map[string]line{}, map[at]bool{}
	for _, i := range due {
		place := at{boots[i].node, boots[i].typ}
		if asked[place] {
			continue
		}
		asked[place] = true
		var lines []line
		if _, err := c.api.get(ctx, "/nodes/"+place.node+"/"+place.typ, &lines); err != nil {
			continue // each is looked at by itself
		}
		for _, l := range lines {
			seen[l.vmid] = l
		}
	}
	return seen
}

// firstStarted makes the mark forget that the guest was never started. Of a
// guest that was made a moment ago the text is known, and that it is still there
// the node's list has just said.
func (j *job) firstStarted(ctx context.Context, b boot, l line) error {
	m, ok := inventory.ParseMark(b.text)
	if !ok || !tagged(l) || l.name == "" || l.name != b.name {
		return j.booted(ctx, b.ref)
	}
	delete(m.Extra, markBoot)
	return j.put(ctx, guest{ref: b.ref, cfg: rawConfig{}}, params{"description": inventory.WithMark(b.text, m)}, nil)
}

// each runs f for 0 to n-1, some at a time.
func each(n, most int, f func(i int)) {
	slots := make(chan struct{}, max(1, most))
	var wg sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			f(i)
			<-slots
		})
	}
	wg.Wait()
}

// refused reports that the server will not do it: it has no such method, or the
// token may not.
func refused(err error) bool {
	return forbidden(err) || says(err, "not implemented") || says(err, "parameter verification failed")
}

// boot is a guest that a power change may start.
type boot struct {
	ref
	needed bool   // it does not run
	first  bool   // its mark is to forget that it was never started
	name   string // of a guest that was made a moment ago
	text   string // and its description
}

// boot finds the guest of a change that starts it.
func (j *job) boot(ctx context.Context) (boot, error) {
	want := j.change.After.Attrs
	if at, ok := j.known(j.guestKeys()); ok {
		if b, ok := j.c.takeBorn(at.vmid); ok {
			first := want["boot"] == bootDone && b.first
			return boot{ref: at, needed: want["state"] == "running" || first, first: first, name: b.name, text: b.text}, nil
		}
	}
	g, m, err := j.powered(ctx)
	if err != nil {
		return boot{}, err
	}
	if g.vmid == "" {
		return boot{}, retryf("%s is not there: list again", j.guestKeys()[0])
	}
	b := boot{ref: g.ref, first: want["boot"] == bootDone && m.Extra[markBoot] == bootNew}
	if want["state"] == "running" || b.first {
		running, err := j.c.running(ctx, g.ref)
		if err != nil {
			return boot{}, err
		}
		b.needed = !running
	}
	return b, nil
}

// startOne starts the guest of one change.
func (j *job) startOne(ctx context.Context) error {
	b, err := j.boot(ctx)
	if err == nil && b.needed {
		err = j.start(ctx, b.ref)
	}
	if err == nil && b.first {
		err = j.booted(ctx, b.ref)
	}
	return err
}

// start starts a guest that does not run.
func (j *job) start(ctx context.Context, r ref) error {
	j.say("starting %s on %s", r, r.node)
	err := j.run(ctx, "starting", func() (upid, error) { return j.c.api.post(ctx, r.path()+"/status/start", nil) })
	if says(err, "already running") {
		return nil
	}
	return j.orAlready(ctx, r, true, err)
}

// together reports whether all changes may start in one request.
func (c *Cluster) together(changes []inventory.Change) bool {
	return len(changes) > 1 && !slices.ContainsFunc(changes, func(ch inventory.Change) bool {
		return c.MaxBatch(ch) == 1 || ch.Key.System() != c.name
	})
}
