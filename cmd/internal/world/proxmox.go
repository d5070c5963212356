package world

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// Privileges are what the daemon's token may do, by ACL path: the table of
// README.md, so that the demo fails where the table lacks something.
var Privileges = map[string][]string{
	"/":                       {"Sys.Audit"},
	"/vms":                    {"VM.Audit", "VM.Allocate", "VM.Backup", "VM.Clone", "VM.Config.CPU", "VM.Config.Memory", "VM.Config.Disk", "VM.Config.Network", "VM.Config.Options", "VM.PowerMgmt", "VM.Migrate"},
	"/pool":                   {"Pool.Audit", "Pool.Allocate", "VM.Allocate"},
	"/storage":                {"Datastore.Audit", "Datastore.AllocateSpace"},
	"/sdn/zones/localnetwork": {"SDN.Use"},
}

// machineRoom is what stands in the cluster before provost comes: nodes,
// storages, bridges, templates, and machines that somebody made by hand.
var machineRoom = struct {
	nodes       []string
	bridges     []string
	pools       []string
	osTemplates []string
}{
	nodes:   []string{"pve1", "pve2", "pve3"},
	bridges: []string{"vibr279", "vibr284", "vibr285"},
	pools:   []string{"etudiants", "projets"},
	osTemplates: []string{
		"debian-11-standard_11.7-1_amd64.tar.zst",
		"debian-12-standard_12.2-1_amd64.tar.zst",
		"debian-12-standard_12.7-1_amd64.tar.zst",
	},
}

func (w *World) startProxmox(o Options) error {
	cluster, err := pvesim.Start(pvesim.Options{
		Nodes: machineRoom.nodes, Costs: o.Costs, StatDelay: o.Stat, Seed: o.Seed, Logger: o.Log,
	})
	if err != nil {
		return err
	}
	w.PVE = cluster
	w.stops = append(w.stops, cluster.Close)
	cluster.AddStorage("vol-ceph-1", "rbd", []string{"images", "rootdir"}, true, 20000)
	cluster.AddStorage("dirs-nfs", "nfs", []string{"vztmpl", "iso", "backup"}, true, 4000)
	for _, b := range machineRoom.bridges {
		cluster.AddBridge(b)
	}
	for _, p := range machineRoom.pools {
		cluster.AddPool(p, "")
	}
	for _, f := range machineRoom.osTemplates {
		if err := cluster.AddOSTemplate("dirs-nfs", f); err != nil {
			return err
		}
	}
	for _, t := range templates() {
		if err := cluster.AddTemplate(t); err != nil {
			return err
		}
	}
	for _, g := range handmade() {
		if err := cluster.AddGuest(g); err != nil {
			return err
		}
	}
	return w.writeProxmoxSecrets()
}

// CloudInitPassword stands in the configuration of machines, hashed, and provost
// reads it with the rest.
const CloudInitPassword = "$5$canary$ofCloudInit2x8Kd"

// templates are a container with a desktop and a cloud image.
func templates() []pvesim.Guest {
	return []pvesim.Guest{
		{VMID: 9000, Node: "pve1", Type: "lxc", Config: map[string]string{
			"hostname": "debian12-cinnamon", "ostype": "debian", "arch": "amd64", "cores": "2", "memory": "2048", "swap": "512",
			"unprivileged": "1", "features": "nesting=1", "rootfs": "vol-ceph-1:base-9000-disk-0,size=12G",
			"net0": "name=eth0,bridge=vibr285,hwaddr=BC:24:11:00:90:00,type=veth", "description": "Cinnamon desktop, made by hand\n",
		}},
		{VMID: 9001, Node: "pve1", Type: "qemu", Config: map[string]string{
			"name": "debian12-cloud", "cores": "1", "memory": "1024", "ostype": "l26", "scsihw": "virtio-scsi-single",
			"scsi0": "vol-ceph-1:base-9001-disk-0,size=4G", "ide2": "vol-ceph-1:vm-9001-cloudinit,media=cdrom",
			"net0": "virtio=BC:24:11:00:90:01,bridge=vibr279", "boot": "order=scsi0", "cipassword": CloudInitPassword,
		}},
	}
}

// handmade are machines that are nobody's but the administrators': provost
// must leave them exactly as they are.
func handmade() []pvesim.Guest {
	return []pvesim.Guest{
		{VMID: 100, Node: "pve1", Type: "qemu", Status: "running", Config: map[string]string{
			"name": "guacamole", "cores": "4", "memory": "8192", "ostype": "l26", "scsi0": "vol-ceph-1:vm-100-disk-0,size=32G",
			"net0": "virtio=BC:24:11:00:01:00,bridge=vmbr0", "boot": "order=scsi0", "cipassword": CloudInitPassword,
		}},
		{VMID: 101, Node: "pve2", Type: "lxc", Status: "running", Config: map[string]string{
			"hostname": "old-wiki.cri.local.isima.fr", "ostype": "debian", "arch": "amd64", "cores": "2", "memory": "2048", "swap": "512", "unprivileged": "1",
			"rootfs": "vol-ceph-1:vm-101-disk-0,size=20G", "net0": "name=eth0,bridge=vibr279,hwaddr=BC:24:11:00:01:01,ip=192.168.79.20/24,gw=192.168.79.254,type=veth",
			"description": "made in 2019, ask Pierre\n",
		}},
	}
}

// writeProxmoxSecrets gives the daemon a token, the authority to trust, and an
// SSH key that may do one thing.
func (w *World) writeProxmoxSecrets() error {
	token := w.PVE.AddToken("provost@pve", "daemon", Privileges)
	if err := w.secret("pve-token", []byte(token+"\n")); err != nil {
		return err
	}
	if err := w.secret("pve-ca.pem", w.PVE.CACert()); err != nil {
		return err
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, "provost")
	if err != nil {
		return err
	}
	if err := w.secret("pve-ssh-key", pem.EncodeToMemory(block)); err != nil {
		return err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return err
	}
	w.PVE.AuthorizeSSH(key)
	var known strings.Builder
	for _, addr := range w.PVE.SSHAddrs() {
		fmt.Fprintln(&known, knownhosts.Line([]string{addr}, w.PVE.SSHHostKey()))
	}
	return os.WriteFile(w.path("secrets", "pve-known-hosts"), []byte(known.String()), 0o600)
}
