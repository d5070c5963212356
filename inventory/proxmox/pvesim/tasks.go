package pvesim

import (
	"fmt"
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
	key   string // what its jitter is drawn from
	fork  bool   // begins in the worker, not in the request
	files []fileClaim
	cost  work
	run   func(*task) error // work of another shape than cost; without the lock
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
	t.node.announce(t)
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
	j.key = j.kind + " " + j.id + " " + k.str("newid")
	waits := !j.cost.none() || j.run != nil || j.fork && c.costs.Fork > 0
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
	release, err := c.lockFiles(j.files)
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
	run := j.run
	if run == nil {
		run = func(t *task) error { return c.toil(t, t.node, j.key, j.cost) }
	}
	err := run(t)
	if c.ctx.Err() != nil {
		return nil
	}
	return c.locked(func() error {
		if err == nil {
			return c.complete(t, j)
		}
		if j.undo != nil {
			j.undo()
		}
		return die("%s", j.abort+"interrupted by signal")
	})
}

func (c *Cluster) finish(t *task, err error) {
	t.running, t.end, t.exit = false, time.Now(), "OK"
	if err != nil {
		t.exit = strings.ReplaceAll(err.Error(), "\n", " ")
		t.log = append(t.log, "TASK ERROR: "+err.Error())
	} else {
		t.log = append(t.log, "TASK OK")
	}
	t.node.log.add(t)
	t.node.announce(t)
}
