package proxmox

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// A lock is stale when no task holds it: the worker that was to work under it did
// not start, or was lost with its node. Nothing that the API offers takes it away,
// not even a forced DELETE, so whoever waits for it waits for ever. Seen on a real
// server: a clone's POST was answered "got no worker upid - start worker failed"
// and left "disk" on the template and "create" on a half-made guest.
//
// A lock is called stale when it was seen without a task for staleAfter: a request
// sets it moments before its task shows, and a task is gone from the list moments
// after. What is stale is reported with the command that helps. A template that is
// locked so is not cloned; a half-made guest is left alone and made anew under
// another VMID. With stale_locks: clear both locks are taken away over SSH, when
// they are in the way and after another look, and the half-made guest is made anew
// where it is.

// staleAfter is much longer than a request takes from setting a lock to starting
// its worker; Proxmox itself waits at most 10 s for a file lock meanwhile.
const staleAfter = 20 * time.Second

// The values of stale_locks.
const (
	staleReport = "report"
	staleClear  = "clear"
)

// taskLocks are those that a task holds. Others, such as "suspended", last.
var taskLocks = []string{"create", "clone", "disk", "backup", "migrate", "rollback", "snapshot", "snapshot-delete"}

// clearable are the locks that provost's own work may leave.
var clearable = []string{"create", "clone", "disk"}

// heldLock is a lock that no task was seen to hold, since when.
type heldLock struct {
	lock  string
	since time.Time
}

// judgeLocks finds the stale locks of a survey.
func (c *Cluster) judgeLocks(s *survey) {
	c.recallLost()
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.locks
	c.locks = map[string]heldLock{}
	for vmid, g := range s.guests {
		lock := g.cfg["lock"]
		if !slices.Contains(taskLocks, lock) {
			continue
		}
		held, known := before[vmid]
		if !known || held.lock != lock {
			held = heldLock{lock, s.now}
		}
		if _, unread := s.unread[vmid]; s.holds(g, held) && !unread {
			continue
		}
		c.locks[vmid] = held
		if s.now.Sub(held.since) >= staleAfter {
			s.stale[vmid] = advise(g.ref, lock)
			c.log.Warn("stale lock", "guest", g.ref.String(), "node", g.node, "lock", lock, "hint", s.stale[vmid])
		}
	}
}

// holds reports whether a running task may hold a guest's lock. A clone goes under
// its source's VMID; so any that began before the lock was first seen may be the
// one that makes this guest. Of a node that runs more tasks than the list has
// room for, nobody can tell.
func (s *survey) holds(g guest, held heldLock) bool {
	running := 0
	for _, t := range s.tasks {
		if !t.running() {
			continue
		}
		if t.Node == g.node {
			running++
		}
		made := isClone(t.Type) && (held.lock == "create" || held.lock == "clone") && !t.begun().After(held.since)
		if string(t.ID) == g.vmid || made || t.Type == "vzdump" && held.lock == "backup" && t.Node == g.node {
			return true
		}
	}
	return running >= tasksShown
}

// lostWorker remembers that the server said itself that nobody works under the
// locks that a request has set. Nobody needs to look twice for that; the intent
// tells the next process, too.
func (c *Cluster) lostWorker(in intent, made ref) {
	in.Lost = true
	c.keepIntent(in)
	c.mu.Lock()
	defer c.mu.Unlock()
	stale := maps.Clone(c.view.stale)
	if stale == nil {
		stale = map[string]string{}
	}
	c.locks[made.vmid] = heldLock{lock: "create"}
	stale[made.vmid] = advise(made, "create")
	if source, ok := c.view.source(in.Source); ok && source.typ == typeLXC {
		c.locks[in.Source] = heldLock{lock: "disk"}
		stale[in.Source] = advise(source.ref, "disk")
	}
	c.view.stale = stale
}

// source finds what can be cloned by its VMID: a template or a copy of one.
func (v view) source(vmid string) (template, bool) {
	if t, ok := v.template(vmid); ok {
		return t, true
	}
	for _, copies := range v.copies {
		for _, t := range copies {
			if t.vmid == vmid {
				return t, true
			}
		}
	}
	return template{}, false
}

// recallLost takes up what a former process was told.
func (c *Cluster) recallLost() {
	lost := c.lostIntents()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, in := range lost {
		c.locks[in.VMID] = heldLock{lock: "create"}
		if in.Source != "" {
			c.locks[in.Source] = heldLock{lock: "disk"}
		}
	}
}

// advise says what a person can do about a stale lock.
func advise(r ref, lock string) string {
	return fmt.Sprintf("%s is locked (%s) and no task holds it: run %q on node %s", r, lock, tool(r)+" unlock "+r.vmid, r.node)
}

func tool(r ref) string {
	if r.typ == typeQEMU {
		return "qm"
	}
	return "pct"
}

// unmade reports whether a guest that carries our mark has nothing but a
// configuration: it is being made, or its making was cut off. A container always
// has a disk; a machine without one may be somebody's intention once it was
// configured.
func unmade(g guest, raw bool) bool {
	return !hasDisk(g) && (raw || g.typ == typeLXC)
}

func hasDisk(g guest) bool { return rootVolume(g.typ, g.cfg).get("volume") != "" }
