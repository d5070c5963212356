package pvesim_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

const clonePath = "/nodes/*/lxc/*/clone"

func TestFaults(t *testing.T) {
	cl, c := start(t, pvesim.Options{})
	addLXC(t, c, 100, true)
	clone := func(newid string) answer { return c.do("POST", "/nodes/pve1/lxc/100/clone", "newid="+newid) }

	cl.Inject(pvesim.Fault{Path: clonePath, Skip: 1, Times: 2, Kind: pvesim.Refuse, Status: 503, Reason: "busy"})
	clone("101").want(t, 200, "OK")
	clone("102").want(t, 503, "busy")
	clone("102").want(t, 503, "busy")
	clone("102").want(t, 200, "OK")

	cl.Inject(pvesim.Fault{Method: "POST", Path: clonePath, Kind: pvesim.DropAnswer})
	if a := clone("103"); a.status != 0 {
		t.Errorf("an answer came: %v", a)
	}
	if _, ok := cl.Guest(103); !ok {
		t.Error("the clone whose answer was lost was not made")
	}

	// Go's client repeats a request itself when a kept connection breaks, if
	// it may; a POST may not be.
	cl.Inject(pvesim.Fault{Path: clonePath, Kind: pvesim.DropBefore})
	clone("104")
	if _, ok := cl.Guest(104); ok {
		t.Error("the request that was lost was performed")
	}

	cl.Inject(pvesim.Fault{Path: clonePath, Params: map[string]string{"newid": "106"}, Kind: pvesim.FailTask, Reason: "disk full"})
	if got := c.exit(clone("105").upid()); got != "OK" {
		t.Errorf("another clone ended %s", got)
	}
	if got := c.exit(clone("106").upid()); got != "disk full" {
		t.Errorf("the clone ended %s", got)
	}
	if _, ok := cl.Guest(106); ok {
		t.Error("the failed clone was not undone")
	}
}

// TestLoseWorker is the accident that leaves locks without a task.
func TestLoseWorker(t *testing.T) {
	cl, c := start(t, pvesim.Options{})
	addLXC(t, c, 100, true)
	cl.Inject(pvesim.Fault{Path: clonePath, Kind: pvesim.LoseWorker})
	c.do("POST", "/nodes/pve1/lxc/100/clone", "newid=101").want(t, 500, "got no worker upid - start worker failed")
	c.do("PUT", "/nodes/pve1/lxc/101/config", "delete=lock").want(t, 500, "CT is locked (create)")
	c.do("DELETE", "/nodes/pve1/lxc/101", "force=1").want(t, 500, "CT is locked (create)")
	c.do("POST", "/nodes/pve1/lxc/100/clone", "newid=102").want(t, 500, "CT is locked (disk)")
	if body := c.do("GET", "/cluster/tasks").body; strings.Contains(body, "vzclone") {
		t.Errorf("there is a task: %s", body)
	}
	cl.HoldLock(100, "")
	cl.HoldLock(101, "")
	c.do("DELETE", "/nodes/pve1/lxc/101").want(t, 200, "OK")
}

func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, stop := startMem(t, pvesim.Options{})
		defer stop()
		c.http.Timeout = time.Minute
		c.c.Inject(pvesim.Fault{Path: "/version", Kind: pvesim.Hang})
		if a := c.do("GET", "/version"); a.status != 0 {
			t.Errorf("an answer came: %v", a)
		}
		c.do("GET", "/version").want(t, 200, "OK")
	})
}

func TestNodeDown(t *testing.T) {
	cl, c := start(t, pvesim.Options{Nodes: []string{"pve1", "pve2", "pve3"}})
	addLXC(t, c, 100, false)
	cl.SetStatus(100, "running")
	config := "/nodes/pve1/lxc/100/config"
	second := *c
	second.base = cl.URLs()[1]
	second.do("GET", config).want(t, 200, "OK")
	cl.NodeDown("pve1")
	if a := c.do("GET", "/version"); a.status != 0 {
		t.Errorf("a node that is down answers %v", a)
	}
	second.do("GET", config).want(t, 595, "No route to host")
	body := second.do("GET", "/cluster/resources").want(t, 200, "OK").body
	for _, want := range []string{`{"id":"node/pve1","level":"","node":"pve1","status":"offline","type":"node"}`,
		`{"id":"lxc/100","node":"pve1","status":"unknown","tags":"base","type":"lxc","vmid":100}`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	cl.NodeUp("pve1")
	c.do("GET", config).want(t, 200, "OK")
	if g, _ := cl.Guest(100); g.Status != "running" {
		t.Error("the guest of a node that was off the network has stopped")
	}
}

func TestMigrateKeepsTheGuest(t *testing.T) {
	cl, c := start(t, pvesim.Options{Nodes: []string{"pve1", "pve2"}})
	addLXC(t, c, 100, false)
	cl.SetStatus(100, "running")
	before, _ := cl.Guest(100)
	c.do("POST", "/nodes/pve1/lxc/100/migrate", "target=pve1").want(t, 400, "Parameter verification failed.")
	c.do("POST", "/nodes/pve1/lxc/100/migrate", "target=pve9").want(t, 500, "no such cluster node 'pve9'")
	up := c.do("POST", "/nodes/pve1/lxc/100/migrate", "target=pve2", "restart=1").want(t, 200, "OK").upid()
	if got := c.exit(up); got != "OK" {
		t.Errorf("the migration ended %s", got)
	}
	after, _ := cl.Guest(100)
	if after.Node != "pve2" || after.Status != "running" || after.Config["net0"] != before.Config["net0"] || after.Config["rootfs"] != before.Config["rootfs"] {
		t.Errorf("moved, the guest is %+v", after)
	}
	c.do("GET", "/nodes/pve1/lxc/100/config").want(t, 500, "Configuration file 'nodes/pve1/lxc/100.conf' does not exist")
}
