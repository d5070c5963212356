package proxmox

import (
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
			systemtest.Run(t, func(t *testing.T) systemtest.Fixture { return fixture(newRig(t, opts)) })
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
	return systemtest.Fixture{
		Open:       func(t *testing.T) reconciler.System { return r.open(t) },
		Wanted:     []inventory.Resource{ct, ctPower, vm, vmPower, plain, plainPower},
		Edited:     []inventory.Resource{editedCT, ctPower, editedVM, vmPower, plain, plainPower},
		Intrusions: intrusions(),
		Foreign:    r.foreign,
		Writes:     r.writes,
		BreakPart: func() inventory.Key {
			r.sim.NodeDown("pve3")
			return "cri/guest/vm-c"
		},
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
