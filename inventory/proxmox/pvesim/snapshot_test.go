package pvesim_test

import (
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// A snapshot has a text of its own, and going back to it changes the guest's options
// but not the guest's text.
func TestRollbackKeepsTheDescription(t *testing.T) {
	for _, kind := range []string{"lxc", "qemu"} {
		t.Run(kind, func(t *testing.T) {
			sim, c := start(t, pvesim.Options{})
			sim.AddStorage("ceph", "rbd", []string{"images", "rootdir"}, true, 1000)
			config := map[string]string{"memory": "64", "rootfs": "ceph:vm-150-disk-0,size=1G", "description": "old"}
			if kind == "qemu" {
				config = map[string]string{"memory": "64", "scsi0": "ceph:vm-150-disk-0,size=1G", "description": "old"}
			}
			if err := sim.AddGuest(pvesim.Guest{VMID: 150, Node: "pve1", Type: kind, Config: config}); err != nil {
				t.Fatal(err)
			}
			at := "/nodes/pve1/" + kind + "/150"
			ended := func(a answer) {
				t.Helper()
				if exit := c.exit(a.upid()); exit != "OK" {
					t.Fatalf("%s: %s", a.body, exit)
				}
			}
			ended(c.do("POST", at+"/snapshot", "snapname=s1", "description=before the exam"))
			c.do("PUT", at+"/config", "memory=128", "description=new")
			ended(c.do("POST", at+"/snapshot/s1/rollback"))
			g, _ := sim.Guest(150)
			if g.Config["memory"] != "64" || strings.TrimSpace(g.Config["description"]) != "new" {
				t.Errorf("after the rollback: %v", g.Config)
			}
		})
	}
}
