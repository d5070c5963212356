package proxmox

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// others are the rig's own templates and guests of somebody else.
const others = 5

// Without SSH an unchanged campus costs a tenth of a request for each guest where a
// pass is made each thirty seconds, and each guest is read within sweepEvery.
func TestASweepReadsAllInTurn(t *testing.T) {
	for _, n := range []int{60, 600} {
		virtual(t, pvesim.Options{NoSSH: true, StatDelay: 10 * time.Second}, func(t *testing.T, r *rig) {
			r.live(t, n)
			c := r.open(t)
			time.Sleep(time.Minute) // the machines were made long ago
			list(t, c)
			read, most := map[string]time.Time{}, 0
			for range sweepEvery/(30*time.Second) + 2 {
				time.Sleep(30 * time.Second)
				r.sim.ForgetRequests()
				list(t, c)
				most = max(most, len(r.sim.Requests()))
				for _, q := range r.sim.Requests() {
					if q.Method == http.MethodGet && strings.HasSuffix(q.Path, "/config") {
						read[q.Path] = time.Now()
					}
				}
			}
			t.Logf("without SSH, a pass over %d unchanged guests each 30 s: %d requests at most", n, most)
			all := n + others
			if most > 2+(all+9)/10 { // the resources, the tasks, and a tenth
				t.Errorf("%d requests for %d guests", most, n)
			}
			if len(read) != all {
				t.Errorf("%d of %d were read", len(read), all)
			}
			for path, at := range read {
				if age := time.Since(at); age > sweepEvery {
					t.Errorf("%s was last read %s ago", path, age)
				}
			}
		})
	}
}

// What somebody changed by hand, and when that is seen.
func TestWhatASweepSees(t *testing.T) {
	const key = inventory.Key("cri/guest/vm-07")
	rename := func(r *rig) { r.edit(20007, "hostname: vm-07", "hostname: other") }
	bridge := func(r *rig) { r.edit(20007, "vibr285", "vmbr0") }
	for name, tt := range map[string]struct {
		happen func(*testing.T, *rig, *Cluster)
		attr   string
		within time.Duration
	}{
		"what shows in the resources": {func(_ *testing.T, r *rig, _ *Cluster) { rename(r) }, "name", 30 * time.Second},
		"what does not":               {func(_ *testing.T, r *rig, _ *Cluster) { bridge(r) }, "net0.bridge", sweepEvery},
		"beside a change of our own": {func(t *testing.T, r *rig, c *Cluster) {
			bridge(r)
			other := list(t, c)["cri/guest/vm-01"]
			after := other.Clone()
			after.Attrs["nameserver"] = "10.0.0.53"
			mustApply(t, c, inventory.Change{Key: other.Key, Action: inventory.Update, Before: &other, After: &after, Owner: owner, Fields: []string{"nameserver"}})
		}, "net0.bridge", 30 * time.Second},
		"beside a task": {func(t *testing.T, r *rig, c *Cluster) {
			bridge(r)
			if _, err := c.api.post(t.Context(), "/nodes/pve2/lxc/20007/snapshot", params{"snapname": "mine"}); err != nil {
				t.Fatal(err)
			}
		}, "net0.bridge", 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newVirtualRig(t, pvesim.Options{NoSSH: true, StatDelay: 10 * time.Second})
				r.live(t, 40)
				c := r.open(t)
				before := list(t, c)[key].Attrs[tt.attr]
				for range 20 + rand.N(10) { // wherever the sweep has come to
					time.Sleep(30 * time.Second)
					list(t, c)
				}
				tt.happen(t, r, c)
				var took time.Duration
				for took = 0; took <= sweepEvery && list(t, c)[key].Attrs[tt.attr] == before; took += 30 * time.Second {
					time.Sleep(30 * time.Second)
				}
				if took > tt.within {
					t.Errorf("%s is seen after %s", tt.attr, took)
				}
			})
		})
	}
}

// A guest that holds a lock is read each time: locks are judged by how long they stand.
func TestASweepReadsLockedGuests(t *testing.T) {
	virtual(t, pvesim.Options{NoSSH: true}, func(t *testing.T, r *rig) {
		r.live(t, 40)
		r.edit(20007, "hostname: vm-07", "hostname: vm-07\nlock: backup")
		c := r.open(t)
		for range 3 {
			list(t, c)
			r.sim.ForgetRequests()
			time.Sleep(time.Second)
			list(t, c)
			if asked := fmt.Sprint(r.sim.Requests()); !strings.Contains(asked, "/lxc/20007/config") {
				t.Errorf("it was not read: %s", asked)
			}
		}
	})
}
