package proxmox

import (
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
	"github.com/provost-dev/provost/inventory/systemtest"
	"github.com/provost-dev/provost/reconciler"
)

var (
	_ reconciler.System  = (*Cluster)(nil)
	_ reconciler.Claimer = (*Cluster)(nil)
	_ reconciler.Refuser = (*Cluster)(nil)

	_ reconciler.Widener   = (*Cluster)(nil)
	_ reconciler.Estimator = (*Cluster)(nil)
	_ reconciler.Preparer  = (*Cluster)(nil)
)

func TestConformance(t *testing.T) {
	for name, opts := range map[string]pvesim.Options{
		"with SSH":    {StatDelay: 10 * time.Second},
		"without SSH": {StatDelay: 10 * time.Second, NoSSH: true},
		"8.4":         {Release: "8.4"},
	} {
		t.Run(name, func(t *testing.T) {
			systemtest.RunVirtual(t, func(t *testing.T) systemtest.Fixture { return fixture(newVirtualRig(t, opts)) })
		})
	}
}

func fixture(r *rig) systemtest.Fixture {
	ct, ctPower := container("vm-a", 20001)
	vm, vmPower := machine("vm-b", 20002)
	plain, plainPower := plain("vm-c", 20003)
	plainPower.Attrs = inventory.Attrs{"state": "stopped", "boot": "done"}
	editedCT, _ := container("vm-a", 20001, "memory", "3072", "tags", "cohort-b;provost", "pool", "staff",
		"node", "pve2", "net0.bridge", "vmbr0", "nameserver", "", "description", "moved: to b")
	editedCT.Owner.File = "cohorts/b.yaml"
	editedVM, _ := machine("vm-b", 20002, "cores", "2", "net0.tag", "", "net0.ip", "dhcp", "net0.gw", "", "sshkeys", "", "onboot", "0", "pool", "")
	f := systemtest.Fixture{
		Open:       func(t *testing.T) reconciler.System { return r.open(t) },
		Wanted:     []inventory.Resource{ct, ctPower, vm, vmPower, plain, plainPower},
		Edited:     []inventory.Resource{editedCT, ctPower, editedVM, vmPower, plain, plainPower},
		Meddle:     r.meddle,
		Intrusions: intrusions(),
		Disown:     r.disown,
		Foreign:    r.foreign,
		Writes:     r.writes,
		BreakPart: func() inventory.Key {
			r.sim.NodeDown("pve3")
			return "cri/guest/vm-c"
		},
	}
	if len(r.cfg.SSH.Hosts) > 0 { // without it nobody tells what waits for a next start
		f.Restart = func() inventory.Change {
			if err := r.sim.EditFile(20001, r.sim.File(20001)+"\n[pve:pending]\nnameserver: 10.0.0.98\n"); err != nil {
				panic(err)
			}
			ct.Attrs["pending"] = "nameserver"
			return rebootOf(ct)
		}
	}
	return f
}

// meddle changes two machines as somebody on a node would.
func (r *rig) meddle() map[inventory.Key][]string {
	r.edit(20001, "memory: 2048\n", "memory: 4096\n", "vibr285", "vmbr0")
	r.edit(20002, "cores: 4\n", "cores: 1\n")
	r.sim.SetStatus(20002, "stopped")
	return map[inventory.Key][]string{
		"cri/guest/vm-a": {"memory", "net0.bridge"}, "cri/guest/vm-b": {"cores"}, "cri/power/vm-b": {"state"},
	}
}

// edit replaces texts in a guest's file.
func (r *rig) edit(vmid int, oldnew ...string) {
	old := r.sim.File(vmid)
	now := strings.NewReplacer(oldnew...).Replace(old)
	if now == old {
		panic("there is nothing to replace in " + old)
	}
	if err := r.sim.EditFile(vmid, now); err != nil {
		panic(err)
	}
}

// intrusions aim at somebody's container, at a copy of one of ours, at a template.
func intrusions() []inventory.Change {
	aim := func(vmid, node, typ, name string) inventory.Resource {
		return inventory.Resource{Key: inventory.Key("cri/guest/" + name), Owner: owner, Attrs: inventory.Attrs{
			"type": typ, "vmid": vmid, "node": node, "name": name, "cores": "1", "memory": "256", "create.base": "template:desktop",
		}}
	}
	var changes []inventory.Change
	for _, before := range []inventory.Resource{
		aim("500", "pve1", "lxc", "printer"), aim("501", "pve2", "lxc", "vm-a-copy"), aim("9000", "pve1", "lxc", "desktop"),
	} {
		after := before.Clone()
		after.Attrs["memory"], after.Attrs["rebuild"] = "4096", "1"
		power := inventory.Resource{Key: inventory.Key("cri/power/" + before.Key.Name()), Attrs: inventory.Attrs{"state": "stopped"}, Owner: owner}
		changes = append(changes,
			creation(after),
			change(inventory.Update, before, after, "memory"),
			change(inventory.Update, before, after),
			change(inventory.Replace, before, after, "rebuild"),
			deletion(before),
			change(inventory.Update, power, power, "state"),
		)
	}
	return changes
}

// disown takes our mark out of the files of the tests' own guests.
func (r *rig) disown() {
	for _, g := range r.sim.Guests() {
		if g.VMID < 20000 || g.Template {
			continue
		}
		var kept []string
		for line := range strings.Lines(r.sim.File(g.VMID)) {
			if !strings.HasPrefix(line, "#provost") {
				kept = append(kept, line)
			}
		}
		if err := r.sim.EditFile(g.VMID, strings.Join(kept, "")); err != nil {
			panic(err)
		}
	}
}

// A guest that was given to somebody else, retired or brought back since is not
// the one whose end was planned.
func TestDeletionLooksOnceMore(t *testing.T) {
	for name, edit := range map[string]func(file string) string{
		"given to another": func(s string) string { return strings.Replace(s, "student=x", "student=y", 1) },
		"brought back":     func(s string) string { return strings.Replace(s, " retired=2026-01-01", "", 1) },
		"retired anew":     func(s string) string { return strings.Replace(s, "2026-01-01", "2026-11-21", 1) },
		"made a template":  func(s string) string { return s + "template: 1\n" },
		"a copy of it":     func(s string) string { return strings.Replace(s, "vmid=20001", "vmid=20009", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, pvesim.Options{})
			c := r.open(t)
			ct, _ := container("vm-a", 20001)
			mustApply(t, c, creation(ct))
			retired := ct.Clone()
			retired.Attrs["retired"], retired.Attrs["retain"] = "2026-01-01", "30"
			mustApply(t, c, change(inventory.Update, ct, retired, "retain", "retired"))
			planned := list(t, c)[ct.Key]
			if planned.Attrs["retired"] != "2026-01-01" || planned.Attrs["retain"] != "30" {
				t.Fatalf("it was not retired: %v", planned.Attrs)
			}
			before := r.sim.File(20001)
			if err := r.sim.EditFile(20001, edit(before)); err != nil || r.sim.File(20001) == before {
				t.Fatalf("the story does not change the file: %v", err)
			}
			if o := apply(c, deletion(planned)); o.State == inventory.StateDone {
				t.Error("deleted")
			}
			if _, there := r.sim.Guest(20001); !there {
				t.Error("it is gone")
			}
		})
	}
}
