package pvesim_test

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// measured is what was timed on the real server: preset tiny must agree within
// trust, or no schedule that is measured with it means anything.
var measured = []struct {
	what     string
	seconds  float64
	requests float64 // 0: not counted
	run      func(*bench)
}{
	{"20 creates from the OS template, 1 worker", 20, 0, func(b *bench) { b.creates(1, "start=0") }},
	{"20 creates from the OS template, 4 workers", 14, 0, func(b *bench) { b.creates(4, "start=0") }},
	{"20 creates from the OS template, 16 workers", 11, 0, func(b *bench) { b.creates(16, "start=0") }},
	{"20 creates with start=1, 4 workers", 22, 0, func(b *bench) { b.creates(4, "start=1") }},
	{"20 full clones of 1 template", 9.5, 0, func(b *bench) { b.clones(20, 1) }},
	{"20 full clones of 2 templates", 7.3, 0, func(b *bench) { b.clones(20, 2) }},
	{"20 full clones of 4 templates", 6.3, 0, func(b *bench) { b.clones(20, 4) }},
	{"8 throttled clones of 1 template", 19.3, 0, func(b *bench) { b.clones(8, 1, throttle) }},
	{"8 throttled clones of 2 templates", 10.3, 0, func(b *bench) { b.clones(8, 2, throttle) }},
	{"8 throttled clones of 4 templates", 6.0, 0, func(b *bench) { b.clones(8, 4, throttle) }},
	{"20 machines by a locked pool of 5", 29, 180, func(b *bench) { b.lockedPool(20, 5) }},
}

const trust = 0.10

// throttle makes the copying of the templates' 200 MB take 1.93 s: the size and
// the limit of what was measured are not known, but one clone after another
// took 19.3 s, of which that is the copying.
const throttle = "bwlimit=101300"

func TestTheModelIsTrue(t *testing.T) {
	for _, m := range measured {
		var spread []string
		for seed := range uint64(5) {
			took, requests := timed(t, seed, m.run)
			spread = append(spread, fmt.Sprintf("%.1f", took))
			if off := took/m.seconds - 1; math.Abs(off) > trust {
				t.Errorf("%s, seed %d: %.1f s, measured %.1f (%+.0f %%)", m.what, seed, took, m.seconds, off*100)
			}
			if off := requests/m.requests - 1; m.requests > 0 && math.Abs(off) > trust {
				t.Errorf("%s, seed %d: %.0f requests, measured %.0f (%+.0f %%)", m.what, seed, requests, m.requests, off*100)
			}
			if m.requests > 0 {
				spread[seed] += fmt.Sprintf(" (%.0f requests)", requests)
			}
		}
		t.Logf("%-45s measured %5.1f s, model %s s", m.what, m.seconds, strings.Join(spread, " "))
	}
}

// TestTheModelRepeats: in virtual time a run is the same every time.
func TestTheModelRepeats(t *testing.T) {
	run := func(b *bench) { b.lockedPool(20, 5) }
	first, _ := timed(t, 7, run)
	for range 5 {
		if again, _ := timed(t, 7, run); again != first {
			t.Errorf("the same seed took %.9f s and then %.9f s", first, again)
		}
	}
	if other, _ := timed(t, 8, run); other == first {
		t.Errorf("another seed took %.9f s too", other)
	}
}

// bench is a client that does a batch as the one did that measured.
type bench struct {
	*client
}

// timed runs a batch on a new cluster in virtual time.
func timed(t *testing.T, seed uint64, run func(*bench)) (seconds, requests float64) {
	t.Helper()
	costs, err := pvesim.Preset("tiny")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		c, stop := startMem(t, pvesim.Options{Costs: costs, Seed: seed})
		defer stop()
		for vmid := 9000; vmid < 9004; vmid++ {
			addTiny(t, c, vmid)
		}
		begin := time.Now()
		run(&bench{c})
		seconds, requests = time.Since(begin).Seconds(), float64(len(c.c.Requests()))
	})
	return seconds, requests
}

func addTiny(t *testing.T, c *client, vmid int) {
	t.Helper()
	if err := c.c.AddTemplate(pvesim.Guest{VMID: vmid, Node: "pve1", Type: "lxc", Config: map[string]string{
		"hostname": "tiny", "memory": "64", "rootfs": fmt.Sprintf("btr:%d/vm-%d-disk-0.raw,size=191M", vmid, vmid)}}); err != nil {
		t.Fatal(err)
	}
}

// workers hands the numbers from 0 to n-1 to some workers.
func workers(count, n int, f func(worker, i int)) {
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	var wg sync.WaitGroup
	for w := range count {
		wg.Go(func() {
			for i := range next {
				f(w, i)
			}
		})
	}
	wg.Wait()
}

const (
	quick = 20 * time.Millisecond // the pause between the polls of who measured
	slow  = time.Second           // and of the application with the locks
)

// task sends a POST and polls its task until it has ended.
func (b *bench) task(pause time.Duration, path string, pairs ...string) {
	b.t.Helper()
	a := b.do("POST", path, pairs...)
	if a.status != 200 {
		b.t.Errorf("POST %s: %d %s", path, a.status, a.reason)
		return
	}
	for {
		s := b.do("GET", "/nodes/pve1/tasks/"+a.upid()+"/status")
		if s.status != 200 || strings.Contains(s.body, `"stopped"`) {
			if !strings.Contains(s.body, `"exitstatus":"OK"`) {
				b.t.Errorf("POST %s ended %s", path, s.body)
			}
			return
		}
		time.Sleep(pause)
	}
}

func (b *bench) creates(count int, pairs ...string) {
	workers(count, 20, func(_, i int) {
		pairs := append([]string{fmt.Sprintf("vmid=%d", 200+i), "rootfs=btr:0.2",
			"ostemplate=local:vztmpl/debian-12-mini_12.5-1_amd64.tar.gz"}, pairs...)
		b.task(quick, "/nodes/pve1/lxc", pairs...)
	})
}

func (b *bench) clones(n, templates int, pairs ...string) {
	workers(templates, n, func(w, i int) {
		pairs := append([]string{fmt.Sprintf("newid=%d", 200+i), "full=1"}, pairs...)
		b.task(quick, fmt.Sprintf("/nodes/pve1/lxc/%d/clone", 9000+w), pairs...)
	})
}

// lockedPool is the Celery application: each worker makes a machine at a time,
// a template is cloned by one at a time.
func (b *bench) lockedPool(n, count int) {
	lock := make(chan struct{}, 1)
	workers(count, n, func(_, i int) {
		guest := fmt.Sprintf("/nodes/pve1/lxc/%d", 200+i)
		lock <- struct{}{}
		b.task(slow, "/nodes/pve1/lxc/9000/clone", fmt.Sprintf("newid=%d", 200+i), "full=1")
		<-lock
		b.do("PUT", guest+"/config", "memory=128").want(b.t, 200, "OK")
		b.task(slow, guest+"/status/start")
	})
}
