package proxmox

import (
	"slices"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// A VMID that nobody has and backups are there of is listed; one that somebody
// has is not. A shared storage is asked once, and then not for a while. One that
// does not answer is believed to have what it had, and one that never did makes
// it unknown which VMIDs are free.
func TestBackupsKeepTheirVMID(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		r.sim.AddStorage("pbs", "pbs", []string{"backup"}, true, 1000)
		r.sim.AddStorage("dumps", "dir", []string{"vztmpl", "backup"}, false, 1000, "pve2")
		for storage, vmid := range map[string]int{"pbs": 20444, "dumps": 20555} {
			if err := r.sim.AddBackup(storage, vmid); err != nil {
				t.Fatal(err)
			}
		}
		asked := func() (n int) {
			for _, req := range r.sim.Requests() {
				if req.Method == "GET" && (req.Path == "/nodes/pve1/storage/pbs/content" || req.Path == "/nodes/pve2/storage/dumps/content") {
					n++
				}
			}
			return n
		}
		down := func() {
			r.sim.Inject(pvesim.Fault{Method: "GET", Path: "/nodes/*/storage/pbs/content", Times: -1,
				Kind: pvesim.Refuse, Status: 500, Reason: "storage 'pbs' is not online"})
		}
		fresh := r.open(t)
		down()
		l, err := fresh.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(l.Unknown, func(u inventory.Unknown) bool { return u.Prefix == "cri/backup/" }) {
			t.Errorf("nobody says that backups are unread: %v", l.Unknown)
		}
		r.sim.ClearFaults()
		c, before := r.open(t), asked()
		ct, _ := container("vm-a", 20001)
		mustApply(t, c, creation(ct))
		if err := r.sim.AddBackup("pbs", 20001); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			items := list(t, c)
			for _, key := range []inventory.Key{"cri/backup/20444", "cri/backup/20555"} {
				if _, there := items[key]; !there {
					t.Errorf("%s is not listed", key)
				}
			}
			if _, there := items["cri/backup/20001"]; there {
				t.Error("a VMID that somebody has is listed")
			}
		}
		if n := asked() - before; n != 2 {
			t.Errorf("%d requests for backups in three passes, want one of each storage", n)
		}
		time.Sleep(backupsAge)
		down()
		if _, there := list(t, c)["cri/backup/20444"]; !there {
			t.Error("what was known is forgotten when the storage is down")
		}
		r.sim.NodeDown("pve2")
		for range 2 {
			if _, there := list(t, c)["cri/backup/20555"]; !there {
				t.Error("what was known is forgotten when the node is down")
			}
		}
	})
}
