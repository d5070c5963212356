package pvesim_test

import (
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

func TestCloudInitMachine(t *testing.T) {
	cl, c := start(t, pvesim.Options{})
	vm := "/nodes/pve1/qemu/200"
	c.do("POST", "/nodes/pve1/qemu", "vmid=200", "name=web", "memory=2048", "cores=2", "scsi0=ceph:10", "ide2=ceph:cloudinit",
		"net0=virtio,bridge=vmbr0,tag=7", "ciuser=student", "cipassword=secret", "ipconfig0=ip=dhcp", "start=1").want(t, 200, "OK")
	g, _ := cl.Guest(200)
	if g.Config["scsi0"] != "ceph:vm-200-disk-0,size=10G" || g.Config["ide2"] != "ceph:vm-200-cloudinit,media=cdrom" ||
		g.Config["boot"] != "order=scsi0;net0" || !strings.HasPrefix(g.Config["net0"], "virtio=BC:24:11:") || g.Status != "running" {
		t.Errorf("the machine is %+v", g)
	}
	if body := c.do("GET", vm+"/config").body; strings.Contains(body, "secret") || !strings.Contains(body, `"cipassword":"**********"`) {
		t.Errorf("the password is shown: %s", body)
	}
	c.do("PUT", vm+"/config", "sshkeys=ssh-ed25519 AAAA").want(t, 400, "Parameter verification failed.")
	c.do("PUT", vm+"/cloudinit").want(t, 200, "OK")
	c.do("PUT", vm+"/resize", "disk=scsi0", "size=+2G").want(t, 200, "OK")
	c.do("PUT", vm+"/resize", "disk=scsi0", "size=1G").want(t, 500, "shrinking disks is not supported")
	if g, _ = cl.Guest(200); g.Config["scsi0"] != "ceph:vm-200-disk-0,size=12G" {
		t.Errorf("the disk is %s", g.Config["scsi0"])
	}
	c.do("PUT", vm+"/config", "args=-foo").want(t, 500, "only root can set 'args' config")
	c.do("PUT", vm+"/config", "digest=0000", "memory=64").want(t, 500, "checksum mismatch (file change by other user?)")
	c.do("POST", vm+"/status/stop").want(t, 200, "OK")
	c.do("DELETE", vm).want(t, 200, "OK")
	if len(cl.Guests()) != 0 {
		t.Error("the machine is still there")
	}
}

// TestContent: a local storage shows on each node what is on that node.
func TestContent(t *testing.T) {
	cl, c := start(t, pvesim.Options{Nodes: []string{"pve1", "pve2"}})
	for vmid, node := range map[int]string{100: "pve1", 101: "pve2"} {
		disk := map[string]string{"pve1": "local:100/vm-100-disk-0.raw,size=3G", "pve2": "local:101/vm-101-disk-0.raw,size=4G"}[node]
		if err := cl.AddGuest(pvesim.Guest{VMID: vmid, Node: node, Type: "lxc", Config: map[string]string{"rootfs": disk}}); err != nil {
			t.Fatal(err)
		}
	}
	body := c.do("GET", "/nodes/pve1/storage/local/content", "content=rootdir").want(t, 200, "OK").body
	if !strings.Contains(body, "vm-100-disk-0") || strings.Contains(body, "vm-101-disk-0") || strings.Contains(body, "vztmpl") {
		t.Errorf("pve1 has %s", body)
	}
	body = c.do("GET", "/nodes/pve2/storage/local/content", "content=vztmpl").body
	if !strings.Contains(body, "local:vztmpl/debian-12-mini_12.5-1_amd64.tar.gz") || strings.Contains(body, "disk") {
		t.Errorf("pve2 has the templates %s", body)
	}
	body = c.do("GET", "/cluster/resources", "type=storage").body
	for _, want := range []string{`"disk":3221225472,"id":"storage/pve1/local"`, `"disk":4294967296,"id":"storage/pve2/local"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
}

// TestQEMUCloneOntoContainer is answered 200, and the task finds out.
func TestQEMUCloneOntoContainer(t *testing.T) {
	cl, c := start(t, pvesim.Options{})
	addQEMU(t, c, 900)
	addLXC(t, c, 100, false)
	before := cl.Digest(nil)
	up := c.do("POST", "/nodes/pve1/qemu/900/clone", "newid=100").want(t, 200, "OK").upid()
	want := "close (rename) atomic file '/etc/pve/nodes/pve1/qemu-server/100.conf' failed: File exists"
	if got := c.exit(up); got != want {
		t.Errorf("the task ended %s", got)
	}
	if cl.Digest(nil) != before {
		t.Error("a guest was touched")
	}
}
