package projects

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory"
)

// project is a file of containers that are sound but for what is given.
func project(machines ...string) string {
	s := "cluster: cri\ndefaults: {base: debian, cores: 1, memory: 512, net0: lan}\n"
	if len(machines) > 0 {
		s += "ct:\n"
	}
	for _, m := range machines {
		s += "- {" + m + "}\n"
	}
	return s
}

// resource makes a live resource of a key and attributes, "name=value".
func resource(key string, owner inventory.Owner, attrs ...string) inventory.Resource {
	r := inventory.Resource{Key: inventory.Key(key), Owner: owner, Attrs: inventory.Attrs{}}
	for _, a := range attrs {
		name, value, _ := strings.Cut(a, "=")
		r.Attrs[name] = value
	}
	return r
}

func owned(file string) inventory.Owner {
	unit := strings.TrimSuffix(strings.TrimSuffix(file, ".yaml"), "s/")
	return inventory.Owner{Campus: "test", File: file, Unit: strings.Replace(unit, "projects/", "project/", 1)}
}

var (
	ownA, ownB = owned("projects/a.yaml"), owned("projects/b.yaml")
	foreign    inventory.Owner
)

func TestPower(t *testing.T) {
	for _, c := range []struct{ power, live, want string }{
		{"", "", "running done"}, // initial is the default
		{"initial", "", "running done"},
		{"initial", "stopped new", "running done"},
		{"initial", "stopped done", "stopped done"},
		{"initial", "stopped ran", "stopped done"},
		{"initial", "running done", "running done"},
		{"running", "", "running done"},
		{"running", "stopped new", "running done"},
		{"running", "stopped done", "running done"},
		{"running", "stopped ran", "running done"},
		{"stopped", "stopped ran", "stopped done"},
		{"ignore", "stopped ran", "stopped done"},
		{"stopped", "", "none"},
		{"stopped", "running done", "stopped done"},
		{"stopped", "stopped new", "stopped new"},
		{"ignore", "", "none"},
		{"ignore", "running done", "running done"},
		{"ignore", "stopped new", "stopped new"},
	} {
		t.Run(c.power+" "+c.live, func(t *testing.T) {
			machine := "hostname: m"
			if c.power != "" {
				machine += ", power: " + c.power
			}
			var live []inventory.Resource
			if state, boot, ok := strings.Cut(c.live, " "); ok {
				live = []inventory.Resource{
					resource("cri/guest/m", ownA, "vmid=20005", "node=pve1", "nets=net0", "net0.mac=02:00:00:00:00:05"),
					resource("cri/power/m", ownA, "state="+state, "boot="+boot),
				}
			}
			d := Load(tree(t, "projects/a.yaml", project(machine))).Desired(live)
			noProblems(t, d)
			got := "none"
			if has(d, "cri/power/m") {
				p := find(t, d, "cri/power/m")
				got = p.Attrs["state"] + " " + p.Attrs["boot"]
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			boot := find(t, d, "cri/guest/m").Attrs["create.boot"]
			if wantNew := c.power == "" || c.power == "initial"; (boot == "new") != wantNew {
				t.Errorf("create.boot %q", boot)
			}
		})
	}
}

func TestLiveWins(t *testing.T) {
	live := []inventory.Resource{
		resource("cri/guest/m", ownA, "vmid=777", "node=pve9", "nets=net0", "net0.mac=BC:24:11:00:00:01", "rebuild=3"),
		resource("cri/power/m", ownA, "state=running", "boot=done"),
	}
	g := find(t, Load(tree(t, "projects/a.yaml", project("hostname: m, rebuild: 2"))).Desired(live), "cri/guest/m")
	for name, want := range map[string]string{"vmid": "777", "node": "pve9", "net0.mac": "BC:24:11:00:00:01", "rebuild": "3"} {
		if g.Attrs[name] != want {
			t.Errorf("%s = %q, want the live %q", name, g.Attrs[name], want)
		}
	}
	g = find(t, Load(tree(t, "projects/a.yaml", project(`hostname: m, rebuild: 4, node: pve2, mac: "02-00-00-00-00-0a"`))).Desired(live), "cri/guest/m")
	for name, want := range map[string]string{"node": "pve2", "net0.mac": "02:00:00:00:00:0A", "rebuild": "4"} {
		if g.Attrs[name] != want {
			t.Errorf("%s = %q, want the declared %q", name, g.Attrs[name], want)
		}
	}
}

func TestRename(t *testing.T) {
	live := []inventory.Resource{
		resource("cri/guest/old", ownA, "vmid=20005", "node=pve3", "nets=net0", "net0.mac=02:00:00:00:00:05"),
		resource("cri/power/old", ownA, "state=stopped", "boot=done"),
	}
	d := Load(tree(t, "projects/a.yaml", project("hostname: new, was: old"))).Desired(live)
	noProblems(t, d)
	g, p := find(t, d, "cri/guest/new"), find(t, d, "cri/power/new")
	if g.Was != "cri/guest/old" || p.Was != "cri/power/old" {
		t.Errorf("was %s and %s", g.Was, p.Was)
	}
	if g.Attrs["vmid"] != "20005" || g.Attrs["net0.mac"] != "02:00:00:00:00:05" || g.Attrs["node"] != "pve3" || p.Attrs["state"] != "stopped" {
		t.Errorf("a rename changed %v %v", g.Attrs, p.Attrs)
	}
}

func TestAdopt(t *testing.T) {
	c := Load(tree(t, "projects/a.yaml", project("hostname: m, cores: 4, adopt: {vmid: 123}")))
	stands := []string{"type=lxc", "vmid=123", "name=m", "node=pve1", "cores=4", "memory=9999", "tags=web", "nets=net0",
		"net0.bridge=vmbr7", "net0.mac=AA:00:00:00:00:01", "description=by hand", "lock=backup", "why=x"}
	d := c.Desired([]inventory.Resource{resource("cri/foreign/123", foreign, stands...)})
	noProblems(t, d)
	g := find(t, d, "cri/guest/m")
	if g.Adopts != "cri/foreign/123" {
		t.Errorf("adopts %q", g.Adopts)
	}
	want := map[string]string{"vmid": "123", "memory": "9999", "tags": "web", "net0.bridge": "vmbr7", "net0.mac": "AA:00:00:00:00:01",
		"description": "by hand", "node": "pve1", "lock": "", "why": "", "net0.ip": "", "create.base": "", "storage": ""}
	for name, value := range want {
		if g.Attrs[name] != value {
			t.Errorf("%s = %q, want %q", name, g.Attrs[name], value)
		}
	}
	if has(d, "cri/power/m") {
		t.Error("adopting a machine must not touch its power")
	}
	for _, after := range []string{"running", "stopped"} {
		live := []inventory.Resource{resource("cri/guest/m", ownA, stands...), resource("cri/power/m", ownA, "state="+after, "boot=done")}
		d = c.Desired(live)
		if g := find(t, d, "cri/guest/m"); g.Adopts != "" || g.Attrs["memory"] != "9999" {
			t.Errorf("after adoption: adopts %q, memory %q", g.Adopts, g.Attrs["memory"])
		}
		if p := find(t, d, "cri/power/m"); p.Attrs["state"] != after {
			t.Errorf("an adopted machine that is %s would be %s", after, p.Attrs["state"])
		}
	}
	if g := find(t, c.Desired(nil), "cri/guest/m"); g.Adopts != "cri/foreign/123" || g.Attrs["net0.mac"] != "" {
		t.Errorf("with nothing to adopt: %+v", g)
	}
}

// TestForeignOnOurVMID: what stands on the first choice is walked round, unless
// a task is still making it: then it may be ours.
func TestForeignOnOurVMID(t *testing.T) {
	c := Load(tree(t, "projects/a.yaml", project("hostname: m")))
	first := find(t, c.Desired(nil), "cri/guest/m").Attrs["vmid"]
	n, _ := strconv.Atoi(first)
	for _, kind := range []string{"foreign", "template"} {
		d := c.Desired([]inventory.Resource{
			resource("cri/"+kind+"/"+first, foreign, "name=debian"), resource("cri/template/9000", foreign, "name=debian")})
		if got := find(t, d, "cri/guest/m").Attrs["vmid"]; got != strconv.Itoa(n+1) || len(d.Frozen) != 0 {
			t.Errorf("beside a %s on %s: %s, frozen %v", kind, first, got, d.Frozen)
		}
	}
	for _, lock := range []string{"create", "clone"} {
		d := c.Desired([]inventory.Resource{resource("cri/foreign/"+first, foreign, "lock="+lock)})
		if len(d.Frozen) != 1 || d.Frozen[0].Prefix != "cri/guest/m" || !strings.Contains(d.Frozen[0].Reason, lock) {
			t.Errorf("lock %s: frozen %v", lock, d.Frozen)
		}
		if got := find(t, d, "cri/guest/m").Attrs["vmid"]; got != first {
			t.Errorf("lock %s: VMID %s", lock, got)
		}
	}
	d := c.Desired([]inventory.Resource{resource("cri/foreign/"+first, foreign, "lock=backup")})
	if len(d.Frozen) != 0 || find(t, d, "cri/guest/m").Attrs["vmid"] == first {
		t.Error("a guest with another lock is nobody's clone")
	}
}

func TestVMIDsRunOut(t *testing.T) {
	var files []string
	for i := range 7 {
		files = append(files, fmt.Sprintf("projects/p%d.yaml", i),
			fmt.Sprintf("cluster: lab\nct:\n- {hostname: m%d, base: 1000, cores: 1, memory: 512, net0: lablan, node: n}\n", i))
	}
	d := Load(tree(t, files...)).Desired([]inventory.Resource{resource("lab/foreign/502", foreign)})
	used := map[string]bool{}
	for _, r := range d.Resources {
		if r.Key.Kind() == inventory.KindGuest {
			used[r.Attrs["vmid"]] = true
		}
	}
	if got := slices.Sorted(maps.Keys(used)); !slices.Equal(got, []string{"500", "501", "503", "504"}) {
		t.Errorf("gave out %v", got)
	}
	if len(d.Problems) != 3 || !strings.Contains(d.Problems[0].Message, "no VMID is free in 500-504") {
		t.Errorf("%v", d.Problems)
	}
}

func TestDeclaredVMIDIsTaken(t *testing.T) {
	c := Load(tree(t, "projects/a.yaml", project("hostname: m, vmid: 20001")))
	d := c.Desired([]inventory.Resource{resource("cri/foreign/20001", foreign)})
	if len(d.Problems) != 1 || has(d, "cri/guest/m") || len(d.Frozen) == 0 {
		t.Errorf("problems %v, frozen %v", d.Problems, d.Frozen)
	}
}

func TestMACCollisions(t *testing.T) {
	c := Load(tree(t, "projects/a.yaml", project("hostname: m")))
	mac := find(t, c.Desired(nil), "cri/guest/m").Attrs["net0.mac"]
	if b, err := strconv.ParseUint(mac[:2], 16, 8); err != nil || b&3 != 2 || mac != strings.ToUpper(mac) {
		t.Errorf("%s is not locally administered, unicast and upper case", mac)
	}
	d := c.Desired([]inventory.Resource{resource("cri/foreign/1", foreign, "nets=net0", "net0.mac="+mac)})
	if other := find(t, d, "cri/guest/m").Attrs["net0.mac"]; other == mac {
		t.Errorf("%s was given out though somebody has it", mac)
	}
}

func TestReserve(t *testing.T) {
	m := func(name string) string { return "hostname: " + name + ", net0: wlan, dhcp: reserve, zone: x.fr" }
	c := Load(tree(t, "projects/a.yaml", project(m("a"), m("b"), m("c"), "hostname: s, net0: wlan, ip: 10.0.1.11")))
	address := func(d Desired, name string) string {
		mac := dashMAC(find(t, d, inventory.Key("cri/guest/"+name)).Attrs["net0.mac"])
		r := find(t, d, inventory.Key("ad/reservation/10.0.1.0/"+mac))
		if !has(d, inventory.Key("ad/filter/"+mac)) {
			t.Errorf("%s is not in the allow filter", name)
		}
		if a := find(t, d, inventory.Key("ad/record/"+name+".x.fr/A")); a.Attrs["value"] != r.Attrs["ip"] {
			t.Errorf("%s: A %s, reservation %s", name, a.Attrs["value"], r.Attrs["ip"])
		}
		return r.Attrs["ip"]
	}
	d := c.Desired(nil)
	noProblems(t, d)
	if a, b, x := address(d, "a"), address(d, "b"), address(d, "c"); a != "10.0.1.10" || b != "10.0.1.12" || x != "10.0.1.20" {
		t.Errorf("lowest free in key order: %s %s %s", a, b, x)
	}
	macOf := func(name string) string {
		return dashMAC(find(t, d, inventory.Key("cri/guest/"+name)).Attrs["net0.mac"])
	}
	t.Run("live reservation wins", func(t *testing.T) {
		r := resource("ad/reservation/10.0.1.0/"+macOf("c"), ownA, "ip=10.0.1.10", "mac="+macOf("c"))
		d := c.Desired([]inventory.Resource{r})
		if a, x := address(d, "a"), address(d, "c"); a != "10.0.1.12" || x != "10.0.1.10" {
			t.Errorf("a %s, c %s", a, x)
		}
	})
	t.Run("leases and others are walked round", func(t *testing.T) {
		d := c.Desired([]inventory.Resource{resource("ad/lease/10.0.1.0/10.0.1.12", foreign, "mac=02-11-11-11-11-11"),
			resource("ad/lease/10.0.1.0/10.0.1.20", foreign, "mac="+macOf("b"))})
		if a, b := address(d, "a"), address(d, "b"); a != "10.0.1.10" || b != "10.0.1.20" {
			t.Errorf("a %s, b %s", a, b)
		}
		if p := d.Problems; len(p) != 1 || !strings.Contains(p[0].Message, "no address is left") || has(d, "cri/guest/c") {
			t.Errorf("c should be refused: %v", p)
		}
	})
	t.Run("a lease under another client ID is told", func(t *testing.T) {
		live := []inventory.Resource{
			resource("cri/guest/a", ownA, "vmid=20001", "nets=net0", "net0.mac="+colonMAC(macOf("a"))),
			resource("cri/power/a", ownA, "state=running", "boot=done"),
			resource("ad/reservation/10.0.1.0/"+macOf("a"), ownA, "ip=10.0.1.10", "mac="+macOf("a")),
			resource("ad/lease/10.0.1.0/10.0.1.99", foreign, "clientid=ff-00-00-00-01", "hostname=a.x.fr"),
		}
		d := c.Desired(live)
		if p := d.Problems; len(p) != 1 || !p[0].Warning || !strings.Contains(p[0].Message, "ff-00-00-00-01") || !has(d, "cri/guest/a") {
			t.Errorf("%+v", p)
		}
		live[3].Attrs["clientid"] = "01-" + macOf("a")
		noProblems(t, c.Desired(live))
	})
}

func TestAuthorise(t *testing.T) {
	c := Load(tree(t, "projects/a.yaml", project("hostname: m, net0: wlan, zone: x.fr, cname: [also]", "hostname: quiet, net0: wlan, dhcp: none")))
	d := c.Desired(nil)
	noProblems(t, d)
	g := find(t, d, "cri/guest/m")
	mac := dashMAC(g.Attrs["net0.mac"])
	f := find(t, d, inventory.Key("ad/filter/"+mac))
	if f.Attrs["list"] != "allow" || g.Attrs["net0.ip"] != "dhcp" || g.Attrs["net0.bridge"] != "vmbr1" || g.Attrs["net0.tag"] != "12" {
		t.Errorf("%v %v", f.Attrs, g.Attrs)
	}
	if has(d, "ad/record/m.x.fr/A") {
		t.Error("the DHCP server writes the address, not we")
	}
	if r := find(t, d, "ad/record/also.x.fr/CNAME"); r.Attrs["value"] != "m.x.fr" || r.Attrs["ttl"] != "600" {
		t.Errorf("%v", r.Attrs)
	}
	filters := 0
	for _, r := range d.Resources {
		if r.Key.Kind() == inventory.KindFilter {
			filters++
		}
	}
	if filters != 1 {
		t.Errorf("%d filters: who asks nobody needs none", filters)
	}
}

func TestAddressRecords(t *testing.T) {
	d := Load(tree(t, "projects/a.yaml", project(`hostname: m.deep.x.fr, ip: 10.0.0.5, ip6: "fd00::5", txt: {"@": hello, "_acme.m": x}`))).Desired(nil)
	noProblems(t, d)
	for key, want := range map[string]string{
		"ad/record/m.deep.x.fr/A":             "deep.x.fr m 10.0.0.5 3600",
		"ad/record/m.deep.x.fr/AAAA":          "deep.x.fr m fd00::5 3600",
		"ad/record/m.deep.x.fr/TXT":           "deep.x.fr m hello 3600",
		"ad/record/_acme.m.deep.x.fr/TXT":     "deep.x.fr _acme.m x 3600",
		"ad/record/5.0.0.10.in-addr.arpa/PTR": "0.0.10.in-addr.arpa 5 m.deep.x.fr 3600",
		"ad/record/5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa/PTR": "0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa 5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 m.deep.x.fr 3600",
	} {
		a := find(t, d, inventory.Key(key)).Attrs
		if got := a["zone"] + " " + a["name"] + " " + a["value"] + " " + a["ttl"]; got != want {
			t.Errorf("%s\n got %s\nwant %s", key, got, want)
		}
	}
}

// TestPlacement: the least loaded node that is online, has the storage, and can
// read the template.
func TestPlacement(t *testing.T) {
	c := Load(tree(t, "projects/a.yaml", project("hostname: a", "hostname: b, memory: 4096", "hostname: c", "hostname: d")))
	nodes := func(live ...inventory.Resource) string {
		d := c.Desired(live)
		var got []string
		for _, r := range d.Resources {
			if r.Key.Kind() == inventory.KindGuest {
				got = append(got, r.Attrs["node"])
			}
		}
		for _, p := range d.Problems {
			got = append(got, p.Message)
		}
		return strings.Join(got, " ")
	}
	node := func(name, status string) inventory.Resource {
		return resource("cri/node/"+name, foreign, "status="+status)
	}
	storage := func(node, name, shared string) inventory.Resource {
		return resource("cri/storage/"+node+"/"+name, foreign, "shared="+shared)
	}
	up := []inventory.Resource{node("pve1", "online"), node("pve2", "online"), node("pve3", "offline"), node("pve4", "online")}
	for _, test := range []struct {
		name string
		live []inventory.Resource
		want string
	}{
		{"nothing known", nil, "pve1 pve2 pve3 pve1"},
		{"offline and undeclared nodes", up, "pve1 pve2 pve1 pve1"},
		{"foreign load", append(up, resource("cri/foreign/7", foreign, "node=pve1", "memory=64000")), "pve2 pve2 pve2 pve2"},
		{"storage on one node", append(up, storage("pve2", "ceph", "0")), "pve2 pve2 pve2 pve2"},
		{"template on a local storage", append(up, storage("pve1", "ceph", "1"), storage("pve2", "ceph", "1"), storage("pve2", "local", "0"),
			resource("cri/template/9000", foreign, "name=debian", "node=pve2", "storage=local")), "pve2 pve2 pve2 pve2"},
	} {
		if got := nodes(test.live...); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
	down := nodes(node("pve1", "offline"))
	if !strings.Contains(down, "no node online") {
		t.Errorf("no node online: %s", down)
	}
}

func TestUnknownTemplate(t *testing.T) {
	c := Load(tree(t, "projects/a.yaml", project("hostname: m", "hostname: n, base: 9000", "hostname: o, base: old-guest")))
	d := c.Desired([]inventory.Resource{resource("cri/template/9000", foreign, "name=debain"), resource("cri/foreign/7", foreign, "name=old-guest")})
	if p := d.Problems; len(p) != 1 || p[0].Hint != "did you mean debain?" || has(d, "cri/guest/m") || !has(d, "cri/guest/n") || !has(d, "cri/guest/o") {
		t.Errorf("%+v", p)
	}
	if !slices.ContainsFunc(d.Frozen, func(u inventory.Unknown) bool { return u.Prefix == "cri/guest/m" }) {
		t.Errorf("frozen: %v", d.Frozen)
	}
}

func TestTags(t *testing.T) {
	c := Load(tree(t, "projects/a.yaml", project(`hostname: m, tags: ["Été 2026", web, WEB, "a+b"]`)))
	if got := find(t, c.Desired(nil), "cri/guest/m").Attrs["tags"]; got != "a+b;ete-2026;project-a;provost;web" {
		t.Error(got)
	}
}
