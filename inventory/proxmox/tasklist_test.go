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

// looks counts the requests that ask for tasks.
func (r *rig) looks() (cluster, node, single int) {
	for _, req := range r.sim.Requests() {
		switch {
		case req.Path == "/cluster/tasks":
			cluster++
		case strings.HasSuffix(req.Path, "/tasks"):
			node++
		case strings.Contains(req.Path, "/tasks/"):
			single++
		}
	}
	return cluster, node, single
}

// create makes containers from an OS template, all at once.
func (r *rig) create(t *testing.T, c *Cluster, nodes []string, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		guest, _ := plain(fmt.Sprintf("vm-%02d", i), 20000+i, "node", nodes[i%len(nodes)])
		wg.Go(func() {
			if o := apply(c, creation(guest)); o.State != inventory.StateDone {
				t.Errorf("%+v", o)
			}
		})
	}
	wg.Wait()
}

// Tasks of several nodes are followed by one request, those of one node by its own.
func TestOneRequestForAllNodes(t *testing.T) {
	for _, tt := range []struct {
		nodes         []string
		cluster, node bool
	}{
		{[]string{"pve1", "pve2", "pve3"}, true, false},
		{[]string{"pve2"}, false, true},
	} {
		virtual(t, pvesim.Options{Costs: pvesim.Costs{Create: 20 * time.Second}}, func(t *testing.T, r *rig) {
			c := r.open(t)
			list(t, c)
			r.sim.ForgetRequests()
			r.create(t, c, tt.nodes, 9)
			cluster, node, single := r.looks()
			if cluster > 0 != tt.cluster || node > 0 != tt.node || single > 0 || cluster+node > 20 {
				t.Errorf("on %v: %d requests to the cluster, %d to nodes, %d for single tasks", tt.nodes, cluster, node, single)
			}
		})
	}
}

// What the cluster has no room for is asked of its node.
func TestTasksThatTheClusterDoesNotShow(t *testing.T) {
	virtual(t, pvesim.Options{Costs: pvesim.Costs{Create: 20 * time.Second}}, func(t *testing.T, r *rig) {
		c := r.open(t)
		list(t, c)
		r.sim.ForgetRequests()
		r.create(t, c, []string{"pve1", "pve3"}, 70) // 35 on each: 25 are shown to have ended
		if cluster, node, single := r.looks(); cluster == 0 || node == 0 || node > 6 || single > 0 {
			t.Errorf("%d requests to the cluster, %d to nodes, %d for single tasks", cluster, node, single)
		}
	})
}

// A guest that somebody deleted, or that was made long ago, is not taken for the
// one that this process made.
func TestWhatWasMadeIsKnownForAWhile(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		c := r.open(t)
		for _, vmid := range []string{"20001", "20002", "20003"} {
			c.noteBorn(vmid, born{})
		}
		c.noteDestroyed([]task{{Type: "vzdestroy", ID: "20001"}, {Type: "vzstart", ID: "20002"}})
		known := func(vmid string) bool { _, ok := c.takeBorn(vmid); return ok }
		if known("20001") || !known("20002") || known("20002") {
			t.Error("known is what nobody deleted, once")
		}
		time.Sleep(lately + time.Second)
		if known("20003") {
			t.Error("it is known for ever")
		}
	})
}

// Made, deleted by hand while it starts, and somebody else's put in its place: the
// mark is not written there.
func TestSomebodyElseTakesThePlaceWhileItStarts(t *testing.T) {
	virtual(t, pvesim.Options{Costs: pvesim.Costs{Start: 10 * time.Second}}, func(t *testing.T, r *rig) {
		c := r.open(t)
		list(t, c)
		guest, power := container("vm-a", 20001)
		mustApply(t, c, creation(guest))
		var wg sync.WaitGroup
		wg.Go(func() { apply(c, creation(power)) })
		time.Sleep(2 * time.Second)
		const theirs = "hostname: precious\nrootfs: ceph:vm-20001-disk-0,size=8G\n"
		if err := r.sim.EditFile(20001, theirs); err != nil {
			t.Fatal(err)
		}
		c.noteDestroyed([]task{{Type: "vzdestroy", ID: "20001"}}) // as the next look at the tasks would
		wg.Wait()
		if text := r.guest(t, 20001).Config["description"]; text != "" {
			t.Errorf("somebody else's machine now says %q", text)
		}
	})
}

// The list that tells that a creation has ended tells of the start within it.
func TestAStartWithinACreation(t *testing.T) {
	name := func(node, kind, id string, began int64) upid {
		return upid(fmt.Sprintf("UPID:%s:00000001:00000001:%08X:%s:%s:root@pam:", node, began, kind, id))
	}
	wait := &waiting{upid: name("pve1", "vzcreate", "20001", 1000), guest: ref{vmid: "20001"}, starts: true}
	for _, tt := range []struct {
		what string
		task task
		want bool
	}{
		{"it ended well", task{UPID: name("pve1", "vzstart", "20001", 1010), Status: "OK"}, true},
		{"with warnings", task{UPID: name("pve1", "vzstart", "20001", 1000), Status: "WARNINGS: 1"}, true},
		{"it failed", task{UPID: name("pve1", "vzstart", "20001", 1010), Status: "hook failed"}, false},
		{"it runs yet", task{UPID: name("pve1", "vzstart", "20001", 1010)}, false},
		{"a former guest's", task{UPID: name("pve1", "vzstart", "20001", 900), Status: "OK"}, false},
		{"another guest's", task{UPID: name("pve1", "vzstart", "20002", 1010), Status: "OK"}, false},
		{"on another node", task{UPID: name("pve2", "vzstart", "20001", 1010), Status: "OK"}, false},
	} {
		parts := strings.Split(string(tt.task.UPID), ":")
		tt.task.Type, tt.task.ID = parts[5], text(parts[6])
		if tt.task.Status != "" {
			tt.task.EndTime = "1020"
		}
		seen := tasksSeen{ends: map[upid]string{}, running: map[upid]bool{}, took: map[upid]time.Duration{}, starts: map[string][]upid{}}
		seen.add([]task{tt.task})
		if got := seen.started(wait); got != tt.want {
			t.Errorf("%s: %v", tt.what, got)
		}
	}
}
