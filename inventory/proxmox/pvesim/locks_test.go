package pvesim_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// inBubble runs f with a cluster in virtual time.
func inBubble(t *testing.T, o pvesim.Options, f func(*testing.T, *client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c, stop := startMem(t, o)
		defer stop()
		f(t, c)
	})
}

func addLXC(t *testing.T, c *client, vmid int, template bool) {
	t.Helper()
	g := pvesim.Guest{VMID: vmid, Node: "pve1", Type: "lxc", Config: map[string]string{
		"hostname": fmt.Sprintf("ct%d", vmid), "rootfs": fmt.Sprintf("ceph:vm-%d-disk-0,size=8G", vmid), "memory": "512",
		"net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,type=veth", "tags": "base", "description": "a base\n"},
		Raw: [][2]string{{"lxc.idmap", "u 0 100000 65536"}}}
	add := c.c.AddGuest
	if template {
		add = c.c.AddTemplate
	}
	if err := add(g); err != nil {
		t.Fatal(err)
	}
}

func addQEMU(t *testing.T, c *client, vmid int) {
	t.Helper()
	if err := c.c.AddTemplate(pvesim.Guest{VMID: vmid, Node: "pve1", Type: "qemu", Config: map[string]string{
		"name": "tpl", "scsi0": fmt.Sprintf("ceph:vm-%d-disk-0,size=8G", vmid), "ide2": fmt.Sprintf("ceph:vm-%d-cloudinit,media=cdrom", vmid),
		"net0": "virtio=BC:24:11:00:00:02,bridge=vmbr0"}}); err != nil {
		t.Fatal(err)
	}
}

// exit waits for a task and returns how it ended.
func (c *client) exit(upid string) string {
	for range 10000 {
		a := c.do("GET", "/nodes/pve1/tasks/"+upid+"/status")
		if a.status != 200 {
			return fmt.Sprintf("cannot ask: %d %s", a.status, a.reason)
		}
		if _, after, ok := strings.Cut(a.body, `"exitstatus":"`); ok {
			text, _, _ := strings.Cut(after, `","id"`)
			return text
		}
		time.Sleep(50 * time.Millisecond)
	}
	return "never"
}

func TestCloneLocksItsSource(t *testing.T) {
	inBubble(t, pvesim.Options{Costs: pvesim.CostsTiny}, func(t *testing.T, c *client) {
		addLXC(t, c, 100, true)
		up := c.do("POST", "/nodes/pve1/lxc/100/clone", "newid=101", "full=1", "hostname=new", "description=mine").want(t, 200, "OK").upid()
		g, _ := c.c.Guest(101)
		if g.Lock != "create" || g.Config["hostname"] != "new" || g.Config["description"] != "mine\n" || g.Config["rootfs"] != "" {
			t.Errorf("while it is made the clone is %+v", g)
		}
		for method, path := range map[string]string{"POST": "/clone", "PUT": "/config", "DELETE": ""} {
			c.do(method, "/nodes/pve1/lxc/100"+path, map[string]string{"POST": "newid=102", "PUT": "memory=64", "DELETE": "purge=1"}[method]).
				want(t, 500, "CT is locked (disk)")
		}
		c.do("PUT", "/nodes/pve1/lxc/101/config", "memory=64").want(t, 500, "CT is locked (create)")
		if got := c.exit(up); got != "OK" {
			t.Errorf("the clone ended %s", got)
		}
		g, _ = c.c.Guest(101)
		if g.Lock != "" || g.Config["tags"] != "base" || len(g.Raw) != 1 || g.Config["rootfs"] != "ceph:vm-101-disk-0,size=8G" ||
			strings.Contains(g.Config["net0"], "00:00:01") || g.Template {
			t.Errorf("the clone is %+v", g)
		}
	})
}

func TestLinkedCloneNamesItsBase(t *testing.T) {
	inBubble(t, pvesim.Options{}, func(t *testing.T, c *client) {
		addQEMU(t, c, 900)
		c.do("POST", "/nodes/pve1/qemu/900/clone", "newid=101").want(t, 200, "OK")
		g, _ := c.c.Guest(101)
		if g.Config["scsi0"] != "ceph:base-900-disk-0/vm-101-disk-0,size=8G" || g.Config["ide2"] != "ceph:vm-101-cloudinit,media=cdrom" || g.Name != "Copy-of-VM-tpl" {
			t.Errorf("the clone is %+v", g)
		}
		up := c.do("DELETE", "/nodes/pve1/qemu/900").want(t, 200, "OK").upid()
		if got := c.exit(up); got != "base volume 'ceph:base-900-disk-0' is still in use by linked cloned" {
			t.Errorf("destroying a base in use ended %s", got)
		}
	})
}

func TestQEMUClonesRunSideBySide(t *testing.T) {
	inBubble(t, pvesim.Options{Costs: pvesim.Costs{FullClone: time.Minute, Fork: time.Millisecond}}, func(t *testing.T, c *client) {
		addQEMU(t, c, 900)
		begin := time.Now()
		var ups []string
		for i := range 5 {
			ups = append(ups, c.do("POST", "/nodes/pve1/qemu/900/clone", fmt.Sprintf("newid=%d", 101+i), "full=1").want(t, 200, "OK").upid())
		}
		time.Sleep(2 * time.Millisecond)
		if g, _ := c.c.Guest(101); g.Lock != "clone" || g.Config["name"] != "" {
			t.Errorf("while it is made the clone is %+v", g)
		}
		before := time.Now()
		c.do("PUT", "/nodes/pve1/qemu/101/config", "memory=64").want(t, 500, "can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout")
		if waited := time.Since(before); waited != 10*time.Second {
			t.Errorf("the refusal came after %s", waited)
		}
		up := c.do("DELETE", "/nodes/pve1/qemu/101").want(t, 200, "OK").upid()
		if got := c.exit(up); got != "can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout" {
			t.Errorf("destroying a half-made clone ended %s", got)
		}
		for _, up := range ups {
			if got := c.exit(up); got != "OK" {
				t.Errorf("a clone ended %s", got)
			}
		}
		if took := time.Since(begin); took > 70*time.Second {
			t.Errorf("five clones of one template took %s", took)
		}
	})
}

// TestWaitingRequestsKeepTheWorkers: three requests that wait for a lock are
// all that a node's API daemon can bear.
func TestWaitingRequestsKeepTheWorkers(t *testing.T) {
	inBubble(t, pvesim.Options{Costs: pvesim.Costs{FullClone: time.Minute}}, func(t *testing.T, c *client) {
		addQEMU(t, c, 900)
		addLXC(t, c, 100, false)
		c.do("POST", "/nodes/pve1/qemu/900/clone", "newid=101", "full=1").want(t, 200, "OK")
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { c.do("PUT", "/nodes/pve1/qemu/101/config", "memory=64") })
		}
		synctest.Wait()
		before := time.Now()
		c.do("PUT", "/nodes/pve1/lxc/100/config", "memory=64").want(t, 200, "OK")
		if waited := time.Since(before); waited != 10*time.Second {
			t.Errorf("a fourth request waited %s", waited)
		}
		wg.Wait()
	})
}

func TestAbortedCloneIsUndone(t *testing.T) {
	inBubble(t, pvesim.Options{Costs: pvesim.Costs{FullClone: time.Hour}}, func(t *testing.T, c *client) {
		addLXC(t, c, 100, true)
		up := c.do("POST", "/nodes/pve1/lxc/100/clone", "newid=101", "full=1").want(t, 200, "OK").upid()
		c.do("DELETE", "/nodes/pve1/tasks/"+up).want(t, 200, "OK")
		if got := c.exit(up); got != "clone failed: interrupted by signal" {
			t.Errorf("the clone ended %s", got)
		}
		if g, _ := c.c.Guest(100); g.Lock != "" {
			t.Errorf("the source is still locked (%s)", g.Lock)
		}
		if _, ok := c.c.Guest(101); ok {
			t.Error("the half-made clone is still there")
		}
	})
}

// TestOneWinner: whatever is made at once on one VMID, one is made.
func TestOneWinner(t *testing.T) {
	for _, release := range []string{"9.1", "8.4"} {
		inBubble(t, pvesim.Options{Costs: pvesim.CostsTiny, Release: release}, func(t *testing.T, c *client) {
			addLXC(t, c, 100, true)
			addLXC(t, c, 105, true)
			addQEMU(t, c, 900)
			var mu sync.Mutex
			ended := map[string]int{}
			attempt := func(method, path string, pairs ...string) {
				text := "refused"
				if a := c.do(method, path, pairs...); a.status == 200 {
					text = c.exit(a.upid())
				}
				mu.Lock()
				defer mu.Unlock()
				ended[text]++
			}
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() { attempt("POST", "/nodes/pve1/lxc/100/clone", "newid=500") })
				wg.Go(func() { attempt("POST", "/nodes/pve1/lxc/105/clone", "newid=500") })
				wg.Go(func() { attempt("POST", "/nodes/pve1/qemu/900/clone", "newid=500") })
				wg.Go(func() { attempt("POST", "/nodes/pve1/qemu", "vmid=500", "memory=64") })
				wg.Go(func() {
					attempt("POST", "/nodes/pve1/lxc", "vmid=500", "ostemplate=local:vztmpl/debian-12-mini_12.5-1_amd64.tar.gz", "rootfs=ceph:1")
				})
			}
			wg.Wait()
			if ended["OK"] != 1 {
				t.Errorf("%d were made: %v", ended["OK"], ended)
			}
		})
	}
}

func TestStatDelay(t *testing.T) {
	inBubble(t, pvesim.Options{StatDelay: 10 * time.Second}, func(t *testing.T, c *client) {
		addLXC(t, c, 100, true)
		c.do("POST", "/nodes/pve1/lxc/100/clone", "newid=101", "hostname=new").want(t, 200, "OK")
		body := c.do("GET", "/cluster/resources", "type=vm").body
		if strings.Contains(body, `"name":"new"`) || !strings.Contains(body, `{"id":"lxc/101","node":"pve1","status":"unknown","tags":"base","type":"lxc","vmid":101}`) {
			t.Errorf("at once: %s", body)
		}
		time.Sleep(11 * time.Second)
		if body = c.do("GET", "/cluster/resources", "type=vm").body; !strings.Contains(body, `"name":"new"`) {
			t.Errorf("after a round: %s", body)
		}
	})
}
