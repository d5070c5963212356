package proxmox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// survey is all that one listing reads, before it is judged.
type survey struct {
	lines  []line
	guests map[string]guest // by VMID
	// unread are guests whose configuration could not be read, and why. Their
	// guest, if there is one, is what was last known.
	unread map[string]string
	blind  string // why there may be guests that the token does not see
	tasks  []task
	now    time.Time         // on the clock of the node that answered
	stale  map[string]string // by VMID: what to do about a lock that no task holds
	// Of guests that stand still though they are owed their first start: whether
	// they had it, and why nobody knows.
	started map[string]bool
	unsure  map[string]string
}

// seenGuest is a guest's configuration, when it was read, and the guest's line in the
// resources at the time.
type seenGuest struct {
	ref
	print string
	cfg   rawConfig
	at    time.Time
}

// statsAge is how old pvestatd's figures in the resources may be.
const statsAge = 20 * time.Second

// readers is how many configurations are read over the API at once.
const readers = 8

func (c *Cluster) survey(ctx context.Context) (*survey, error) {
	s := &survey{guests: map[string]guest{}, unread: map[string]string{}, stale: map[string]string{},
		started: map[string]bool{}, unsure: map[string]string{}}
	var (
		ts                         []task
		files                      clusterFiles
		linesErr, tasksErr, sshErr error
		wg                         sync.WaitGroup
	)
	wg.Go(func() { s.lines, linesErr = c.resources(ctx) })
	wg.Go(func() { ts, s.now, tasksErr = c.tasks(ctx) })
	if c.ssh != nil {
		wg.Go(func() { files, sshErr = c.ssh.read(ctx) })
	}
	wg.Wait()
	if linesErr != nil {
		return nil, linesErr
	}
	if tasksErr != nil {
		return nil, tasksErr
	}
	if sshErr != nil {
		c.log.Warn("reading configurations over the API instead", "error", sshErr)
	}
	s.tasks = ts
	c.join(ctx, s, files)
	c.judgeLocks(s)
	c.freshen(ctx, s, s.now)
	c.judgeStarts(ctx, s)
	c.judgeWaiting(ctx, s)
	return s, nil
}

// join brings together what the resources and the files say of each guest, and
// reads over the API what the files lack: a guest made a moment ago, or, where there
// is no SSH, what [Cluster.due] says.
func (c *Cluster) join(ctx context.Context, s *survey, files clusterFiles) {
	maps.Copy(s.guests, files.guests)
	seen, now := c.lastSeen(), time.Now()
	var missing, alike []line
	looks := map[string]seenGuest{}
	for _, l := range s.lines {
		if !l.guest() {
			continue
		}
		vmid := l.vmid
		looks[vmid] = seenGuest{print: l.print(), at: now}
		g, read := files.guests[vmid]
		if !read {
			old := seen[vmid]
			g = guest{ref: l.ref(), cfg: old.cfg}
			if files.vmlist == nil && old.print == l.print() {
				looks[vmid] = old
				alike = append(alike, l)
			} else {
				missing = append(missing, l)
			}
		}
		g.pool, g.status = l.pool, l.status
		s.guests[vmid] = g
	}
	for _, l := range c.due(alike, seen, s, now) {
		looks[l.vmid] = seenGuest{print: l.print(), at: now}
		missing = append(missing, l)
	}
	if files.vmlist != nil { // guests that the token may not see, or whose files moved from folder to folder
		for vmid, g := range files.vmlist.guests {
			if _, known := s.guests[vmid]; !known {
				s.guests[vmid] = guest{ref: g.ref}
				missing = append(missing, line{kind: g.typ, vmid: vmid, node: g.node})
			}
		}
	}
	c.reveal(ctx, s, c.readMissing(ctx, s, missing), files.vmlist != nil)
	if c.ssh != nil && files.vmlist != nil {
		read := map[string]guest{}
		for _, l := range missing {
			if _, failed := s.unread[l.vmid]; !failed {
				read[l.vmid] = s.guests[l.vmid]
			}
		}
		c.ssh.kept.learn(files.vmlist, read)
	}
	c.remember(s, looks)
}

// tagged reports the tag that our guests carry. It is only a hint at whose
// configuration is worth a request: whose the guest is, the mark says.
func tagged(l line) bool {
	return slices.Contains(strings.Split(canonicalTags(l.tags), ";"), "provost")
}

// readMissing gives back those that are not where they were.
func (c *Cluster) readMissing(ctx context.Context, s *survey, missing []line) (lost []guest) {
	type answer struct {
		cfg rawConfig
		err error
	}
	answers := make([]answer, len(missing))
	slots := make(chan struct{}, readers)
	var wg sync.WaitGroup
	for i, l := range missing {
		if !s.online(l.node) {
			answers[i].err = fmt.Errorf("node %s is offline", l.node)
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			answers[i].cfg, answers[i].err = c.configNow(ctx, l)
			<-slots
		})
	}
	wg.Wait()
	for i, l := range missing {
		vmid := l.vmid
		g := s.guests[vmid]
		switch err := answers[i].err; {
		case err == nil:
			g.cfg = answers[i].cfg
			s.guests[vmid] = g
		case gone(err):
			delete(s.guests, vmid)
			lost = append(lost, g)
		default:
			s.unread[vmid] = err.Error()
		}
	}
	return lost
}

// configNow reads a guest's configuration. Where files are read too, those tell
// what waits for a guest's next start, so it is asked for here as well; without
// SSH see [Cluster.judgeWaiting].
func (c *Cluster) configNow(ctx context.Context, l line) (rawConfig, error) {
	cfg, err := c.config(ctx, l.ref())
	if err != nil || c.ssh == nil || l.status != "running" || !tagged(l) {
		return cfg, err
	}
	options, err := c.optionsWaiting(ctx, l.ref())
	if err == nil && options != "" {
		cfg[nextStart] = options
	}
	return cfg, err
}

func (s *survey) online(node string) bool {
	return slices.ContainsFunc(s.lines, func(l line) bool {
		return l.kind == "node" && l.node == node && l.status == "online"
	})
}

// freshen replaces what pvestatd has not seen yet. Where a guest is new or a task
// worked on it just now, all guests of that node and type are asked for at once;
// when that fails, nobody knows whether the guest runs.
func (c *Cluster) freshen(ctx context.Context, s *survey, now time.Time) {
	touched := s.touched(now)
	stale := map[at][]string{}
	for vmid, g := range s.guests {
		if _, mine, _ := c.judge(g); !mine || g.template() || !s.online(g.node) {
			continue
		}
		if touched.guests[vmid] || touched.nodes[g.node] || touched.all || g.status == "" || g.status == "unknown" {
			stale[at{g.node, g.typ}] = append(stale[at{g.node, g.typ}], vmid)
		}
	}
	for place, vmids := range stale {
		var lines []line
		if _, err := c.api.get(ctx, "/nodes/"+place.node+"/"+place.typ, &lines); err != nil {
			c.log.Warn("cannot tell which guests run", "node", place.node, "error", err)
			for _, vmid := range vmids {
				s.setStatus(vmid, "unknown")
			}
			continue
		}
		for _, l := range lines {
			s.setStatus(l.vmid, l.status)
		}
	}
}

// touched is what tasks worked on since pvestatd may have looked.
type touched struct {
	guests, nodes map[string]bool
	all           bool
}

// tasksShown is how many tasks of each node /cluster/tasks has room for.
const tasksShown = 25

// touched reads the recent tasks. One that starts many guests does not say whom it
// has yet to start; and where a node's room is full of recent tasks, others may have been pushed out.
func (s *survey) touched(now time.Time) touched {
	t := touched{guests: map[string]bool{}, nodes: map[string]bool{}}
	recent, old := map[string]int{}, 0
	for _, task := range s.tasks {
		if !task.running() && now.Sub(task.touched()) >= statsAge {
			old++
			continue
		}
		t.guests[string(task.ID)] = true
		t.all = t.all || task.running() && strings.HasPrefix(task.Type, "bulk")
		if recent[task.Node]++; recent[task.Node] >= tasksShown {
			t.nodes[task.Node] = true
		}
	}
	t.all = t.all || old == 0 && len(s.tasks) >= tasksShown
	return t
}

// at is where one GET lists all guests of one type.
type at struct{ node, typ string }

func (s *survey) setStatus(vmid, status string) {
	if g, ok := s.guests[vmid]; ok {
		g.status = status
		s.guests[vmid] = g
	}
}

func (c *Cluster) lastSeen() map[string]seenGuest {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}

func (c *Cluster) remember(s *survey, looks map[string]seenGuest) {
	seen := make(map[string]seenGuest, len(s.guests))
	for vmid, g := range s.guests {
		if _, unread := s.unread[vmid]; !unread || g.cfg != nil {
			seen[vmid] = seenGuest{ref: g.ref, print: looks[vmid].print, cfg: g.cfg, at: looks[vmid].at}
		}
	}
	for vmid := range s.unread { // to be read again next time
		if old, ok := seen[vmid]; ok {
			seen[vmid] = seenGuest{ref: old.ref, cfg: old.cfg}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = seen
}

// vmids are the guests in order of their numbers.
func (s *survey) vmids() []string {
	return slices.SortedFunc(maps.Keys(s.guests), func(a, b string) int {
		n, _ := strconv.Atoi(a)
		m, _ := strconv.Atoi(b)
		return n - m
	})
}
