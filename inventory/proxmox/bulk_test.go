package proxmox

import (
	"fmt"
	"strings"
	"testing"

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

func TestStartTogether(t *testing.T) {
	for _, tt := range []struct {
		name    string
		release string
		limit   int
		fault   *pvesim.Fault
		batch   int
		starts  int // single ones
		bulk    int
		failed  int
	}{
		{"9.1", "9.1", 50, nil, 50, 0, 1, 0},
		{"8.4 has no such method", "8.4", 50, nil, 1, 5, 0, 0},
		{"switched off", "9.1", 1, nil, 1, 5, 0, 0},
		{"refused", "9.1", 50, &pvesim.Fault{Method: "POST", Path: "/cluster/bulk-action/guest/start", Kind: pvesim.Refuse, Status: 403, Reason: "Permission check failed"}, 50, 5, 1, 0},
		{"the task fails", "9.1", 50, &pvesim.Fault{Method: "POST", Path: "/cluster/bulk-action/guest/start", Kind: pvesim.FailTask, Reason: "some guests failed to start"}, 50, 5, 1, 0},
		{"the answer is lost", "9.1", 50, &pvesim.Fault{Method: "POST", Path: "/cluster/bulk-action/guest/start", Kind: pvesim.DropAnswer}, 50, 0, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, pvesim.Options{Release: tt.release, Unlogged: true}, func(t *testing.T, r *rig) {
				changes := r.stopped(t, 5)
				r.cfg.Limits.BulkStart = tt.limit
				c := r.open(t)
				list(t, c)
				if tt.fault != nil {
					r.sim.Inject(*tt.fault)
				}
				if got := c.MaxBatch(changes[0]); got != tt.batch {
					t.Errorf("%d in a batch, want %d", got, tt.batch)
				}
				for _, o := range c.Apply(t.Context(), changes, nil) {
					if o.State != inventory.StateDone {
						t.Errorf("%+v", o)
					}
				}
				single, bulk := 0, 0
				for _, w := range r.written() {
					if strings.HasSuffix(w, "/status/start") {
						single++
					} else if strings.HasSuffix(w, "/guest/start") {
						bulk++
					}
				}
				if bulk != tt.bulk || tt.name != "the answer is lost" && single != tt.starts {
					t.Errorf("%d together and %d single starts, want %d and %d", bulk, single, tt.bulk, tt.starts)
				}
				for i := range 5 {
					if r.guest(t, 20000+3*i).Status != "running" {
						t.Errorf("%d does not run", 20000+3*i)
					}
				}
				if tt.name == "refused" && c.MaxBatch(changes[0]) != 1 {
					t.Error("it would ask again")
				}
			})
		})
	}
}

// One that is locked, or not ours any more, fails by itself.
func TestStartTogetherSaysWhichFailed(t *testing.T) {
	virtual(t, pvesim.Options{Unlogged: true}, func(t *testing.T, r *rig) {
		changes := r.stopped(t, 4)
		r.cfg.Limits.BulkStart = 50
		c := r.open(t)
		list(t, c)
		r.sim.HoldLock(20000, "backup")
		if err := r.sim.EditFile(20003, "hostname: precious\nrootfs: ceph:vm-20003-disk-0,size=8G\n"); err != nil {
			t.Fatal(err)
		}
		want := []inventory.State{inventory.StateRetry, inventory.StateFailed, inventory.StateDone, inventory.StateDone}
		for i, o := range c.Apply(t.Context(), changes, nil) {
			if o.State != want[i] {
				t.Errorf("%+v, want %s", o, want[i])
			}
		}
		if r.guest(t, 20003).Status != "stopped" {
			t.Error("somebody else's machine was started")
		}
	})
}

func TestStopsAreNotBatched(t *testing.T) {
	c := &Cluster{name: "cri", cfg: Config{Limits: Limits{BulkStart: 50}}.withDefaults(), version: release{9, 1}}
	power := inventory.Resource{Key: "cri/power/vm-x", Attrs: inventory.Attrs{"state": "stopped"}}
	stop := change(inventory.Update, power, power, "state")
	if c.MaxBatch(stop) != 1 || c.MaxBatch(creation(wanted())) != 1 {
		t.Error("only starts travel together")
	}
	start := change(inventory.Update, power, inventory.Resource{Key: power.Key, Attrs: inventory.Attrs{"state": "running"}}, "state")
	if c.Claims(stop)[0].Name == c.Claims(start)[0].Name {
		t.Error("a stop could go along with starts")
	}
}
