package proxmox

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// rig is a cluster of three nodes with something of everything:
//
//	9000  container template "desktop" on pve1, its disk on shared ceph
//	9001  container template "tiny" on pve2, its disk on local
//	9100  machine template "debian-cloud" on pve1, on ceph, with cloud-init
//	500   somebody's container "printer" on pve1, running
//	501   a hand-made copy of one of our machines, mark and all
type rig struct {
	sim  *pvesim.Cluster
	cfg  Config
	opts Options
}

func newRig(t testing.TB, opts pvesim.Options) *rig {
	t.Helper()
	if opts.Nodes == nil {
		opts.Nodes = []string{"pve1", "pve2", "pve3"}
	}
	sim, err := pvesim.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	furnish(t, sim)
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	r := &rig{sim: sim, cfg: Config{
		Endpoints:   sim.URLs(),
		TokenFile:   file("token", []byte(sim.RootToken()+"\n")),
		CAFile:      file("ca.pem", sim.CACert()),
		StateDir:    filepath.Join(dir, "state"),
		StopTimeout: time.Second,
	}}
	if !opts.NoSSH {
		sim.AuthorizeSSH(keyPair(t, filepath.Join(dir, "ssh")))
		r.cfg.SSH = SSHConfig{
			Hosts: sim.SSHAddrs(), KeyFile: filepath.Join(dir, "ssh"),
			KnownHostsFile: file("known_hosts", []byte(knownhosts.Line(sim.SSHAddrs(), sim.SSHHostKey())+"\n")),
		}
	}
	return r
}

func furnish(t testing.TB, sim *pvesim.Cluster) {
	t.Helper()
	sim.AddStorage("ceph", "rbd", []string{"images", "rootdir"}, true, 10_000)
	sim.AddStorage("local", "dir", []string{"images", "rootdir", "vztmpl"}, false, 500)
	sim.AddStorage("nfs", "nfs", []string{"vztmpl"}, true, 500)
	sim.AddBridge("vibr285")
	sim.AddPool("students", "")
	sim.AddPool("staff", "")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(sim.AddOSTemplate("nfs", "debian-12-standard_12.2-1_amd64.tar.zst"))
	must(sim.AddOSTemplate("nfs", "debian-12-standard_12.10-1_amd64.tar.zst"))
	must(sim.AddTemplate(pvesim.Guest{VMID: 9000, Node: "pve1", Type: "lxc", Config: map[string]string{
		"hostname": "desktop", "memory": "512", "cores": "1", "ostype": "debian", "arch": "amd64", "unprivileged": "1",
		"rootfs": "ceph:vm-9000-disk-0,size=4G", "tags": "golden", "description": "the golden desktop",
		"net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:90:00,type=veth", "net1": "name=eth1,bridge=vmbr0,hwaddr=BC:24:11:00:90:01,type=veth",
	}}))
	must(sim.AddTemplate(pvesim.Guest{VMID: 9001, Node: "pve2", Type: "lxc", Config: map[string]string{
		"hostname": "tiny", "memory": "64", "ostype": "debian", "arch": "amd64", "rootfs": "local:9001/vm-9001-disk-0.raw,size=1G",
	}}))
	must(sim.AddTemplate(pvesim.Guest{VMID: 9100, Node: "pve1", Type: "qemu", Config: map[string]string{
		"name": "debian-cloud", "memory": "1024", "cores": "1", "boot": "order=scsi0", "scsihw": "virtio-scsi-single",
		"scsi0": "ceph:vm-9100-disk-0,size=3G", "ide2": "ceph:vm-9100-cloudinit,media=cdrom", "net0": "virtio=BC:24:11:00:91:00,bridge=vmbr0",
	}}))
	must(sim.AddGuest(pvesim.Guest{VMID: 500, Node: "pve1", Type: "lxc", Status: "running", Pool: "staff", Config: map[string]string{
		"hostname": "printer", "memory": "256", "ostype": "debian", "arch": "amd64", "rootfs": "ceph:vm-500-disk-0,size=2G",
		"net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:05:00,ip=10.0.0.5/24,type=veth", "description": "do not touch",
	}}))
	copied := inventory.Mark{Key: "cri/guest/vm-a", Owner: inventory.Owner{Campus: "isima", File: "a.yaml"}, Extra: map[string]string{"vmid": "20001"}}
	must(sim.AddGuest(pvesim.Guest{VMID: 501, Node: "pve2", Type: "lxc", Config: map[string]string{
		"hostname": "vm-a-copy", "memory": "256", "ostype": "debian", "arch": "amd64", "rootfs": "ceph:vm-501-disk-0,size=2G",
		"tags": "provost", "description": inventory.WithMark("", copied),
	}}))
}

// open connects as a new process would.
func (r *rig) open(t testing.TB) *Cluster {
	t.Helper()
	c, err := NewWith("cri", "isima", r.cfg, discard(), r.opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// foreign is a digest of all that does not belong to the tests' own range of
// VMIDs. Of the templates that are cloned only the text counts: a clone writes
// its source's file, to lock and unlock it.
func (r *rig) foreign() string {
	rest := r.sim.Digest(func(g pvesim.Guest) bool { return g.VMID < 20000 && g.VMID != 9000 && g.VMID != 9100 })
	return rest + r.sim.File(9000) + r.sim.File(9100)
}

// writes counts the requests that may have changed something.
func (r *rig) writes() int { return len(r.written()) }

func (r *rig) written() []string {
	var writes []string
	for _, req := range r.sim.Requests() {
		if req.Method != "GET" {
			writes = append(writes, req.Method+" "+req.Path)
		}
	}
	return writes
}

func (r *rig) guest(t testing.TB, vmid int) pvesim.Guest {
	t.Helper()
	g, ok := r.sim.Guest(vmid)
	if !ok {
		t.Fatalf("there is no guest %d", vmid)
	}
	return g
}

var owner = inventory.Owner{Campus: "isima", File: "cohorts/a.yaml", Unit: "cohort/a", Student: "x"}

// container is a student's clone of "desktop", with its power.
func container(name string, vmid int, changes ...string) (guest, power inventory.Resource) {
	return desired(name, inventory.Attrs{
		"type": "lxc", "vmid": strconv.Itoa(vmid), "name": name, "node": "pve1", "cores": "2", "memory": "2048", "swap": "512",
		"disk": "8", "storage": "ceph", "pool": "students", "tags": "cohort-a;provost", "description": "CT perso: déjà 100 %",
		"features": "nesting=1", "nameserver": "10.0.0.53 10.0.0.54", "searchdomain": "etu.isima.fr", "onboot": "0",
		"nets": "net0", "net0.name": "eth0", "net0.bridge": "vibr285", "net0.mac": "BC:24:11:00:20:" + hex(vmid), "net0.ip": "dhcp",
		"net0.firewall": "0", "rebuild": "0", "create.base": "template:desktop", "create.clone": "full", "create.boot": "new",
	}, changes...)
}

// machine is a clone of "debian-cloud" with a static address.
func machine(name string, vmid int, changes ...string) (guest, power inventory.Resource) {
	return desired(name, inventory.Attrs{
		"type": "qemu", "vmid": strconv.Itoa(vmid), "name": name, "node": "pve2", "cores": "4", "memory": "4096",
		"disk": "20", "storage": "ceph", "pool": "staff", "tags": "provost", "description": "a project's machine",
		"onboot": "1", "nets": "net0", "net0.model": "virtio", "net0.bridge": "vmbr0", "net0.mac": "BC:24:11:00:21:" + hex(vmid),
		"net0.ip": "10.0.0.70/24", "net0.gw": "10.0.0.254", "net0.tag": "12", "net0.firewall": "1", "nameserver": "10.0.0.53",
		"ciuser": "debian", "sshkeys": "ssh-ed25519 AAAA+/= me@there\nssh-rsa BBBB you", "rebuild": "0",
		"create.base": "template:9100", "create.clone": "full", "create.boot": "new",
	}, changes...)
}

// plain is made from an OS template.
func plain(name string, vmid int, changes ...string) (guest, power inventory.Resource) {
	return container(name, vmid, append([]string{
		"create.base", "ostemplate:nfs:debian-12-standard", "create.sshkeys", "ssh-ed25519 AAAA me", "node", "pve3",
		"net0.ip", "192.168.79.170/24", "net0.gw", "192.168.79.254",
	}, changes...)...)
}

func hex(vmid int) string {
	s := "0" + strings.ToUpper(strconv.FormatInt(int64(vmid%256), 16))
	return s[len(s)-2:]
}

func desired(name string, attrs inventory.Attrs, changes ...string) (guest, power inventory.Resource) {
	for i := 0; i < len(changes); i += 2 {
		attrs[changes[i]] = changes[i+1]
	}
	guest = inventory.Resource{Key: inventory.Key("cri/guest/" + name), Attrs: attrs, Owner: owner}
	power = inventory.Resource{
		Key: inventory.Key("cri/power/" + name), Owner: owner,
		Attrs: inventory.Attrs{"state": "running", "boot": "done"}, Needs: []inventory.Key{guest.Key},
	}
	return guest, power
}

func list(t testing.TB, c *Cluster) map[inventory.Key]inventory.Resource {
	t.Helper()
	l, err := c.List(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	items := map[inventory.Key]inventory.Resource{}
	for _, r := range l.Items {
		items[r.Key] = r
	}
	return items
}

// apply makes one change and returns its outcome.
func apply(c *Cluster, ch inventory.Change) inventory.Outcome {
	return c.Apply(context.Background(), []inventory.Change{ch}, func(inventory.Event) {})[0]
}

// mustApply demands that the change is done, after a few retries if it asks for them.
func mustApply(t testing.TB, c *Cluster, ch inventory.Change) {
	t.Helper()
	for try := 0; ; try++ {
		o := apply(c, ch)
		if o.State == inventory.StateDone {
			return
		}
		if o.State != inventory.StateRetry || try == 5 {
			t.Fatalf("%s %s: %s: %s", ch.Action, ch.Key, o.State, o.Error)
		}
	}
}

func creation(r inventory.Resource) inventory.Change {
	return inventory.Change{Key: r.Key, Action: inventory.Create, After: &r, Owner: r.Owner}
}

// change turns a live resource into another, as plan.Diff would ask for it.
func change(action inventory.Action, before, after inventory.Resource, fields ...string) inventory.Change {
	return inventory.Change{Key: after.Key, Action: action, Before: &before, After: &after, Fields: fields, Owner: after.Owner}
}

func deletion(r inventory.Resource) inventory.Change {
	return inventory.Change{Key: r.Key, Action: inventory.Delete, Before: &r, Owner: r.Owner}
}
