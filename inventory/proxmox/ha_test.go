package proxmox

import (
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// The HA manager stops its guests some time after it was asked to. Who needs that
// waits for it, and a guest that is to go is stopped first.
func TestAGuestUnderHA(t *testing.T) {
	for _, typ := range []string{"lxc", "qemu"} {
		t.Run(typ, func(t *testing.T) {
			virtual(t, pvesim.Options{Costs: pvesim.Costs{Stop: 5 * time.Second}}, func(t *testing.T, r *rig) {
				c := r.open(t)
				guest, _ := container("vm-a", 20001)
				if typ == "qemu" {
					guest, _ = machine("vm-a", 20001)
				}
				mustApply(t, c, creation(guest))
				r.sim.ManageByHA(20001)
				r.sim.SetStatus(20001, "running")
				power := list(t, c)["cri/power/vm-a"]
				stopped := power.Clone()
				stopped.Attrs["state"] = "stopped"
				mustApply(t, c, change(inventory.Update, power, stopped, "state"))
				if got := r.guest(t, 20001).Status; got != "stopped" {
					t.Errorf("it is %s when it is said to be stopped", got)
				}
				r.sim.SetStatus(20001, "running")
				if o := apply(c, deletion(list(t, c)[guest.Key])); o.State != inventory.StateDone {
					t.Errorf("%v", o)
				}
				if _, there := r.sim.Guest(20001); there {
					t.Error("it is still there")
				}
			})
		})
	}
}
