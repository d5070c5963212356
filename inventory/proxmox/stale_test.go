package proxmox

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// TestWhoHoldsALock holds a lock against the tasks that run.
func TestWhoHoldsALock(t *testing.T) {
	at := func(s int64) json.Number { return json.Number(fmt.Sprint(s)) }
	const seen = 1000 // when the lock was first seen without a task
	for _, c := range []struct {
		name, lock string
		tasks      []task
		stale      bool
	}{
		{"nobody", "create", nil, true},
		{"its own task", "create", []task{{ID: "20001", Type: "vzcreate", Node: "pve2", StartTime: at(900)}}, false},
		{"its own task, ended", "create", []task{{ID: "20001", Type: "vzcreate", StartTime: at(900), EndTime: at(950), Status: "OK"}}, true},
		{"a clone that began before", "create", []task{{ID: "9000", Type: "vzclone", StartTime: at(900)}}, false},
		{"a clone that began after", "create", []task{{ID: "9000", Type: "vzclone", StartTime: at(1010)}}, true},
		{"a clone of another", "disk", []task{{ID: "9000", Type: "vzclone", StartTime: at(900)}}, true},
		{"a clone of it", "disk", []task{{ID: "20001", Type: "vzclone", StartTime: at(900)}}, false},
		{"a backup on its node", "backup", []task{{Type: "vzdump", Node: "pve1", StartTime: at(900)}}, false},
		{"a backup elsewhere", "backup", []task{{Type: "vzdump", Node: "pve2", StartTime: at(900)}}, true},
		{"a machine that sleeps", "suspended", nil, false},
		{"more tasks than are shown", "create", manyTasks(tasksShown), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster := &Cluster{log: discard(), locks: map[string]heldLock{"20001": {c.lock, time.Unix(seen, 0)}}}
			s := &survey{
				guests: map[string]guest{"20001": {ref: ref{"20001", typeLXC, "pve1"}, cfg: rawConfig{"lock": c.lock}}},
				tasks:  c.tasks, now: time.Unix(seen, 0).Add(staleAfter), stale: map[string]string{},
			}
			cluster.judgeLocks(s)
			if advice := s.stale["20001"]; (advice != "") != c.stale || c.stale && !strings.Contains(advice, `run "pct unlock 20001" on node pve1`) {
				t.Errorf("advice %q, want one: %v", advice, c.stale)
			}
		})
	}
}

func manyTasks(n int) (tasks []task) {
	for i := range n {
		tasks = append(tasks, task{ID: text(fmt.Sprint(500 + i)), Type: "vzstart", Node: "pve1", StartTime: "900"})
	}
	return tasks
}

// TestALockMustStay: one that goes and comes back is not the same.
func TestALockMustStay(t *testing.T) {
	c := &Cluster{log: discard(), locks: map[string]heldLock{}}
	look := func(second int64, lock string) bool {
		s := &survey{
			guests: map[string]guest{"9000": {ref: ref{"9000", typeLXC, "pve1"}, cfg: rawConfig{"lock": lock}}},
			now:    time.Unix(second, 0), stale: map[string]string{},
		}
		c.judgeLocks(s)
		return s.stale["9000"] != ""
	}
	for _, l := range []struct {
		second int64
		lock   string
		stale  bool
	}{{0, "disk", false}, {19, "disk", false}, {20, "disk", true}, {30, "", false}, {31, "disk", false}, {45, "disk", false}, {51, "disk", true}} {
		if got := look(l.second, l.lock); got != l.stale {
			t.Errorf("after %d s, lock %q: stale %v", l.second, l.lock, got)
		}
	}
}

// TestTheAccident: a clone is answered "got no worker upid" and leaves both locks.
func TestTheAccident(t *testing.T) {
	for _, mode := range []string{staleReport, staleClear} {
		t.Run(mode, func(t *testing.T) {
			virtual(t, pvesim.Options{Costs: slow}, func(t *testing.T, r *rig) {
				r.cfg.StaleLocks, r.cfg.Copies = mode, "off"
				foreign := r.foreign()
				c := r.open(t)
				r.sim.Inject(pvesim.Fault{Method: "POST", Path: "/nodes/*/lxc/*/clone", Kind: pvesim.LoseWorker})
				want, _ := container("vm-a", 20001)
				if o := apply(c, creation(want)); o.State != inventory.StateRetry {
					t.Fatalf("%+v", o)
				}
				c = r.open(t) // a new process knows as much
				items := list(t, c)
				template, half := items["cri/template/9000"], items["cri/foreign/20001"]
				if advice := template.Attrs["stale"]; !strings.Contains(advice, `run "pct unlock 9000" on node pve1`) {
					t.Errorf("of the template it says %q", advice)
				}
				if mode == staleClear {
					clearing(t, r, c, items)
				} else if half.Attrs["stale"] == "" || !strings.Contains(c.Refuse(creation(want)), "pct unlock 9000") {
					t.Errorf("half-made %v, refused for %q", half.Attrs, c.Refuse(creation(want)))
				} else {
					r.sim.HoldLock(9000, "")
					list(t, c)
					want.Attrs["vmid"] = "20002"
					mustApply(t, c, creation(want))
					if r.guest(t, 20001).Lock != "create" {
						t.Error("the half-made container was touched")
					}
				}
				if r.foreign() != foreign {
					t.Error("something foreign was changed")
				}
			})
		})
	}
}

// clearing makes the changes that the listing asks for: the template is unlocked,
// and the half-made container made anew.
func clearing(t *testing.T, r *rig, c *Cluster, items map[inventory.Key]inventory.Resource) {
	t.Helper()
	var live []inventory.Resource
	for _, item := range items {
		live = append(live, item)
	}
	for _, ch := range c.Prepare(nil, live) {
		mustApply(t, c, ch)
	}
	if lock := r.guest(t, 9000).Lock; lock != "" {
		t.Errorf("the template is locked (%s)", lock)
	}
	want, _ := container("vm-a", 20001)
	half, ok := items[want.Key]
	if !ok {
		t.Fatal("the half-made container is not listed as ours")
	}
	mustApply(t, c, change(inventory.Update, half, want, "cores", "disk", "storage"))
	if g := r.guest(t, 20001); g.Lock != "" || g.Config["rootfs"] == "" || g.Config["cores"] != "2" {
		t.Errorf("it is %v", g)
	}
}

// TestAStaleLockOfOthersStays: what does not carry our mark is not touched, not even
// where it is what the server left of our own request.
func TestAStaleLockOfOthersStays(t *testing.T) {
	virtual(t, pvesim.Options{Costs: slow}, func(t *testing.T, r *rig) {
		r.cfg.StaleLocks = staleClear
		c := r.open(t)
		list(t, c)
		r.sim.Inject(pvesim.Fault{Method: "POST", Path: "/nodes/*/lxc", Kind: pvesim.LoseWorker})
		want, _ := plain("vm-a", 20001)
		for range 3 {
			if o := apply(c, creation(want)); o.State == inventory.StateDone {
				t.Fatalf("%+v", o)
			}
		}
		if g := r.guest(t, 20001); g.Lock != "create" {
			t.Errorf("its lock is %q", g.Lock)
		}
	})
}

// TestABusyLockStays: what a task holds is never cleared.
func TestABusyLockStays(t *testing.T) {
	virtual(t, pvesim.Options{Costs: slow}, func(t *testing.T, r *rig) {
		r.cfg.StaleLocks = staleClear
		c := r.open(t)
		list(t, c)
		want, _ := container("vm-a", 20001)
		done := make(chan inventory.Outcome)
		go func() { done <- apply(c, creation(want)) }()
		time.Sleep(100 * time.Millisecond) // the clone runs
		c.mu.Lock()
		c.view.stale = map[string]string{"9000": "said wrongly"}
		c.mu.Unlock()
		j := &job{c: c}
		err := j.freeSource(t.Context(), template{ref: ref{"9000", typeLXC, "pve1"}})
		if err == nil || !strings.Contains(err.Error(), "by task UPID") || r.guest(t, 9000).Lock != "disk" {
			t.Errorf("%v; lock %q", err, r.guest(t, 9000).Lock)
		}
		if o := <-done; o.State != inventory.StateDone {
			t.Errorf("%+v", o)
		}
	})
}

// TestAdopted: a task that runs is waited for by the next process, which finds it in
// the cluster's own log, and is not started again.
func TestAdopted(t *testing.T) {
	virtual(t, pvesim.Options{Costs: slow}, func(t *testing.T, r *rig) {
		r.cfg.StateDir = "" // not even a hint is left
		c := r.open(t)
		list(t, c)
		want, _ := container("vm-a", 20001)
		ctx, kill := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer kill()
		c.Apply(ctx, []inventory.Change{creation(want)}, nil)
		r.sim.ForgetRequests()
		next := r.open(t)
		half := list(t, next)[want.Key]
		if half.Attrs["raw"] != "1" || half.Attrs["lock"] != "create" {
			t.Fatalf("the half-made container is %v", half.Attrs)
		}
		ch := change(inventory.Update, half, want, "cores", "disk", "storage", "net0.mac")
		if reason := next.Refuse(ch); reason != "" {
			t.Errorf("refused: %s", reason)
		}
		mustApply(t, next, ch)
		for _, w := range r.written() {
			if strings.HasSuffix(w, "/clone") {
				t.Errorf("it was cloned again: %s", w)
			}
		}
		if g := r.guest(t, 20001); g.Config["cores"] != "2" || strings.Contains(g.Config["description"], "raw=1") {
			t.Errorf("it is %v", g.Config)
		}
	})
}
