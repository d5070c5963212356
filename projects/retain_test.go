package projects

import (
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory"
)

func TestRetentionDays(t *testing.T) {
	campus := string(testCampus(t).Data)
	days := Tree{
		"campus.yaml":      {Data: []byte(strings.Replace(campus, "kind: Campus", "kind: Campus\nretain: 7", 1))},
		"projects/a.yaml":  {Data: []byte(project("hostname: a"))},
		"projects/b.yaml":  {Data: []byte("retain: 0\n" + project("hostname: b"))},
		"projects/no.yaml": {Data: []byte("retain: -1\n" + project("hostname: c"))},
	}
	d := Load(days).Desired(nil)
	for unit, want := range map[string]int{"project/a": 7, "project/b": 0, "project/gone": 7} {
		if got := d.Retention.Days(unit); got != want {
			t.Errorf("%s: %d days, want %d", unit, got, want)
		}
	}
	if d.Files["projects/no.yaml"] == "" {
		t.Error("days below 0 were taken")
	}
	if got := Load(tree(t)).Desired(nil).Retention.Days("project/a"); got != 30 {
		t.Errorf("by default %d days, want 30", got)
	}
}

// A retired machine that is declared again is not retired any more, and runs if
// it ran; everything that is its own stays its own.
func TestComingBack(t *testing.T) {
	for _, c := range []struct{ power, boot, want string }{
		{"initial", "new", "running done"}, {"initial", "done", "stopped done"},
		{"running", "done", "running done"}, {"stopped", "new", "stopped new"},
		{"ignore", "new", "running done"}, {"ignore", "done", "stopped done"},
	} {
		live := []inventory.Resource{
			resource("cri/guest/m", ownA, "vmid=777", "node=pve1", "nets=net0", "net0.mac=BC:24:11:00:00:01", "retired=2026-11-01", "retain=30"),
			resource("cri/power/m", ownA, "state=stopped", "boot="+c.boot),
		}
		d := Load(tree(t, "projects/a.yaml", project("hostname: m, power: "+c.power))).Desired(live)
		noProblems(t, d)
		g, p := find(t, d, "cri/guest/m"), find(t, d, "cri/power/m")
		if day, named := g.Attrs["retired"]; !named || day != "" || g.Attrs["vmid"] != "777" || g.Attrs["net0.mac"] != "BC:24:11:00:00:01" {
			t.Errorf("%v", g.Attrs)
		}
		if got := p.Attrs["state"] + " " + p.Attrs["boot"]; got != c.want {
			t.Errorf("power %s, boot %s: got %s, want %s", c.power, c.boot, got, c.want)
		}
	}
}

// An adopted machine comes back without the tag of a retired one.
func TestAdoptedComesBack(t *testing.T) {
	live := []inventory.Resource{
		resource("cri/guest/m", ownA, "vmid=101", "node=pve1", "tags=provost-retired-2026-11-01;web", "retired=2026-11-01", "retain=30"),
		resource("cri/power/m", ownA, "state=stopped", "boot=done"),
	}
	d := Load(tree(t, "projects/a.yaml", "cluster: cri\nct:\n- {hostname: m, adopt: {vmid: 101}}\n")).Desired(live)
	noProblems(t, d)
	if g := find(t, d, "cri/guest/m"); g.Attrs["tags"] != "web" || g.Attrs["retired"] != "" || g.Attrs["retain"] != "" {
		t.Errorf("%v", g.Attrs)
	}
}

// A name under which somebody else's machine is kept is not free. A student's
// own follows him to another cohort.
func TestKeptForSomebodyElse(t *testing.T) {
	ada := inventory.Owner{Campus: "test", File: "cohorts/old.yaml", Unit: "cohort/old", Student: "ada"}
	eve := ada
	eve.Student = "eve"
	cohort := "apiVersion: provost/v1\nkind: Cohort\ncluster: cri\n" +
		"template: {hostname: m, base: debian, cores: 1, memory: 512, net0: lan}\nstudents:\n- login: ada\n"
	for name, c := range map[string]struct {
		was        inventory.Owner
		file, text string
		refused    bool
	}{
		"the same project":          {ownA, "projects/a.yaml", project("hostname: m"), false},
		"another project's":         {ownB, "projects/a.yaml", project("hostname: m"), true},
		"a student's, in a project": {ada, "projects/a.yaml", project("hostname: m"), true},
		"a student's own":           {ada, "cohorts/new.yaml", cohort, false},
		"another student's":         {eve, "cohorts/new.yaml", cohort, true},
		"a project's, in a cohort":  {ownA, "cohorts/new.yaml", cohort, true},
	} {
		live := []inventory.Resource{
			resource("cri/guest/m", c.was, "vmid=777", "retired=2026-11-01", "retain=30"),
			resource("cri/power/m", c.was, "state=stopped", "boot=done"),
		}
		d := Load(tree(t, c.file, c.text)).Desired(live)
		refused := len(d.Problems) > 0 && strings.Contains(d.Problems[0].Message, "is kept for")
		if refused != c.refused || has(d, "cri/guest/m") == c.refused {
			t.Errorf("%s: refused %v, desired %v: %v", name, refused, has(d, "cri/guest/m"), d.Problems)
		}
	}
}

// A VMID of which there are backups is not given to a new machine.
func TestBackedUpVMIDIsNotFree(t *testing.T) {
	files := tree(t, "projects/a.yaml", project("hostname: m"))
	first := find(t, Load(files).Desired(nil), "cri/guest/m").Attrs["vmid"]
	kept := resource("cri/backup/"+first, foreign)
	if second := find(t, Load(files).Desired([]inventory.Resource{kept}), "cri/guest/m").Attrs["vmid"]; second == first {
		t.Errorf("VMID %s has backups and is given out", first)
	}
}
