package pvesim_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// client talks to a cluster as a test needs it.
type client struct {
	t     *testing.T
	c     *pvesim.Cluster
	http  *http.Client
	token string
	base  string
}

type answer struct {
	status int
	reason string
	body   string
}

// upid is the answer's data if it is a string.
func (a answer) upid() string {
	var b struct{ Data string }
	_ = json.Unmarshal([]byte(a.body), &b)
	return b.Data
}

func start(t *testing.T, o pvesim.Options) (*pvesim.Cluster, *client) {
	t.Helper()
	o.Unlogged = true
	c, err := pvesim.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	furnish(t, c)
	return c, clientOf(t, c)
}

// clientOf returns a client of the first node, as root.
func clientOf(t *testing.T, c *pvesim.Cluster) *client {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(c.CACert())
	hc := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	t.Cleanup(hc.CloseIdleConnections)
	return &client{t: t, c: c, http: hc, token: c.RootToken(), base: c.URLs()[0]}
}

// furnish adds the storages and the OS template of the recorded server, and a
// shared storage.
func furnish(t *testing.T, c *pvesim.Cluster) {
	t.Helper()
	c.AddStorage("local", "dir", []string{"vztmpl", "images", "rootdir", "iso", "snippets"}, false, 100)
	c.AddStorage("btr", "btrfs", []string{"rootdir", "images"}, false, 4)
	c.AddStorage("ceph", "rbd", []string{"images", "rootdir"}, true, 10000)
	if err := c.AddOSTemplate("local", "debian-12-mini_12.5-1_amd64.tar.gz"); err != nil {
		t.Fatal(err)
	}
}

// do sends a request whose parameters stand as "a=1 b=2" pairs.
func (c *client) do(method, path string, pairs ...string) answer {
	c.t.Helper()
	form := url.Values{}
	for _, p := range pairs {
		k, v, _ := strings.Cut(p, "=")
		form.Add(k, v)
	}
	target, body := c.base+"/api2/json"+path, io.Reader(nil)
	if method == "GET" || method == "DELETE" {
		target += "?" + form.Encode()
	} else {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequest(method, target, body)
	if err != nil {
		c.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "PVEAPIToken="+c.token)
	}
	return c.send(req)
}

func (c *client) send(req *http.Request) answer {
	c.t.Helper()
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{reason: err.Error()}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{reason: err.Error()}
	}
	_, reason, _ := strings.Cut(resp.Status, " ")
	return answer{resp.StatusCode, reason, string(b)}
}

// want fails unless the answer has that status and reason.
func (a answer) want(t *testing.T, status int, reason string) answer {
	t.Helper()
	if a.status != status || a.reason != reason {
		t.Errorf("got %d %s\n%s\nwant %d %s", a.status, a.reason, a.body, status, reason)
	}
	return a
}

func TestContainerLife(t *testing.T) {
	_, c := start(t, pvesim.Options{})
	lxc := "/nodes/pve1/lxc"
	c.do("POST", lxc, "vmid=100", "ostemplate=local:vztmpl/debian-12-mini_12.5-1_amd64.tar.gz", "rootfs=btr:8",
		"net0=name=eth0,bridge=vmbr0,ip=dhcp", "tags=Lab;b;lab", "description=one:5\ntwo: 3").want(t, 200, "OK")
	c.do("POST", lxc+"/100/template").want(t, 200, "OK")
	up := c.do("POST", lxc+"/100/clone", "newid=101", "hostname=a").want(t, 200, "OK").upid()
	if !strings.Contains(up, ":vzclone:100:root@pam!test:") {
		t.Errorf("a clone's task does not name its source: %s", up)
	}
	c.do("GET", "/nodes/pve1/tasks/"+url.PathEscape(up)+"/status").want(t, 200, "OK")
	c.do("PUT", lxc+"/101/config", "memory=1024").want(t, 200, "OK")
	c.do("POST", lxc+"/101/status/start").want(t, 200, "OK")
	g, _ := c.c.Guest(101)
	if g.Status != "running" || g.Config["tags"] != "b;lab" || g.Config["description"] != "one:5\ntwo: 3\n" || g.Config["rootfs"] != "btr:101/vm-101-disk-0.raw,size=8G" {
		t.Errorf("the clone is %+v", g)
	}
	if base, _ := c.c.Guest(100); base.Config["net0"] == g.Config["net0"] {
		t.Error("a clone has its source's MAC")
	}
	c.do("DELETE", lxc+"/101").want(t, 500, "unable to destroy CT 101 - container is running")
	c.do("POST", lxc+"/101/status/stop").want(t, 200, "OK")
	c.do("DELETE", lxc+"/101", "purge=1").want(t, 200, "OK")
	c.do("GET", lxc+"/101/config").want(t, 500, "Configuration file 'nodes/pve1/lxc/101.conf' does not exist")
	t.Log(c.do("GET", "/cluster/resources").body)
	t.Log(c.c.File(100))
}
