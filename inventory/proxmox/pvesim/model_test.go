package pvesim_test

import (
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// within fails unless something took so long, give or take the pause between
// two looks.
func within(t *testing.T, what string, took, want time.Duration) {
	t.Helper()
	if took < want || took > want+60*time.Millisecond {
		t.Errorf("%s took %s, want %s", what, took, want)
	}
}

// tasks starts one task for each request and waits for them all.
func tasks(c *client, requests ...[]string) (took time.Duration) {
	begin := time.Now()
	var wg sync.WaitGroup
	var mu sync.Mutex
	for _, r := range requests {
		wg.Go(func() {
			up := c.do("POST", r[0], r[1:]...).want(c.t, 200, "OK").upid()
			if exit := c.exit(up); exit != "OK" {
				c.t.Errorf("%s ended %s", r, exit)
			}
			mu.Lock()
			defer mu.Unlock()
			took = max(took, time.Since(begin))
		})
	}
	wg.Wait()
	return took
}

func clone(source, target int, pairs ...string) []string {
	return append([]string{fmt.Sprintf("/nodes/pve1/qemu/%d/clone", source), fmt.Sprintf("newid=%d", target), "full=1"}, pairs...)
}

func create(node string, vmid int) []string {
	return []string{"/nodes/" + node + "/lxc", fmt.Sprintf("vmid=%d", vmid), "rootfs=ceph:1",
		"ostemplate=local:vztmpl/debian-12-mini_12.5-1_amd64.tar.gz"}
}

// TestCopiesShareTheirStorage: 8 GiB each, at 1 GiB a second for all.
func TestCopiesShareTheirStorage(t *testing.T) {
	const gib = 1 << 30
	half := fmt.Sprintf("bwlimit=%d", gib/4/1024)
	tests := []struct {
		what   string
		stream float64
		clones [][]string
		want   time.Duration
	}{
		{"one", 0, [][]string{clone(900, 101)}, 8 * time.Second},
		{"two", 0, [][]string{clone(900, 101), clone(900, 102)}, 16 * time.Second},
		{"one that gets a quarter", gib / 4, [][]string{clone(900, 101)}, 32 * time.Second},
		{"four that get a quarter", gib / 4, [][]string{clone(900, 101), clone(900, 102), clone(900, 103), clone(900, 104)}, 32 * time.Second},
		{"eight that get a quarter", gib / 4, [][]string{clone(900, 101), clone(900, 102), clone(900, 103), clone(900, 104),
			clone(900, 105), clone(900, 106), clone(900, 107), clone(900, 108)}, 64 * time.Second},
		{"a limited one", 0, [][]string{clone(900, 101, half)}, 32 * time.Second},
		// Three quarters are left to the other; both together take no longer.
		{"a limited one and another", 0, [][]string{clone(900, 101, half), clone(900, 102)}, 32 * time.Second},
	}
	for _, test := range tests {
		inBubble(t, pvesim.Options{Costs: pvesim.Costs{Shared: pvesim.Storage{Throughput: gib, Stream: test.stream}}}, func(t *testing.T, c *client) {
			addQEMU(t, c, 900)
			within(t, test.what, tasks(c, test.clones...), test.want)
		})
	}
}

// TestTasksShareTheirNode, not those of another node.
func TestTasksShareTheirNode(t *testing.T) {
	costs := pvesim.Costs{Create: 10 * time.Second, Contention: 0.5}
	o := pvesim.Options{Nodes: []string{"pve1", "pve2"}, Costs: costs}
	for _, test := range []struct {
		what    string
		creates [][]string
		want    time.Duration
	}{
		{"one", [][]string{create("pve1", 101)}, 10 * time.Second},
		{"three", [][]string{create("pve1", 101), create("pve1", 102), create("pve1", 103)}, 20 * time.Second},
		{"two on each", [][]string{create("pve1", 101), create("pve1", 102), create("pve2", 103), create("pve2", 104)}, 15 * time.Second},
	} {
		inBubble(t, o, func(t *testing.T, c *client) {
			within(t, test.what, tasks(c, test.creates...), test.want)
		})
	}
}

// A bulk start notices each second who has come up, and pauses before it goes on.
func TestBulkStartTakesTurns(t *testing.T) {
	for workers, want := range map[string]time.Duration{"max-workers=1": 65 * time.Second, "max-workers=3": 21 * time.Second, "timeout=60": 21 * time.Second} {
		inBubble(t, pvesim.Options{Costs: pvesim.Costs{Start: 9900 * time.Millisecond}}, func(t *testing.T, c *client) {
			request := []string{"/cluster/bulk-action/guest/start", workers}
			for vmid := 101; vmid <= 106; vmid++ {
				addLXC(t, c, vmid, false)
				request = append(request, fmt.Sprintf("vms=%d", vmid))
			}
			within(t, "six starts with "+workers, tasks(c, request), want)
			for _, g := range c.c.Guests() {
				if g.Status != "running" {
					t.Errorf("%d is %s", g.VMID, g.Status)
				}
			}
		})
	}
}

// TestSlowListing: 950 images on Ceph took 11.7 s, and a worker with them.
func TestSlowListing(t *testing.T) {
	costs, err := pvesim.Preset("campus")
	if err != nil {
		t.Fatal(err)
	}
	inBubble(t, pvesim.Options{Costs: costs}, func(t *testing.T, c *client) {
		for i := range 950 {
			addLXC(t, c, 1000+i, false)
		}
		begin := time.Now()
		c.do("GET", "/nodes/pve1/storage/ceph/content").want(t, 200, "OK")
		if took := time.Since(begin); took < 11600*time.Millisecond || took > 11800*time.Millisecond {
			t.Errorf("it took %s", took)
		}
	})
}

// TestReads: what was timed with 60 guests.
func TestReads(t *testing.T) {
	costs, err := pvesim.Preset("tiny")
	if err != nil {
		t.Fatal(err)
	}
	costs.Spread = 0
	inBubble(t, pvesim.Options{Costs: costs}, func(t *testing.T, c *client) {
		for i := range 60 {
			addLXC(t, c, 1000+i, false)
		}
		for path, want := range map[string]time.Duration{
			"/cluster/resources":                  5 * time.Millisecond,
			"/nodes/pve1/lxc":                     18 * time.Millisecond,
			"/nodes/pve1/lxc/1000/config":         1500 * time.Microsecond,
			"/nodes/pve1/lxc/1000/status/current": 14 * time.Millisecond,
			"/nodes/pve1/tasks":                   13 * time.Millisecond,
			"/cluster/tasks":                      1400 * time.Microsecond,
		} {
			begin := time.Now()
			c.do("GET", path).want(t, 200, "OK")
			if took := time.Since(begin); math.Abs(took.Seconds()/want.Seconds()-1) > 0.1 {
				t.Errorf("%s took %s, measured %s", path, took, want)
			}
		}
	})
}

// TestSpeed: everything is so many times faster, waiting for locks too.
func TestSpeed(t *testing.T) {
	costs := pvesim.Costs{FullClone: time.Minute, Answer: time.Second, Speed: 10}
	inBubble(t, pvesim.Options{Costs: costs}, func(t *testing.T, c *client) {
		addQEMU(t, c, 900)
		up := c.do("POST", "/nodes/pve1/qemu/900/clone", "newid=101", "full=1").want(t, 200, "OK").upid()
		synctest.Wait() // until the task has begun: it is answered before
		begin := time.Now()
		c.do("PUT", "/nodes/pve1/qemu/101/config", "memory=64").want(t, 500, "can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout")
		within(t, "the refusal", time.Since(begin), time.Second)
		c.exit(up)
		within(t, "the clone", time.Since(begin), 6*time.Second)
	})
}

func TestPresets(t *testing.T) {
	for _, name := range pvesim.Presets() {
		costs, err := pvesim.Preset(name)
		if err != nil || costs.FullClone == 0 || costs.Stat == 0 || costs.Contention == 0 {
			t.Errorf("%s: %+v, %v", name, costs, err)
		}
	}
	if _, err := pvesim.Preset("huge"); err == nil || err.Error() != `there is no preset "huge", only campus, slow-nfs, tiny` {
		t.Errorf("huge: %v", err)
	}
	// The desktop that the field knows: 12 GB in about a minute.
	costs, _ := pvesim.Preset("campus")
	if s := costs.FullClone.Seconds() + 12e9/costs.Shared.Stream; s < 55 || s > 70 {
		t.Errorf("a desktop is cloned in %.0f s", s)
	}
}
