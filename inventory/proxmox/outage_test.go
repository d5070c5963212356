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

// A node that goes away takes its own tasks with it, and nobody else's: what works on
// the others is waited for as ever. Nobody waits for the rest until task_timeout.
func TestANodeGoesAwayWhileTasksRun(t *testing.T) {
	const there = 3
	costs := pvesim.Costs{Create: 4 * time.Minute}
	virtual(t, pvesim.Options{Costs: costs, StatDelay: 10 * time.Second}, func(t *testing.T, r *rig) {
		c := r.open(t)
		list(t, c)
		outcomes := make([]inventory.Outcome, there+1)
		var wg sync.WaitGroup
		for i := range outcomes {
			node := "pve2"
			if i == there {
				node = "pve1"
				time.Sleep(time.Minute)
			}
			guest, _ := plain(fmt.Sprintf("vm-%02d", i), 20000+i, "node", node)
			wg.Go(func() { outcomes[i] = apply(c, creation(guest)) })
		}
		time.Sleep(30 * time.Second)
		r.sim.NodeDown("pve2")
		began := time.Now()
		wg.Wait()
		if took := time.Since(began); took > 6*time.Minute {
			t.Errorf("what became of the rest was awaited for %s", took)
		}
		if o := outcomes[there]; o.State != inventory.StateDone {
			t.Errorf("on the node that stays: %v", o)
		}
		for _, o := range outcomes[:there] {
			if o.State != inventory.StateUnknown || !strings.Contains(o.Error, "node pve2 is offline") {
				t.Errorf("on the node that went: %v", o)
			}
		}
	})
}

// A node that cannot be asked, where it would have to be, keeps nobody from hearing
// how the tasks of others ended.
func TestANodeThatDoesNotAnswer(t *testing.T) {
	costs := pvesim.Costs{Create: 10 * time.Second}
	virtual(t, pvesim.Options{Costs: costs}, func(t *testing.T, r *rig) {
		c := r.open(t)
		list(t, c)
		// The list of the cluster has no room for how so many ended.
		r.sim.Inject(pvesim.Fault{Method: "GET", Path: "/nodes/pve2/tasks", Kind: pvesim.Refuse, Status: 596, Reason: "Connection timed out", Times: -1})
		const there = 27
		outcomes := make([]inventory.Outcome, there+1)
		var wg sync.WaitGroup
		for i := range outcomes {
			node := "pve2"
			if i == there {
				node = "pve1"
				time.Sleep(5 * time.Second)
			}
			guest, _ := plain(fmt.Sprintf("vm-%02d", i), 20000+i, "node", node)
			wg.Go(func() { outcomes[i] = apply(c, creation(guest)) })
		}
		wg.Wait()
		if o := outcomes[there]; o.State != inventory.StateDone {
			t.Errorf("on the node that answers: %v", o)
		}
		unknown := 0
		for _, o := range outcomes[:there] {
			if o.State == inventory.StateUnknown {
				unknown++
			}
		}
		if unknown == 0 {
			t.Error("the node was never needed")
		}
	})
}
