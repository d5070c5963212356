package proxmox

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// stopped puts n stopped students' containers on pve1 and returns the changes
// that start them.
func (r *rig) stopped(t *testing.T, n int) []inventory.Change {
	t.Helper()
	r.live(t, 3*n)
	var changes []inventory.Change
	for i := range n {
		vmid := 20000 + 3*i
		r.sim.SetStatus(vmid, "stopped")
		key := inventory.Key(fmt.Sprintf("cri/power/vm-%02d", 3*i))
		before := inventory.Resource{Key: key, Owner: owner, Attrs: inventory.Attrs{"state": "stopped", "boot": "done"}}
		after := before.Clone()
		after.Attrs["state"] = "running"
		changes = append(changes, change(inventory.Update, before, after, "state"))
	}
	return changes
}

// startAll applies changes side by side, as the reconciler does.
func startAll(t *testing.T, c *Cluster, changes []inventory.Change) []inventory.Outcome {
	t.Helper()
	outcomes := make([]inventory.Outcome, len(changes))
	var wg sync.WaitGroup
	for i, ch := range changes {
		wg.Go(func() { outcomes[i] = apply(c, ch) })
	}
	wg.Wait()
	return outcomes
}

// starts counts the requests that start one guest, and many.
func (r *rig) starts() (single, bulk int) {
	for _, w := range r.written() {
		if strings.HasSuffix(w, "/status/start") {
			single++
		} else if strings.HasSuffix(w, "/guest/start") {
			bulk++
		}
	}
	return single, bulk
}

func TestStartTogether(t *testing.T) {
	const path = "/cluster/bulk-action/guest/start"
	for _, tt := range []struct {
		name    string
		release string
		limit   int
		fault   *pvesim.Fault
		single  int
		bulk    int
		again   bool // whether the next start is asked for in one request
	}{
		{"9.1", "9.1", 50, nil, 0, 1, true},
		{"in threes", "9.1", 3, nil, 2, 1, true},
		{"8.4 has no such method", "8.4", 50, nil, 5, 0, false},
		{"switched off", "9.1", 1, nil, 5, 0, false},
		{"refused", "9.1", 50, &pvesim.Fault{Method: "POST", Path: path, Kind: pvesim.Refuse, Status: 403, Reason: "Permission check failed"}, 5, 1, false},
		{"its task fails", "9.1", 50, &pvesim.Fault{Method: "POST", Path: path, Kind: pvesim.FailTask, Reason: "out of memory"}, 0, 1, true},
		{"its worker is lost", "9.1", 50, &pvesim.Fault{Method: "POST", Path: path, Kind: pvesim.LoseWorker}, 5, 1, true},
		{"busy", "9.1", 50, &pvesim.Fault{Method: "POST", Path: path, Kind: pvesim.Refuse, Status: 503, Reason: "Service Unavailable"}, 5, 1, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, pvesim.Options{Release: tt.release, Costs: pvesim.Costs{Start: time.Second}}, func(t *testing.T, r *rig) {
				changes := r.stopped(t, 5)
				r.cfg.Limits.BulkStart = tt.limit
				c := r.open(t)
				list(t, c)
				if tt.fault != nil {
					r.sim.Inject(*tt.fault)
				}
				for _, o := range startAll(t, c, changes) {
					if o.State != inventory.StateDone {
						t.Errorf("%+v", o)
					}
				}
				if single, bulk := r.starts(); bulk != tt.bulk || single != tt.single {
					t.Errorf("%d together and %d single starts, want %d and %d", bulk, single, tt.bulk, tt.single)
				}
				for i := range 5 {
					if r.guest(t, 20000+3*i).Status != "running" {
						t.Errorf("%d does not run", 20000+3*i)
					}
				}
				if c.bulk() != tt.again {
					t.Errorf("the next time it starts guests together: %t", c.bulk())
				}
			})
		})
	}
}

// An answer that is lost: whoever was started runs, the others are started one by one.
func TestStartTogetherWithoutAnAnswer(t *testing.T) {
	virtual(t, pvesim.Options{Costs: pvesim.Costs{Start: time.Second}}, func(t *testing.T, r *rig) {
		changes := r.stopped(t, 5)
		c := r.open(t)
		list(t, c)
		r.sim.Inject(pvesim.Fault{Method: "POST", Path: "/cluster/bulk-action/guest/start", Kind: pvesim.DropAnswer})
		for _, o := range startAll(t, c, changes) {
			if o.State != inventory.StateDone {
				t.Errorf("%+v", o)
			}
		}
		for i := range 5 {
			if r.guest(t, 20000+3*i).Status != "running" {
				t.Errorf("%d does not run", 20000+3*i)
			}
		}
	})
}

// One that is locked, or not ours any more, fails by itself, and nobody waits for it.
func TestStartTogetherSaysWhichFailed(t *testing.T) {
	virtual(t, pvesim.Options{Costs: pvesim.Costs{Start: time.Second}}, func(t *testing.T, r *rig) {
		changes := r.stopped(t, 5)
		c := r.open(t)
		list(t, c)
		r.sim.HoldLock(20000, "backup")
		if err := r.sim.EditFile(20003, "hostname: precious\nrootfs: ceph:vm-20003-disk-0,size=8G\n"); err != nil {
			t.Fatal(err)
		}
		r.sim.Inject(pvesim.Fault{Method: "POST", Path: "/nodes/*/lxc/20006/status/start", Kind: pvesim.FailTask, Reason: "startup for container '20006' failed"})
		want := []inventory.State{inventory.StateRetry, inventory.StateFailed, inventory.StateFailed, inventory.StateDone, inventory.StateDone}
		for i, o := range startAll(t, c, changes) {
			if o.State != want[i] {
				t.Errorf("%+v, want %s", o, want[i])
			}
		}
		if r.guest(t, 20003).Status != "stopped" {
			t.Error("somebody else's machine was started")
		}
		if single, bulk := r.starts(); single != 0 || bulk != 1 {
			t.Errorf("%d single starts, %d together", single, bulk)
		}
		// A second try does not take the first one's task for its own.
		if o := apply(c, changes[2]); o.State != inventory.StateDone {
			t.Errorf("again: %+v", o)
		}
	})
}

// Whoever is up is answered for, while others of the same request still start.
func TestStartTogetherIsNoBarrier(t *testing.T) {
	virtual(t, pvesim.Options{Costs: pvesim.Costs{Start: 5 * time.Second}}, func(t *testing.T, r *rig) {
		changes := r.stopped(t, 2)
		c := r.open(t)
		list(t, c)
		costs := pvesim.Costs{Start: 5 * time.Second, Answer: 20 * time.Second} // the second's request is slow
		began := time.Now()
		var took [2]time.Duration
		var wg sync.WaitGroup
		for i, ch := range changes {
			wg.Go(func() {
				apply(c, ch)
				took[i] = time.Since(began)
			})
		}
		time.Sleep(time.Second)
		r.sim.SetCosts(costs)
		wg.Wait()
		if took[0] > 8*time.Second {
			t.Errorf("the first is told after %s, the second after %s", took[0], took[1])
		}
	})
}

// While the node has no core to spare and others are yet to come, a start waits for
// them; where nobody comes any more, or something waits for it, it does not.
func TestStartsWaitForOthersWhereThatCostsNothing(t *testing.T) {
	for _, tt := range []struct {
		name         string
		cores        int
		cloning      bool
		needed       bool
		single, bulk int
	}{
		{"crowded", 1, true, false, 0, 1},
		{"cores to spare", 8, true, false, 2, 0},
		{"nobody else comes", 1, false, false, 2, 0},
		{"a play waits for it", 1, true, true, 2, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, pvesim.Options{Costs: pvesim.Costs{Start: time.Second, FullClone: 20 * time.Second}}, func(t *testing.T, r *rig) {
				changes := r.stopped(t, 2)
				c := r.open(t)
				list(t, c)
				c.view.cores["pve1"] = tt.cores
				play := inventory.Change{Key: "awx/play/x"}
				if tt.needed {
					play.Needs = []inventory.Key{changes[0].Key, changes[1].Key}
				}
				c.readPlan(append(changes, play))
				var wg sync.WaitGroup
				if tt.cloning {
					guest, _ := container("vm-a", 20900)
					wg.Go(func() { apply(c, creation(guest)) })
				}
				time.Sleep(time.Second)
				for _, ch := range changes {
					wg.Go(func() { apply(c, ch) })
					time.Sleep(200 * time.Millisecond)
				}
				wg.Wait()
				if single, bulk := r.starts(); single != tt.single || bulk != tt.bulk {
					t.Errorf("%d single starts and %d together, want %d and %d", single, bulk, tt.single, tt.bulk)
				}
			})
		})
	}
}

func TestBulkStartsAreKnownByTheRelease(t *testing.T) {
	for v, want := range map[release]bool{{8, 4, 14}: false, {9, 0, 15}: false, {9, 1, 1}: false, {9, 1, 2}: true, {9, 2, 0}: true, {10, 0, 0}: true} {
		c := &Cluster{cfg: Config{}.withDefaults(), version: v}
		if c.bulk() != want {
			t.Errorf("%v: %t", v, c.bulk())
		}
	}
}

func TestStopsAndStartsDoNotShareAClaim(t *testing.T) {
	c := &Cluster{name: "cri", cfg: Config{}.withDefaults(), version: release{9, 1, 6}}
	power := inventory.Resource{Key: "cri/power/vm-x", Attrs: inventory.Attrs{"state": "stopped"}}
	stop := change(inventory.Update, power, power, "state")
	start := change(inventory.Update, power, inventory.Resource{Key: power.Key, Attrs: inventory.Attrs{"state": "running"}}, "state")
	if c.Claims(stop)[0].Name == c.Claims(start)[0].Name {
		t.Error("a stop could go along with starts")
	}
}
