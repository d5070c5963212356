package projects

import (
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory"
)

// TestClaims: of two files that claim one thing, the one that is live keeps it
// and the newcomer is refused; nothing of either is deleted.
func TestClaims(t *testing.T) {
	guest := func(name string, owner inventory.Owner, attrs ...string) []inventory.Resource {
		attrs = append([]string{"vmid=20005", "node=pve1", "nets=net0", "net0.mac=02:00:00:00:00:05"}, attrs...)
		return []inventory.Resource{
			resource("cri/guest/"+name, owner, attrs...),
			resource("cri/power/"+name, owner, "state=running", "boot=done"),
		}
	}
	for _, c := range []struct {
		name, a, b string
		live       []inventory.Resource
		want       string // guests and whose they are
		problems   int
	}{
		{"host name, none live", "hostname: m", "hostname: m", nil, "", 2},
		{"host name, a live", "hostname: m", "hostname: m", guest("m", ownA), "m=a", 1},
		{"host name, b live", "hostname: m", "hostname: m", guest("m", ownB), "m=b", 1},
		{"host name, somebody else live", "hostname: m", "hostname: m", guest("m", owned("projects/c.yaml")), "", 2},
		{"address, a live", "hostname: m, ip: 10.0.0.5", "hostname: n, ip: 10.0.0.5", guest("m", ownA, "net0.ip=10.0.0.5/24"), "m=a", 1},
		{"address, b had another", "hostname: m, ip: 10.0.0.5", "hostname: n, ip: 10.0.0.5",
			append(guest("m", ownA, "net0.ip=10.0.0.5/24"), resource("cri/guest/n", ownB, "vmid=20006", "nets=net0", "net0.ip=10.0.0.6/24", "net0.mac=02:00:00:00:00:06")), "m=a", 1},
		{"MAC, b live", `hostname: m, mac: "02:00:00:00:00:05"`, `hostname: n, mac: "02:00:00:00:00:05"`, guest("n", ownB), "n=b", 1},
		{"VMID, a live", "hostname: m, vmid: 20005", "hostname: n, vmid: 20005", guest("m", ownA), "m=a", 1},
		{"VMID of another", "hostname: m, vmid: 20005", "hostname: n, vmid: 20006", nil, "m=a n=b", 0},
		{"DNS name, b live", "hostname: m.x.fr, ip: 10.0.0.5", "hostname: n.x.fr, ip: 10.0.0.6, cname: [m]", guest("n.x.fr", ownB), "n.x.fr=b", 1},
		{"two reasons", "hostname: m, ip: 10.0.0.5", "hostname: m, ip: 10.0.0.5", nil, "", 4},
		{"reserved already", "hostname: m, net0: wlan, dhcp: reserve", "hostname: n, net0: wlan, ip: 10.0.1.20",
			append(guest("m", ownA), resource("ad/reservation/10.0.1.0/02-00-00-00-00-05", ownA, "ip=10.0.1.20", "mac=02-00-00-00-00-05")), "m=a", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Load(tree(t, "projects/a.yaml", project(c.a), "projects/b.yaml", project(c.b))).Desired(c.live)
			var got []string
			for _, r := range d.Resources {
				if r.Key.Kind() == inventory.KindGuest {
					got = append(got, r.Key.Name()+"="+strings.TrimPrefix(r.Owner.Unit, "project/"))
				}
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("got %q, want %q", s, c.want)
			}
			if len(d.Problems) != c.problems {
				t.Errorf("%d problems: %v", len(d.Problems), d.Problems)
			}
			untouched(t, d, c.live, ownA, ownB)
		})
	}
}

// untouched checks that everything live of these owners is desired or frozen, so
// that nothing of it can be deleted.
func untouched(t *testing.T, d Desired, live []inventory.Resource, owners ...inventory.Owner) {
	t.Helper()
	for _, r := range live {
		safe := has(d, r.Key)
		for _, u := range d.Frozen {
			safe = safe || r.Key.Under(u.Prefix)
		}
		for _, o := range owners {
			if r.Owner == o && !safe {
				t.Errorf("%s of %s would be deleted", r.Key, o)
			}
		}
	}
}

// TestSameLoginInTwoCohorts is fine as long as the machines have names of their own.
func TestSameLoginInTwoCohorts(t *testing.T) {
	cohort := func(host string) string {
		return "apiVersion: provost/v1\nkind: Cohort\ncluster: cri\n" +
			"template: {base: debian, cores: 1, memory: 512, net0: wlan, hostname: \"" + host + "\"}\nstudents: [{login: ada}]\n"
	}
	d := Load(tree(t, "cohorts/a.yaml", cohort("vm-{login}"), "cohorts/b.yaml", cohort("tp-{login}"))).Desired(nil)
	noProblems(t, d)
	if !has(d, "cri/guest/vm-ada") || !has(d, "cri/guest/tp-ada") {
		t.Error("a machine is missing")
	}
	d = Load(tree(t, "cohorts/a.yaml", cohort("vm-{login}"), "cohorts/b.yaml", cohort("vm-{login}"))).Desired(nil)
	if len(d.Problems) != 2 || has(d, "cri/guest/vm-ada") {
		t.Errorf("%v", d.Problems)
	}
}

// TestBrokenFileFreezesOnlyItself: its neighbours go on, and it says so.
func TestBrokenFileFreezesOnlyItself(t *testing.T) {
	c := Load(tree(t, "projects/a.yaml", project("hostname: m, colour: red"), "projects/b.yaml", project("hostname: n")))
	d := c.Desired(nil)
	if has(d, "cri/guest/m") || !has(d, "cri/guest/n") {
		t.Errorf("%v", show(d.Resources))
	}
	if d.Files["projects/a.yaml"] == "" || d.Files["projects/b.yaml"] != "" || d.Units["project/a"] != 0 || d.Units["project/b"] != 1 {
		t.Errorf("files %v, units %v", d.Files, d.Units)
	}
}

// TestForeignKeepsItsAddress: a new machine does not take it away.
func TestForeignKeepsItsAddress(t *testing.T) {
	wiki := resource("cri/foreign/101", foreign, "nets=net0", "net0.ip=10.0.0.5/24", "net0.mac=BC:24:11:00:01:01")
	for _, machine := range []string{"hostname: m, ip: 10.0.0.5", `hostname: m, mac: "bc:24:11:00:01:01"`} {
		c := Load(tree(t, "projects/a.yaml", project(machine)))
		d := c.Desired([]inventory.Resource{wiki})
		if len(d.Problems) != 1 || !strings.Contains(d.Problems[0].Message, "cri/foreign/101") || has(d, "cri/guest/m") {
			t.Errorf("%s: %v", machine, d.Problems)
		}
		ours := resource("cri/guest/m", ownA, "vmid=20005", "nets=net0", "net0.mac=02:00:00:00:00:05")
		noProblems(t, c.Desired([]inventory.Resource{wiki, ours}))
	}
}
