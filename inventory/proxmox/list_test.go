package proxmox

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// live puts n running students' containers there, as if made long ago.
func (r *rig) live(t testing.TB, n int) {
	t.Helper()
	for i := range n {
		name := fmt.Sprintf("vm-%02d", i)
		m := inventory.Mark{Key: inventory.Key("cri/guest/" + name), Owner: owner, Extra: map[string]string{"vmid": fmt.Sprint(20000 + i)}}
		err := r.sim.AddGuest(pvesim.Guest{VMID: 20000 + i, Node: fmt.Sprintf("pve%d", i%3+1), Type: "lxc", Status: "running", Pool: "students",
			Config: map[string]string{
				"hostname": name, "memory": "2048", "cores": "2", "ostype": "debian", "arch": "amd64", "tags": "provost",
				"rootfs": fmt.Sprintf("ceph:vm-%d-disk-0,size=8G", 20000+i), "description": inventory.WithMark("student "+name, m),
				"net0": fmt.Sprintf("name=eth0,bridge=vibr285,hwaddr=BC:24:11:00:30:%02X,ip=dhcp,type=veth", i),
			}})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestListing(t *testing.T) {
	r := newRig(t, pvesim.Options{})
	r.live(t, 2)
	items := list(t, r.open(t))
	for key, want := range map[inventory.Key]inventory.Attrs{
		"cri/node/pve1":          {"status": "online", "cores": "64", "memory": "524288"},
		"cri/storage/pve2/ceph":  {"size": "10000", "shared": "1"},
		"cri/storage/pve2/local": {"size": "500", "shared": "0"},
		"cri/template/9000":      {"type": "lxc", "name": "desktop", "node": "pve1", "disk": "4", "storage": "ceph"},
		"cri/template/9100":      {"type": "qemu", "name": "debian-cloud", "disk": "3", "storage": "ceph"},
		"cri/foreign/500":        {"name": "printer", "vmid": "500", "node": "pve1", "net0.mac": "BC:24:11:00:05:00", "net0.ip": "10.0.0.5/24", "pool": "staff", "why": ""},
		"cri/foreign/501":        {"why": "its mark names VMID 20001: it is a copy of cri/guest/vm-a"},
		"cri/guest/vm-00":        {"vmid": "20000", "node": "pve1", "pool": "students", "description": "student vm-00", "tags": "provost", "rebuild": "0"},
		"cri/power/vm-01":        {"state": "running", "boot": "done"},
	} {
		item, ok := items[key]
		if !ok {
			t.Errorf("%s is not listed", key)
		}
		for attr, value := range want {
			if item.Attrs[attr] != value {
				t.Errorf("%s: %s is %q, want %q", key, attr, item.Attrs[attr], value)
			}
		}
		if ours := key.Kind() == "guest" || key.Kind() == "power"; ours != (item.Owner == owner) {
			t.Errorf("%s belongs to %v", key, item.Owner)
		}
	}
	if len(items) != 3+9+3+2+4 {
		t.Errorf("%d items: %v", len(items), sortedKeys(items))
	}
}

func TestWhatMakesAMarkForeign(t *testing.T) {
	r := newRig(t, pvesim.Options{})
	for vmid, m := range map[int]inventory.Mark{
		600: {Key: "cri/guest/vm-a", Owner: inventory.Owner{Campus: "elsewhere"}, Extra: map[string]string{"vmid": "600"}},
		601: {Key: "paris/guest/vm-a", Owner: inventory.Owner{Campus: "isima"}, Extra: map[string]string{"vmid": "601"}},
		602: {Key: "cri/guest/vm-a", Owner: inventory.Owner{Campus: "isima"}, Extra: map[string]string{"vmid": "602"}},
		603: {Key: "cri/guest/vm-a", Owner: inventory.Owner{Campus: "isima"}, Extra: map[string]string{"vmid": "603"}},
	} {
		err := r.sim.AddGuest(pvesim.Guest{VMID: vmid, Node: "pve1", Type: "qemu", Config: map[string]string{"name": "x", "description": inventory.WithMark("", m)}})
		if err != nil {
			t.Fatal(err)
		}
	}
	items := list(t, r.open(t))
	for key, why := range map[inventory.Key]string{
		"cri/foreign/600": "its mark is of campus elsewhere",
		"cri/foreign/601": "its mark is for paris/guest/vm-a, which is no guest of this cluster",
		"cri/foreign/603": "its mark is for cri/guest/vm-a, which is VM 602 already",
	} {
		if items[key].Attrs["why"] != why || !items[key].Owner.IsZero() {
			t.Errorf("%s: %v", key, items[key])
		}
	}
	if items["cri/guest/vm-a"].Attrs["vmid"] != "602" {
		t.Errorf("vm-a is %v", items["cri/guest/vm-a"].Attrs)
	}
}

// What a pass over an unchanged campus costs is stated in the package's comment.
func TestCostOfAPass(t *testing.T) {
	for _, tt := range []struct {
		name            string
		noSSH           bool
		first, idle     int
		firstSSH, idles int
	}{
		{"with SSH", false, 3, 2, 1, 1},                // the release, the resources, the tasks
		{"without SSH", true, 4 + 60 + 5, 2 + 1, 0, 0}, // first what the token may see, too; then who was read the longest ago
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, pvesim.Options{NoSSH: tt.noSSH})
			r.live(t, 60)
			c := r.open(t)
			for i, want := range [][2]int{{tt.first, tt.firstSSH}, {tt.idle, tt.idles}} {
				r.sim.ForgetRequests()
				reads := r.sim.SSHReads()
				list(t, c)
				if got := [2]int{len(r.sim.Requests()), r.sim.SSHReads() - reads}; got != want {
					t.Errorf("pass %d: %d requests and %d SSH reads, want %v", i+1, got[0], got[1], want)
				}
			}
			t.Logf("60 guests: %d requests and %d SSH reads a pass", tt.idle, tt.idles)
		})
	}
}

// pvestatd's figures are up to ten seconds old; a process that has just begun
// sees all the same what was stopped a moment ago.
func TestPowerIsFresh(t *testing.T) {
	r := newRig(t, pvesim.Options{StatDelay: time.Hour})
	r.live(t, 3)
	c := r.open(t)
	before := list(t, c)["cri/power/vm-00"]
	if before.Attrs["state"] != "running" {
		t.Fatalf("power is %v", before.Attrs)
	}
	after := before.Clone()
	after.Attrs["state"] = "stopped"
	mustApply(t, c, change(inventory.Update, before, after, "state"))
	r.sim.ForgetRequests()
	if now := list(t, r.open(t))["cri/power/vm-00"]; now.Attrs["state"] != "stopped" {
		t.Errorf("power is %v", now.Attrs)
	}
	if n := len(r.sim.Requests()); n != 4 { // the release, the resources, the tasks, pve1's containers
		t.Errorf("%d requests for one stopped guest", n)
	}
}

func TestOfflineNode(t *testing.T) {
	for _, noSSH := range []bool{false, true} {
		t.Run(fmt.Sprintf("noSSH=%v", noSSH), func(t *testing.T) {
			r := newRig(t, pvesim.Options{NoSSH: noSSH})
			r.live(t, 3)
			c := r.open(t)
			list(t, c)
			r.sim.NodeDown("pve1") // the first endpoint and the first SSH host, too
			l, err := c.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			unknown := map[inventory.Key]string{}
			for _, u := range l.Unknown {
				unknown[u.Prefix] = u.Reason
			}
			for _, key := range []inventory.Key{"cri/guest/vm-00", "cri/power/vm-00"} {
				if unknown[key] != "node pve1 is offline" {
					t.Errorf("%s is unknown because %q", key, unknown[key])
				}
			}
			if len(unknown) != 2 {
				t.Errorf("unknown are %v", unknown)
			}
			for _, item := range l.Items {
				if item.Key == "cri/guest/vm-00" && item.Attrs["vmid"] != "20000" {
					t.Errorf("what was known is lost: %v", item)
				}
			}
			if got := c.Refuse(creation(wanted())); got != "node pve1 is offline" {
				t.Errorf("creating there is refused with %q", got)
			}
		})
	}
}

// A guest that was never read freezes the guest of its name, and keeps its VMID.
func TestAGuestThatWasNeverRead(t *testing.T) {
	r := newRig(t, pvesim.Options{NoSSH: true})
	r.live(t, 2)
	r.sim.Inject(pvesim.Fault{Method: "GET", Path: "/nodes/*/lxc/20001/config", Kind: pvesim.Refuse, Status: 500, Reason: "got timeout", Times: -1})
	l, err := r.open(t).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Unknown) != 2 || l.Unknown[0].Prefix != "cri/guest/vm-01" || !strings.Contains(l.Unknown[0].Reason, "got timeout") {
		t.Errorf("unknown are %v", l.Unknown)
	}
	for _, item := range l.Items {
		if item.Key == "cri/foreign/20001" && item.Attrs["vmid"] == "20001" {
			return
		}
	}
	t.Error("its VMID looks free")
}

func TestSSHFailsAndTheAPIServes(t *testing.T) {
	r := newRig(t, pvesim.Options{})
	r.live(t, 3)
	c := r.open(t)
	want := list(t, c)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	r.cfg.SSH.Hosts = []string{l.Addr().String()}
	got := list(t, r.open(t))
	if len(got) != len(want) {
		t.Fatalf("%d items, want %d", len(got), len(want))
	}
	for key := range want {
		sameAttrs(t, got[key].Attrs, want[key].Attrs)
	}
}

func TestWrongToken(t *testing.T) {
	r := newRig(t, pvesim.Options{})
	if err := os.WriteFile(r.cfg.TokenFile, []byte("root@pam!wrong=5e47-s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := r.open(t).List(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the token root@pam!wrong is not accepted") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
}

func TestWrongAuthority(t *testing.T) {
	r := newRig(t, pvesim.Options{})
	r.cfg.CAFile = "" // the machine's own authorities do not know the cluster's
	if _, err := r.open(t).List(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v", err)
	}
	if n := len(r.sim.Requests()); n != 0 {
		t.Errorf("%d requests were sent all the same", n)
	}
}

func TestConfigIsChecked(t *testing.T) {
	r := newRig(t, pvesim.Options{})
	for want, change := range map[string]func(*Config){
		"endpoints: at least one":                     func(c *Config) { c.Endpoints = nil },
		`"http://pve1:8006" is not like https://host`: func(c *Config) { c.Endpoints = []string{"http://pve1:8006"} },
		"token_file: is needed":                       func(c *Config) { c.TokenFile = "" },
		"cannot read ca_file":                         func(c *Config) { c.CAFile = c.TokenFile },
		"known_hosts_file are needed":                 func(c *Config) { c.SSH.KnownHostsFile = "" },
		"holds no private key":                        func(c *Config) { c.SSH.KeyFile = c.TokenFile },
		"limits: must not be negative":                func(c *Config) { c.Limits.StartsPerNode = -1 },
	} {
		cfg := r.cfg
		change(&cfg)
		if _, err := New("cri", "isima", cfg, discard()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
