package pvesim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// task is a worker process of a node.
type task struct {
	upid     string
	node     *node
	pid      int
	pstart   int
	start    time.Time
	end      time.Time
	kind     string
	id       string
	who      *identity
	running  bool
	exit     string // "OK" or the error
	log      []string
	cancel   chan struct{} // closed by a DELETE of the task
	canceled bool
}

// job is what a task does. All functions run under the cluster's lock and at
// one instant; the time passes between begin and end.
type job struct {
	kind  string
	id    string
	fork  bool // begins in the worker, not in the request
	files []fileClaim
	cost  time.Duration
	begin func(*task) error
	end   func(*task) error
	undo  func() // when it failed after begin, or was aborted
	abort string // what an aborted task says
}

// fileClaim is a file lock that a job needs, and how long it waits for it.
type fileClaim struct {
	path      string
	exclusive bool
	limit     time.Duration
}

// upid forms the identifier as the real server does: node, process, its start
// in jiffies, the time, the type, what it works on, and who asked.
func (c *Cluster) newTask(k *call, j job) *task {
	now := time.Now()
	t := &task{
		node: k.node, kind: j.kind, id: j.id, who: k.who, start: now, running: true,
		pid:    0x1000 + c.started,
		pstart: int(now.Sub(k.node.booted)/(10*time.Millisecond)) + 0x10000 + c.started,
		cancel: make(chan struct{}),
	}
	t.upid = fmt.Sprintf("UPID:%s:%08X:%08X:%08X:%s:%s:%s:", t.node.name, t.pid, t.pstart, now.Unix(), t.kind, t.id, t.who.name)
	c.tasks = append(c.tasks, t)
	c.started++
	return t
}

// spawn starts a job and returns its UPID. It is called under the lock.
func (k *call) spawn(j job) (any, error) {
	c := k.c
	if k.fault.Kind == LoseWorker {
		return nil, die("got no worker upid - start worker failed")
	}
	t := c.newTask(k, j)
	if k.fault.Kind == FailTask {
		text := k.fault.Reason
		j.end = func(*task) error { return die("%s", text) }
	}
	waits := j.cost > 0 || j.fork && c.costs.Fork > 0
	if release, ok := c.tryFiles(j.files); ok && !waits {
		c.finish(t, c.inline(t, j))
		release()
		return t.upid, nil
	} else if ok {
		release()
	}
	c.group.Go(func() { c.work(t, j) })
	return t.upid, nil
}

// inline does a job that takes no time.
func (c *Cluster) inline(t *task, j job) error {
	if j.begin != nil {
		if err := j.begin(t); err != nil {
			return err
		}
	}
	return c.complete(t, j)
}

// complete ends a job that has begun, and undoes it if it fails.
func (c *Cluster) complete(t *task, j job) error {
	if j.end == nil {
		return nil
	}
	err := j.end(t)
	if err != nil && j.undo != nil {
		j.undo()
	}
	return err
}

// work is a worker's life.
func (c *Cluster) work(t *task, j job) {
	if j.fork {
		c.sleep(c.costsNow().Fork)
	}
	release, err := c.lockFiles(t, j.files)
	if err == nil {
		err = c.live(t, j)
	}
	c.locked(func() error {
		if c.ctx.Err() == nil {
			c.finish(t, err)
		}
		return nil
	})
	release()
}

func (c *Cluster) live(t *task, j job) error {
	if j.begin != nil {
		if err := c.locked(func() error { return j.begin(t) }); err != nil {
			return err
		}
	}
	timer := time.NewTimer(j.cost)
	defer timer.Stop()
	select {
	case <-timer.C:
		return c.locked(func() error { return c.complete(t, j) })
	case <-t.cancel:
		return c.locked(func() error {
			if j.undo != nil {
				j.undo()
			}
			return die("%s", j.abort+"interrupted by signal")
		})
	case <-c.ctx.Done():
		return nil
	}
}

func (c *Cluster) finish(t *task, err error) {
	t.running, t.end, t.exit = false, time.Now(), "OK"
	// The node's list is written when tasks end, so it is in that order.
	c.tasks = append(slices.DeleteFunc(c.tasks, func(o *task) bool { return o == t }), t)
	if err != nil {
		t.exit = strings.ReplaceAll(err.Error(), "\n", " ")
		t.log = append(t.log, "TASK ERROR: "+err.Error())
		return
	}
	t.log = append(t.log, "TASK OK")
}

// mayRead says whether an identity may look at a task: its own, or with
// Sys.Audit on the node. Another token of the same user is somebody else.
func (k *call) mayRead(t *task) error {
	if t.who.name == k.who.name {
		return nil
	}
	return k.need("/nodes/"+t.node.name, "Sys.Audit")
}

// task finds the task that the call's path names.
func (k *call) task() (*task, error) {
	upid := k.str("upid")
	if parts := strings.Split(upid, ":"); len(parts) != 9 || parts[0] != "UPID" {
		return nil, badParam("upid", "unable to parse worker upid")
	}
	for _, t := range k.c.tasks {
		if t.upid == upid {
			return t, nil
		}
	}
	return nil, badParam("upid", "no such task")
}

func (k *call) getTaskStatus() (any, error) {
	t, err := k.task()
	if err != nil {
		return nil, err
	}
	if err := k.mayRead(t); err != nil {
		return nil, err
	}
	row := t.row()
	row["status"] = "stopped"
	if t.running {
		row["status"] = "running"
	} else {
		row["exitstatus"] = t.exit
	}
	return row, nil
}

func (t *task) row() map[string]any {
	row := map[string]any{
		"upid": t.upid, "node": t.node.name, "pid": t.pid, "pstart": t.pstart,
		"starttime": t.start.Unix(), "type": t.kind, "id": t.id, "user": t.who.user,
	}
	if t.who.token != nil {
		row["tokenid"] = t.who.token.id
	}
	return row
}

// line is a task as lists show it.
func (t *task) line() map[string]any {
	row := t.row()
	if !t.running {
		row["endtime"], row["status"] = t.end.Unix(), t.exit
	}
	return row
}

func (k *call) getTaskLog() (any, error) {
	t, err := k.task()
	if err != nil {
		return nil, err
	}
	if err := k.mayRead(t); err != nil {
		return nil, err
	}
	start, limit := max(k.num("start"), 0), k.num("limit")
	if limit < 0 {
		limit = 50
	}
	lines := []map[string]any{}
	for i, text := range t.log {
		if i >= start && (len(lines) < limit || limit == 0) {
			lines = append(lines, map[string]any{"n": i + 1, "t": text})
		}
	}
	return result{Data: lines, Total: len(t.log)}, nil
}

func (k *call) stopTask() (any, error) {
	t, err := k.task()
	if err != nil {
		return nil, err
	}
	if t.who.name != k.who.name {
		if err := k.need("/nodes/"+t.node.name, "Sys.Modify"); err != nil {
			return nil, err
		}
	}
	if t.running && !t.canceled {
		t.canceled = true
		close(t.cancel)
	}
	return nil, nil
}

// newestTasks lists what runs, and then what has ended, the last first.
func (c *Cluster) newestTasks() []*task {
	list := slices.Clone(c.tasks)
	slices.Reverse(list)
	slices.SortStableFunc(list, func(a, b *task) int { return bit(b.running) - bit(a.running) })
	return list
}

func (k *call) getNodeTasks() (any, error) {
	rows := []map[string]any{}
	for _, t := range k.c.newestTasks() {
		if t.node == k.node && k.mayRead(t) == nil && k.selects(t) {
			rows = append(rows, t.line())
		}
	}
	total := len(rows)
	start, limit := max(k.num("start"), 0), k.num("limit")
	if limit < 0 {
		limit = 50
	}
	rows = rows[min(start, len(rows)):]
	return result{Data: rows[:min(limit, len(rows))], Total: total}, nil
}

// selects applies the filters of a node's task list. Running tasks come only
// when they are asked for.
func (k *call) selects(t *task) bool {
	source := k.str("source")
	switch {
	case t.running && source != "active" && source != "all",
		!t.running && source == "active",
		k.on("errors") && t.exit == "OK",
		k.has("vmid") && t.id != k.str("vmid"),
		k.has("typefilter") && !strings.Contains(t.kind, k.str("typefilter")),
		k.has("userfilter") && !strings.Contains(t.who.user, k.str("userfilter")),
		k.has("since") && t.start.Unix() < int64(k.num("since")),
		k.has("until") && t.start.Unix() > int64(k.num("until")):
		return false
	}
	return true
}

func (k *call) getClusterTasks() (any, error) {
	rows := []map[string]any{}
	for _, t := range k.c.newestTasks() {
		if t.who.name != k.who.name && !k.c.can(k.who, "/nodes/"+t.node.name, "Sys.Audit") {
			continue
		}
		row := t.line()
		delete(row, "pid")
		delete(row, "pstart")
		if !t.running {
			row["saved"] = "1"
		}
		if rows = append(rows, row); len(rows) == 25*len(k.c.nodes) {
			break
		}
	}
	return rows, nil
}
