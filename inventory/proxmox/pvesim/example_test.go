package pvesim_test

import (
	"fmt"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// A cluster of three nodes with a template on shared storage, and a token that
// may do with its pool what it likes.
func Example() {
	c, err := pvesim.Start(pvesim.Options{Nodes: []string{"pve1", "pve2", "pve3"}, Costs: pvesim.CostsTiny, Unlogged: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	c.AddStorage("ceph", "rbd", []string{"images", "rootdir"}, true, 10000)
	c.AddPool("students", "")
	err = c.AddTemplate(pvesim.Guest{VMID: 9000, Node: "pve1", Type: "lxc", Config: map[string]string{
		"hostname": "desktop", "rootfs": "ceph:vm-9000-disk-0,size=8G", "memory": "2048",
		"net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,type=veth"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	c.AddToken("provost@pve", "main", map[string][]string{
		"/pool/students": {"VM.Allocate", "VM.Audit", "VM.PowerMgmt"},
		"/vms/9000":      {"VM.Audit", "VM.Clone"},
	})
	for _, g := range c.Guests() {
		fmt.Println(g.VMID, g.Name, g.Status, g.Config["rootfs"])
	}
	// Output: 9000 desktop stopped ceph:base-9000-disk-0,size=8G
}
