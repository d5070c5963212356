package pvesim

import (
	"strconv"
	"time"
)

func (g *guest) setRunning(running bool) {
	if running && !g.running {
		g.started = time.Now()
	}
	if g.running = running; !running {
		g.applyPending()
	}
}

// start is the worker's part: what is wrong with the guest, and then on.
func (k *call) start(g *guest) error {
	g.applyPending()
	if err := k.c.checkBridges(g.conf.Values); err != nil {
		return err
	}
	g.setRunning(true)
	return nil
}

// startMade is the start that a creation was asked for: by a task of its own, whose
// time is part of the creation's.
func (k *call) startMade(g *guest) {
	g.setRunning(true)
	k.c.finish(k.c.newTask(k, job{kind: k.taskType("start"), id: g.id()}), nil)
}

// startable finds the guest when the worker begins; a start of a guest that is
// not there is answered 200 and its task fails.
func (k *call) startable() (*guest, error) {
	g, err := k.guest()
	if err != nil {
		return nil, err
	}
	if err := g.checkLock(); err != nil {
		return nil, err
	}
	if g.template() {
		article := map[string]string{"lxc": "a CT", "qemu": "a vm"}[g.kind]
		return nil, die("you can't start %s if it's a template", article)
	}
	if g.running && !g.isLXC() {
		return nil, die("VM %d already running", g.vmid)
	}
	return g, nil
}

func (k *call) startLXC() (any, error) {
	if g, err := k.guest(); err == nil && g.running {
		return nil, die("CT %d already running", g.vmid)
	}
	return k.startJob("vzstart", nil)
}

func (k *call) startQEMU() (any, error) {
	return k.startJob("qmstart", k.machineFile())
}

// machineFile is the file lock that a machine's start and destruction wait for.
func (k *call) machineFile() []fileClaim {
	return []fileClaim{{path: lockPath("qemu", k.vmid), exclusive: true, limit: 10 * time.Second}}
}

// startCost is that of a start, which reads from the guest's first storage; nil
// is a guest that is not there, which the task will find.
func (k *call) startCost(g *guest) work {
	w := busy(k.c.costs.Start)
	if g == nil {
		return w
	}
	for _, name := range diskKeys(g.kind, g.conf.Values) {
		store, _, _ := splitVolume(volumeOf(g.conf.Values[name]))
		return w.through(&k.c.costs, k.c.storages[store], k.c.costs.Booted, 0)
	}
	return w
}

func (k *call) startJob(kind string, files []fileClaim) (any, error) {
	var g *guest
	return k.spawn(job{kind: kind, id: strconv.Itoa(k.vmid), files: files, cost: k.startCost(k.c.guests[k.vmid]),
		begin: func(*task) (err error) { g, err = k.startable(); return err },
		end:   func(*task) error { return k.start(g) },
	})
}

// runningLXC is the refusal of what needs a running container.
func (k *call) runningLXC() (*guest, error) {
	g, err := k.guest()
	if err == nil && !g.running {
		return nil, die("CT %d not running", k.vmid)
	}
	return g, err
}

// stop writes the file: what was pending is applied.
func (k *call) stopJob(kind string, g *guest, files []fileClaim) (any, error) {
	return k.spawn(job{kind: kind, id: strconv.Itoa(k.vmid), files: files, cost: busy(k.c.costs.Stop), end: func(*task) error {
		g.setRunning(false)
		k.c.written(g)
		return nil
	}})
}

func (k *call) stopLXC() (any, error)     { return k.haltLXC("vzstop") }
func (k *call) shutdownLXC() (any, error) { return k.haltLXC("vzshutdown") }

func (k *call) haltLXC(kind string) (any, error) {
	g, err := k.runningLXC()
	switch {
	case err != nil:
		return nil, err
	case g.ha:
		return k.askHA(kind, g)
	}
	return k.stopJob(kind, g, nil)
}

// stopQEMU of a stopped machine is fine.
func (k *call) stopQEMU() (any, error)     { return k.haltQEMU("qmstop") }
func (k *call) shutdownQEMU() (any, error) { return k.haltQEMU("qmshutdown") }

func (k *call) haltQEMU(kind string) (any, error) {
	g, err := k.guest()
	switch {
	case err != nil:
		return nil, err
	case g.ha:
		return k.askHA(kind, g)
	}
	return k.stopJob(kind, g, k.machineFile())
}

func (k *call) rebootLXC() (any, error) {
	g, err := k.runningLXC()
	if err != nil {
		return nil, err
	}
	return k.rebootJob("vzreboot", g)
}

func (k *call) rebootQEMU() (any, error) {
	g, err := k.guest()
	if err == nil && !g.running {
		err = die("VM %d not running", g.vmid)
	}
	if err != nil {
		return nil, err
	}
	return k.rebootJob("qmreboot", g)
}

func (k *call) rebootJob(kind string, g *guest) (any, error) {
	work := k.startCost(g)
	work.busy += k.c.costs.Stop
	return k.spawn(job{kind: kind, id: g.id(), cost: work, end: func(*task) error {
		g.setRunning(false)
		k.c.written(g)
		return k.start(g)
	}})
}
