package proxmox

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// Proxmox VE 9.1 starts many guests in one task. The task says only whether all
// of them started; so one look at the node's guests afterwards says which run,
// and is at the same time the look at each guest before its mark is written.

// bulkTasks is how many such tasks run at a time on a node; what becomes ready
// meanwhile makes the next.
const bulkTasks = 2

// bulk reports whether the server can start guests together.
func (c *Cluster) bulk() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	atLeast := c.version.major > 9 || c.version.major == 9 && c.version.minor >= 1
	return c.cfg.Limits.BulkStart > 1 && atLeast && !c.noBulk
}

// MaxBatch implements reconciler.Batcher: guests that start on one node start
// together.
func (c *Cluster) MaxBatch(ch inventory.Change) int {
	if startsGuest(ch) && c.bulk() {
		return c.cfg.Limits.BulkStart
	}
	return 1
}

// startWhenMade finds the containers whose creation may start them: made from an
// OS template, and with nothing else to wait for before their first start.
func (c *Cluster) startWhenMade(changes []inventory.Change) {
	made := map[inventory.Key]bool{}
	for _, ch := range changes {
		if ch.Key.Kind() == inventory.KindGuest && ch.Action == inventory.Create && ch.After != nil &&
			strings.HasPrefix(ch.After.Attrs["create.base"], "ostemplate:") {
			made[ch.Key] = true
		}
	}
	start := map[inventory.Key]bool{}
	for _, ch := range changes {
		guest := c.key(inventory.KindGuest, ch.Key.Name())
		if startsGuest(ch) && made[guest] && slices.Equal(ch.Needs, []inventory.Key{guest}) {
			want := ch.After.Attrs
			start[guest] = want["state"] == "running" || want["boot"] == bootDone
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.startAtOnce = start
}

func (c *Cluster) startsAtOnce(guest inventory.Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.startAtOnce[guest]
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
		if l, ok := seen[boots[i].vmid]; ok {
			boots[i].seen = l
		}
		l := boots[i].seen
		if errs[i] == nil && boots[i].needed && powerState(l.status) != "running" {
			errs[i] = jobs[i].start(ctx, boots[i].ref)
		}
		if errs[i] == nil && boots[i].first {
			errs[i] = jobs[i].firstStarted(ctx, boots[i])
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
		rounds := (len(due)*bulkTasks + c.cfg.Limits.StartsPerNode - 1) / c.cfg.Limits.StartsPerNode
		err = c.waitAbout(ctx, u, time.Duration(rounds)*c.usual("vzstart", guessBoot))
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
		if place := (at{boots[i].node, boots[i].typ}); !asked[place] {
			asked[place] = true
			maps.Copy(seen, c.guestsAt(ctx, place)) // whoever is missing is looked at by itself
		}
	}
	return seen
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

// firstStarted makes the mark forget that the guest was never started. Of a
// guest that was made a moment ago the text is known; that it is still there, a
// glance says.
func (j *job) firstStarted(ctx context.Context, b boot) error {
	m, ok := inventory.ParseMark(b.text)
	if !ok {
		return j.booted(ctx, b.ref)
	}
	if b.seen.name == "" {
		b.seen, _ = j.c.glance(ctx, b.ref)
	}
	if !tagged(b.seen) || b.seen.name != b.name {
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
	seen   line   // how it looked a moment ago, if anybody looked
}

// boot finds the guest of a change that starts it.
func (j *job) boot(ctx context.Context) (boot, error) {
	want := j.change.After.Attrs
	if at, ok := j.known(j.guestKeys()); ok {
		if b, ok := j.c.takeBorn(at.vmid); ok {
			first := want["boot"] == bootDone && b.first
			it := boot{ref: at, needed: want["state"] == "running" || first, first: first, name: b.name, text: b.text}
			if it.needed && b.started {
				it.seen, _ = j.c.glance(ctx, at)
				it.needed = powerState(it.seen.status) != "running"
			}
			return it, nil
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
		err = j.firstStarted(ctx, b)
	}
	return err
}

// start starts a guest that does not run.
func (j *job) start(ctx context.Context, r ref) error {
	j.say("starting %s on %s", r, r.node)
	u, err := j.c.api.post(ctx, r.path()+"/status/start", nil)
	if err == nil {
		err = j.c.wait(ctx, u)
	}
	j.c.adapt([]string{j.c.name + "/starts/" + r.node}, u, err)
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
