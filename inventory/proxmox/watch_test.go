package proxmox

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// Thirty tasks at once are followed with the requests of a few.
func TestOneRequestFollowsAllTasks(t *testing.T) {
	costs := pvesim.Costs{Create: 20 * time.Second}
	virtual(t, pvesim.Options{Costs: costs}, func(t *testing.T, r *rig) {
		c := r.open(t)
		list(t, c)
		r.sim.ForgetRequests()
		var wg sync.WaitGroup
		for i := range 30 {
			guest, _ := plain(fmt.Sprintf("vm-%02d", i), 20000+i)
			wg.Go(func() {
				if o := apply(c, creation(guest)); o.State != inventory.StateDone {
					t.Errorf("%+v", o)
				}
			})
		}
		wg.Wait()
		polls := 0
		for _, req := range r.sim.Requests() {
			if strings.Contains(req.Path, "/tasks") {
				polls++
			}
		}
		if polls > 23 {
			t.Errorf("%d polls for 30 tasks that ran together", polls)
		}
	})
}

// A task that the list has no room for is asked for by itself.
func TestATaskThatTheListForgot(t *testing.T) {
	virtual(t, pvesim.Options{Costs: slow}, func(t *testing.T, r *rig) {
		c := r.open(t)
		list(t, c)
		r.sim.Inject(pvesim.Fault{Method: "GET", Path: "/nodes/*/tasks", Kind: pvesim.Refuse, Status: 500, Reason: "busy", Times: 3})
		want, _ := container("vm-a", 20001)
		mustApply(t, c, creation(want))
		if err := c.wait(t.Context(), "UPID:pve1:00004745:000326E6:6B00FA44:vzstart:999:root@pam:"); err == nil || !strings.Contains(err.Error(), "no such task") {
			t.Errorf("a task that nobody knows: %v", err)
		}
	})
}

func TestPaceLearns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		u := upid("UPID:pve1:00004745:000326E6:6B00FA44:vzclone:9000:root@pam:")
		full := about{subject: "vzclone/9000/full", general: "vzclone/full on disks", units: 4, storage: "disks"}
		begin := func(a about) *lesson {
			p.tell(u, a)
			return p.begin(u)
		}
		if l := begin(full); p.expect(l) != 0 {
			t.Error("it knows what it never saw")
		} else {
			p.forget(l)
		}
		// Alone a clone takes 10 s, and half as long again for each other that runs.
		for range 20 {
			for company := range 4 {
				var ls []*lesson
				for range company + 1 {
					ls = append(ls, begin(full))
				}
				time.Sleep(time.Duration(10+5*company) * time.Second)
				for _, l := range ls {
					l.running = time.Now()
					p.learn(l, time.Now())
				}
			}
		}
		s, _ := p.of(full)
		if s.alone < 9*time.Second || s.alone > 11*time.Second || s.drag < 0.4 || s.drag > 0.6 {
			t.Errorf("learned %+v", s)
		}
		other := about{subject: "vzclone/9001/full", general: full.general, units: 8}
		if like, _ := p.of(other); like.alone < 18*time.Second || like.alone > 22*time.Second {
			t.Errorf("of twice the size it expects %s", like.alone)
		}
		if linked, known := p.of(about{subject: "vzclone/9000/linked", general: "vzclone/linked", units: 1}); known {
			t.Errorf("from full clones it knows linked ones: %+v", linked)
		}
		p.read([]task{
			{Type: "vzstart", ID: "1", Status: "OK", StartTime: "100", EndTime: "107"},
			{Type: "vzclone", ID: "9000", Status: "OK", StartTime: "1", EndTime: "3"},
			{Type: "vzclone", ID: "9000", Status: "OK", StartTime: "3", EndTime: "63"},
		})
		if s, _ := p.of(aboutTask("vzstart")); s.alone != 7*time.Second {
			t.Errorf("the log told of 7 s, read %s", s.alone)
		}
		if linked, _ := p.of(about{subject: "vzclone/9000/linked", units: 1}); linked.alone != 2*time.Second {
			t.Errorf("of the log's clones the quickest is linked, not %s", linked.alone)
		}
		if again, _ := p.of(full); again.alone != s.alone {
			t.Errorf("what was measured gave way to the log: %+v", again)
		}
	})
}

// A task is expected in the company that it has: twice as long beside another,
// and what is left when that ends as quickly as alone.
func TestExpectFollowsTheCompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		u := upid("UPID:pve1:00004745:000326E6:6B00FA44:vzstart:101:root@pam:")
		p.on(map[string]int{"pve1": 1})
		first := p.begin(u)
		time.Sleep(10 * time.Second)
		first.running = time.Now()
		p.learn(first, time.Now())
		one, other := p.begin(u), p.begin(u)
		if expect := p.expect(one); expect != 20*time.Second {
			t.Errorf("side by side %s, want 20s", expect)
		}
		time.Sleep(10 * time.Second)
		p.forget(other)
		if expect := p.expect(one); expect != 15*time.Second {
			t.Errorf("alone from half-time on %s, want 15s", expect)
		}
	})
}

func TestWidths(t *testing.T) {
	var w widths
	if got := w.of("a", 16); got != 16 {
		t.Errorf("begins with %d", got)
	}
	w.adapt("a", 16, muchNarrower)
	for range 200 {
		w.adapt("a", 16, wider)
	}
	if got := w.of("a", 16); got != 16 {
		t.Errorf("grows to %d", got)
	}
	w.adapt("a", 16, muchNarrower)
	if got := w.of("a", 16); got != 8 {
		t.Errorf("halves to %d", got)
	}
	for range 200 {
		w.adapt("a", 16, narrower)
	}
	if got := w.of("a", 16); got != 1 {
		t.Errorf("shrinks to %d", got)
	}
	if got := w.of("b", 3); got != 3 {
		t.Errorf("a small limit begins with %d", got)
	}
}

// Clones of a machine's template go side by side until its lock is too much.
func TestLockErrorsNarrow(t *testing.T) {
	virtual(t, pvesim.Options{Costs: slow}, func(t *testing.T, r *rig) {
		c := r.open(t)
		list(t, c)
		before := c.Width("cri/template/9100")
		r.sim.Inject(pvesim.Fault{Method: "POST", Path: "/nodes/*/qemu/*/clone", Kind: pvesim.FailTask,
			Reason: "can't lock file '/var/lock/qemu-server/lock-9100.conf' - got timeout"})
		want, _ := machine("vm-b", 20002)
		if o := apply(c, creation(want)); o.State != inventory.StateRetry {
			t.Errorf("%+v", o)
		}
		if now := c.Width("cri/template/9100"); now != before/2 {
			t.Errorf("the width was %d and is %d", before, now)
		}
		if c.Width("cri/template/9000") != 1 || c.Width("cri/nothing/x") != 0 {
			t.Error("a container's source serves one at a time")
		}
	})
}
