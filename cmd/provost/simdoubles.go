package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
	"github.com/provost-dev/provost/inventory/windows"
	"github.com/provost-dev/provost/inventory/windows/winsim"
	"github.com/provost-dev/provost/sources/forge/gitlab/gitlabsim"
)

// What a client finds on the doubles, by the names that help and README use.
const (
	simOSTemplate = "debian-12-standard_12.7-1_amd64.tar.zst"
	simZone       = "lab.example.org"
	simUser       = "svc-provost"
	simPassword   = "for the double only"
	simBot        = "provost"
	simProject    = "lab/campus"
	simForgeToken = "glpat-sim-provost"
)

// file writes what a client needs and returns its path.
func (s *sim) file(name string, content []byte) (string, error) {
	path := filepath.Join(s.dir, name)
	return path, os.WriteFile(path, content, 0o600)
}

func (s *sim) startProxmox() error {
	costs, err := presetCosts(s.preset)
	if err != nil {
		return err
	}
	costs.Speed = s.speed
	o := pvesim.Options{Addr: s.listen, Costs: costs, Release: s.release, Seed: s.seed, LoginDelay: 3 * time.Second}
	for i := range s.nodes {
		o.Nodes = append(o.Nodes, fmt.Sprintf("pve%d", i+1))
	}
	cluster, err := pvesim.Start(o)
	if err != nil {
		return err
	}
	s.stops = append(s.stops, cluster.Close)
	if err := furnishSim(cluster, s.preset == "slow-nfs"); err != nil {
		return err
	}
	for i, url := range cluster.URLs() {
		s.tell(o.Nodes[i], "%s", url)
	}
	ca, err := s.file("pve-ca.pem", cluster.CACert())
	if err != nil {
		return err
	}
	s.tell("authority", "%s", ca)
	s.tell("token", "%s", cluster.RootToken())
	s.tell("templates", "9000 (container), 9001 (machine), local:vztmpl/%s", simOSTemplate)
	return s.openSSH(cluster)
}

// furnishSim adds what every cluster has before a client comes.
func furnishSim(c *pvesim.Cluster, nfs bool) error {
	shared, kind, container, machine := "ceph", "rbd", "ceph:base-9000-disk-0", "ceph:base-9001-disk-0"
	if nfs {
		shared, kind, container, machine = "nfs", "nfs", "nfs:9000/base-9000-disk-0.raw", "nfs:9001/base-9001-disk-0.qcow2"
	}
	c.AddStorage("local", "dir", []string{"vztmpl", "iso", "images", "rootdir"}, false, 100)
	c.AddStorage(shared, kind, []string{"images", "rootdir"}, true, 20000)
	c.AddStorage("vault", "nfs", []string{"backup"}, true, 20000)
	c.AddPool("lab", "for whoever tries")
	for _, t := range []pvesim.Guest{
		{VMID: 9000, Node: "pve1", Type: "lxc", Config: map[string]string{
			"hostname": "desktop", "ostype": "debian", "arch": "amd64", "cores": "2", "memory": "2048", "unprivileged": "1",
			"rootfs": container + ",size=12G", "net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:90:00,ip=dhcp,type=veth"}},
		{VMID: 9001, Node: "pve1", Type: "qemu", Config: map[string]string{
			"name": "cloud", "cores": "1", "memory": "1024", "ostype": "l26", "scsihw": "virtio-scsi-single", "boot": "order=scsi0",
			"scsi0": machine + ",size=4G", "net0": "virtio=BC:24:11:00:90:01,bridge=vmbr0"}},
	} {
		if err := c.AddTemplate(t); err != nil {
			return err
		}
	}
	return c.AddOSTemplate("local", simOSTemplate)
}

// openSSH lets a new key in, as the daemon's is let in: for one command.
func (s *sim) openSSH(c *pvesim.Cluster) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return err
	}
	c.AuthorizeSSH(key)
	block, err := ssh.MarshalPrivateKey(private, "provost sim")
	if err != nil {
		return err
	}
	keyFile, err := s.file("pve-ssh-key", pem.EncodeToMemory(block))
	if err != nil {
		return err
	}
	var known strings.Builder
	for _, addr := range c.SSHAddrs() {
		fmt.Fprintln(&known, knownhosts.Line([]string{addr}, c.SSHHostKey()))
	}
	knownFile, err := s.file("pve-known-hosts", []byte(known.String()))
	if err != nil {
		return err
	}
	s.tell("SSH", "%s", strings.Join(c.SSHAddrs(), " "))
	s.tell("SSH key", "%s", keyFile)
	s.tell("known hosts", "%s", knownFile)
	return nil
}

// startWindows starts a domain controller with a zone and a DHCP scope.
func (s *sim) startWindows() error {
	if s.windows == "" {
		return nil
	}
	server, err := winsim.Start(winsim.Options{
		Name: "dc1", Domain: winsim.NewDomain("example.org"), CommandLine: windows.CommandLine(), Scripts: windows.Scripts(),
		Listen: func() (net.Listener, error) { return net.Listen("tcp", s.windows) },
		Users:  []winsim.User{{Name: simUser, Password: simPassword, Groups: []string{winsim.DNSAdmins, winsim.DHCPAdministrators}}},
	})
	if err != nil {
		return err
	}
	s.stops = append(s.stops, server.Close)
	server.AddZone(simZone)
	server.AddZone("84.168.192.in-addr.arpa")
	server.EnableFilterList(true, false)
	if err := server.AddScope(winsim.Scope{ID: netip.MustParseAddr("192.168.84.0"), Mask: netip.MustParseAddr("255.255.255.0"),
		Start: netip.MustParseAddr("192.168.84.20"), End: netip.MustParseAddr("192.168.84.250"), Name: "lab", Zone: simZone}); err != nil {
		return err
	}
	ca, err := s.file("windows-ca.pem", server.CACert())
	if err != nil {
		return err
	}
	s.tell("Windows", "%s", server.URL())
	s.tell("Windows authority", "%s", ca)
	s.tell("Windows user", "%s, password %q", simUser, simPassword)
	s.tell("Windows has", "zone %s, scope 192.168.84.0", simZone)
	return nil
}

// startForge starts a GitLab with an empty project.
func (s *sim) startForge() error {
	if s.forge == "" {
		return nil
	}
	server, err := gitlabsim.Start(gitlabsim.Options{Listen: s.forge, Dir: filepath.Join(s.dir, "gitlab")})
	if err != nil {
		return err
	}
	s.stops = append(s.stops, func() { server.Close() })
	server.AddUser(simBot, simForgeToken, "api", "read_repository", "write_repository")
	if err := server.CreateProject(simProject, "main"); err != nil {
		return err
	}
	s.tell("GitLab", "%s", server.URL())
	s.tell("GitLab token", "%s", simForgeToken)
	s.tell("GitLab clone", "git clone %s", server.CloneURL(simProject, simBot))
	return nil
}
