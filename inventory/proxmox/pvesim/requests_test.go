package pvesim_test

import (
	"os"
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

func TestCheckSchema(t *testing.T) {
	api, err := os.ReadFile("schema/api-9.1.json")
	if err != nil {
		t.Fatal(err)
	}
	p := func(pairs ...string) map[string]string {
		m := map[string]string{}
		for _, pair := range pairs {
			k, v, _ := strings.Cut(pair, "=")
			m[k] = v
		}
		return m
	}
	tests := []struct {
		request pvesim.Request
		want    string
	}{
		{pvesim.Request{Method: "GET", Path: "/cluster/resources", Params: p("type=vm")}, ""},
		{pvesim.Request{Method: "POST", Path: "/nodes/pve1/lxc/100/clone", Params: p("newid=101", "full=1")}, ""},
		{pvesim.Request{Method: "GET", Path: "/nosuch"}, "GET /nosuch: the API has no such method"},
		{pvesim.Request{Method: "GET", Path: "/nodes//lxc/100/config"}, "node: invalid format"},
		{pvesim.Request{Method: "POST", Path: "/nodes/pve1/lxc/100/migrate", Params: p("target=pve2", "with-local-disks=1")}, "with-local-disks: property is not defined"},
		{pvesim.Request{Method: "POST", Path: "/nodes/pve1/lxc/100/clone"}, "newid: property is missing"},
		{pvesim.Request{Method: "PUT", Path: "/nodes/pve1/lxc/100/config", Refs: p("features=HASH")}, "features: type check"},
	}
	for _, test := range tests {
		errs := pvesim.CheckSchema([]pvesim.Request{test.request, test.request}, api)
		switch {
		case test.want == "" && len(errs) > 0:
			t.Errorf("%s %s: %v", test.request.Method, test.request.Path, errs)
		case test.want != "" && (len(errs) != 1 || !strings.Contains(errs[0].Error(), test.want)):
			t.Errorf("%s %s: %v, want %s", test.request.Method, test.request.Path, errs, test.want)
		}
	}
}

// TestRequestLog: what a cluster was asked can be gathered over a test suite.
func TestRequestLog(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PROVOST_REQUEST_LOG", dir)
	for range 2 {
		cl, err := pvesim.Start(pvesim.Options{NoSSH: true})
		if err != nil {
			t.Fatal(err)
		}
		c := clientOf(t, cl)
		c.do("GET", "/cluster/nextid", "vmid=100")
		cl.ForgetRequests()
		c.do("GET", "/version")
		if n := len(cl.Requests()); n != 1 {
			t.Errorf("%d requests are remembered", n)
		}
		cl.Close()
	}
	all, err := pvesim.ReadRequestLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 4 || all[0].Path != "/cluster/nextid" || all[0].Params["vmid"] != "100" || all[0].Status != 200 {
		t.Errorf("the log holds %+v", all)
	}
}

// TestReleases: what the two releases do not have in common.
func TestReleases(t *testing.T) {
	for release, want := range map[string]struct {
		status       int
		reason       string
		unprivileged string
	}{
		"9.1": {200, "OK", "1"},
		"8.4": {501, "Method 'POST /cluster/bulk-action/guest/start' not implemented", ""},
	} {
		cl, c := start(t, pvesim.Options{Release: release})
		c.do("POST", "/nodes/pve1/lxc", "vmid=100", "ostemplate=local:vztmpl/debian-12-mini_12.5-1_amd64.tar.gz", "rootfs=ceph:1").want(t, 200, "OK")
		c.do("POST", "/cluster/bulk-action/guest/start", "vms=100").want(t, want.status, want.reason)
		g, _ := cl.Guest(100)
		if g.Config["unprivileged"] != want.unprivileged {
			t.Errorf("%s: unprivileged is %q", release, g.Config["unprivileged"])
		}
		if started := g.Status == "running"; started != (want.status == 200) {
			t.Errorf("%s: the guest is %s", release, g.Status)
		}
	}
	if _, err := pvesim.Start(pvesim.Options{Release: "7.4"}); err == nil {
		t.Error("release 7.4 is played")
	}
}

// TestDigest: it shows whether somebody touched what he should not.
func TestDigest(t *testing.T) {
	cl, c := start(t, pvesim.Options{})
	addLXC(t, c, 100, false)
	addLXC(t, c, 200, false)
	mine := func(g pvesim.Guest) bool { return g.VMID == 100 }
	before := cl.Digest(mine)
	c.do("PUT", "/nodes/pve1/lxc/200/config", "memory=64").want(t, 200, "OK")
	if cl.Digest(mine) != before {
		t.Error("a change of another guest shows")
	}
	c.do("PUT", "/nodes/pve1/lxc/100/config", "memory=512").want(t, 200, "OK")
	if cl.Digest(mine) == before {
		t.Error("a write of the guest's file does not show")
	}
}
