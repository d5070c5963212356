package proxmox

import (
	"os"
	"slices"
	"testing"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
	"github.com/provost-dev/provost/inventory/systemtest"
)

// rights are the least privileges of provost's role, on "/".
var rights = []string{
	"Datastore.AllocateSpace", "Datastore.Audit", "Pool.Allocate", "Pool.Audit", "SDN.Use", "Sys.Audit",
	"VM.Allocate", "VM.Audit", "VM.Backup", "VM.Clone", "VM.Config.CPU", "VM.Config.Disk", "VM.Config.Memory",
	"VM.Config.Network", "VM.Config.Options", "VM.Migrate", "VM.PowerMgmt",
}

// restrict gives the rig a token with these rights instead of root's.
func (r *rig) restrict(t testing.TB, rights []string) {
	t.Helper()
	token := r.sim.AddToken("provost@pve", "gitops", map[string][]string{"/": rights})
	if err := os.WriteFile(r.cfg.TokenFile, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheLeastRightsAreEnough(t *testing.T) {
	systemtest.RunVirtual(t, func(t *testing.T) systemtest.Fixture {
		r := newVirtualRig(t, pvesim.Options{})
		r.restrict(t, rights)
		return fixture(r)
	})
}

// None of the rights is there without need. The double shows storages to whoever
// may allocate space on them, so what Datastore.Audit is for it cannot prove.
func TestEachRightIsNeeded(t *testing.T) {
	for _, right := range rights {
		if right == "Datastore.Audit" {
			continue
		}
		t.Run(right, func(t *testing.T) {
			virtual(t, pvesim.Options{NoSSH: true}, func(t *testing.T, r *rig) {
				r.restrict(t, slices.DeleteFunc(slices.Clone(rights), func(s string) bool { return s == right }))
				problem := r.life(t)
				if problem == "" {
					t.Errorf("everything works without %s", right)
				}
				t.Log(problem)
			})
		})
	}
}

// life makes, changes, moves and deletes one of each kind, and reports what was
// not possible or cannot be seen, "" for nothing.
func (r *rig) life(t *testing.T) string {
	t.Helper()
	r.sim.AddStorage("pbs", "pbs", []string{"backup"}, true, 1000)
	if err := r.sim.AddBackup("pbs", 20444); err != nil {
		t.Fatal(err)
	}
	c := r.open(t)
	ct, ctPower := container("vm-a", 20001)
	vm, vmPower := machine("vm-b", 20002)
	image, _ := plain("vm-c", 20003)
	newCT, _ := container("vm-a", 20001, "pool", "staff", "node", "pve2", "memory", "4096", "disk", "9")
	changes := []inventory.Change{
		creation(ct), creation(vm), creation(image), creation(ctPower), creation(vmPower),
		change(inventory.Update, ct, newCT, "pool", "node", "memory", "disk"),
	}
	for _, ch := range changes {
		if o := apply(c, ch); o.State != inventory.StateDone {
			return o.Error
		}
	}
	l, err := c.List(t.Context())
	if err != nil {
		return err.Error()
	}
	items := map[inventory.Key]inventory.Attrs{}
	for _, item := range l.Items {
		items[item.Key] = item.Attrs
	}
	for key, attr := range map[inventory.Key]string{
		"cri/guest/vm-a": "pool", "cri/node/pve1": "memory", "cri/storage/pve1/ceph": "size", "cri/power/vm-a": "state",
	} {
		if v := items[key][attr]; v == "" || v == "0" {
			return "cannot see " + attr + " of " + string(key)
		}
	}
	if _, there := items["cri/backup/20444"]; !there {
		return "cannot see the backups of a guest that is gone"
	}
	if o := apply(c, deletion(vm)); o.State != inventory.StateDone {
		return o.Error
	}
	return ""
}
