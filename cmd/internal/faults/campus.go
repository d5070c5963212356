package faults

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/memnet"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
	"github.com/provost-dev/provost/inventory/windows"
	"github.com/provost-dev/provost/inventory/windows/winsim"
	"github.com/provost-dev/provost/sources/forge/gitlab/gitlabsim"
)

// Campus is the doubles of a campus, with what other people made there: machines,
// records, reservations and filters that provost must never touch.
type Campus struct {
	PVE     *pvesim.Cluster
	Windows []*winsim.Server
	GitLab  *gitlabsim.Server

	dir     string // files of this campus
	repo    string // the repository
	net     *memnet.Network
	pve     *x509.CertPool
	servers map[string]*winsim.Server // by address
	// strangers are machines that somebody else made.
	strangers []pvesim.Guest
	edited    map[int]string // memory that was changed by hand, by VMID
	stops     []func()
}

const (
	campusName  = "isima"
	clusterName = "cri"
	dhcpName    = "ad"
	project     = "cri/campus"

	botToken        = "glpat-bot"
	windowsUser     = "svc-provost"
	windowsPassword = "only in memory"
	osTemplate      = "debian-12-standard_12.7-1_amd64.tar.zst"
)

// Open starts the doubles, in dir and in memory. repo is a bare repository, of which
// the campus takes a copy.
func Open(dir, repo string) (c *Campus, err error) {
	c = &Campus{dir: dir, repo: filepath.Join(dir, "campus.git"), net: &memnet.Network{}, servers: map[string]*winsim.Server{}, edited: map[int]string{}}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if err := os.CopyFS(c.repo, os.DirFS(repo)); err != nil {
		return nil, fmt.Errorf("cannot open the campus: %w", err)
	}
	for _, start := range []func() error{c.startProxmox, c.startWindows, c.startGitLab} {
		if err := start(); err != nil {
			return nil, fmt.Errorf("cannot open the campus: %w", err)
		}
	}
	return c, nil
}

// Push moves the branch main to a commit.
func (c *Campus) Push(commit string) error {
	return os.WriteFile(filepath.Join(c.repo, "refs", "heads", "main"), []byte(commit+"\n"), 0o644)
}

// Open opens a merge request.
func (c *Campus) Open(branch string) error {
	_, err := c.GitLab.OpenMR(project, branch, "main", "from "+branch)
	return err
}

// Close stops the doubles.
func (c *Campus) Close() {
	for i := len(c.stops) - 1; i >= 0; i-- {
		c.stops[i]()
	}
}

func (c *Campus) file(name string, data []byte) (string, error) {
	path := filepath.Join(c.dir, name)
	return path, os.WriteFile(path, data, 0o600)
}

// The foreign things. One of them sits on the VMID that a student's machine
// would have, and one carries a mark that a clone by hand has copied.
func foreignGuests() []pvesim.Guest {
	copied := inventory.Mark{Key: "cri/guest/vm-s01", Owner: inventory.Owner{Campus: campusName, File: "cohorts/zz1.yaml"}, Extra: map[string]string{"vmid": "20500"}}
	return []pvesim.Guest{
		stranger(101, "pve1", "old-wiki", "made in 2019, ask Pierre"),
		stranger(102, "pve2", "vm-s01-copy", inventory.WithMark("a copy by hand", copied)),
		stranger(takenVMID, "pve3", "sat-here-first", ""),
		{VMID: 103, Node: "pve1", Type: "qemu", Config: map[string]string{"name": "guacamole", "memory": "8192", "scsi0": "disks:vm-103-disk-0,size=32G", "boot": "order=scsi0"}},
	}
}

func stranger(vmid int, node, name, text string) pvesim.Guest {
	return pvesim.Guest{VMID: vmid, Node: node, Type: "lxc", Status: "running", Config: map[string]string{
		"hostname": name, "ostype": "debian", "arch": "amd64", "memory": "256", "rootfs": fmt.Sprintf("disks:vm-%d-disk-0,size=4G", vmid),
		"net0": fmt.Sprintf("name=eth0,bridge=vmbr0,hwaddr=BC:24:11:F0:%02X:%02X,type=veth", vmid/256%256, vmid%256), "description": text}}
}

func (c *Campus) startProxmox() (err error) {
	costs := pvesim.CostsTiny
	c.PVE, err = pvesim.Start(pvesim.Options{Nodes: []string{"pve1", "pve2", "pve3"}, Costs: costs, Listen: c.net.Listen, Unlogged: true})
	if err != nil {
		return err
	}
	c.stops = append(c.stops, c.PVE.Close)
	c.pve = x509.NewCertPool()
	c.pve.AppendCertsFromPEM(c.PVE.CACert())
	c.PVE.AddStorage("disks", "rbd", []string{"images", "rootdir"}, true, 100_000)
	c.PVE.AddStorage("images", "nfs", []string{"vztmpl"}, true, 100)
	for _, bridge := range []string{"students", "labs", "servers"} {
		c.PVE.AddBridge(bridge)
	}
	c.PVE.AddPool("lab", "")
	if err := c.PVE.AddOSTemplate("images", osTemplate); err != nil {
		return err
	}
	for _, t := range []pvesim.Guest{
		{VMID: 9000, Node: "pve1", Type: "lxc", Config: map[string]string{
			"hostname": "desktop", "memory": "512", "ostype": "debian", "arch": "amd64", "unprivileged": "1",
			"rootfs": "disks:vm-9000-disk-0,size=4G", "net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:F0:90:00,type=veth"}},
		{VMID: 9001, Node: "pve2", Type: "qemu", Config: map[string]string{
			"name": "cloud", "memory": "1024", "boot": "order=scsi0", "scsihw": "virtio-scsi-single",
			"scsi0": "disks:vm-9001-disk-0,size=4G", "net0": "virtio=BC:24:11:F0:90:01,bridge=vmbr0"}},
	} {
		if err := c.PVE.AddTemplate(t); err != nil {
			return err
		}
	}
	for _, g := range foreignGuests() {
		if err := c.AddStranger(g); err != nil {
			return err
		}
	}
	return nil
}

// AddStranger puts a machine of somebody else's there.
func (c *Campus) AddStranger(g pvesim.Guest) error {
	if err := c.PVE.AddGuest(g); err != nil {
		return err
	}
	c.strangers = append(c.strangers, g)
	return nil
}

var (
	zones  = []string{"etu.isima.fr", "srv.isima.fr", "84.10.in-addr.arpa", "79.10.in-addr.arpa"}
	scopes = []winsim.Scope{scope("10.84.0.0"), scope("10.85.0.0")}
)

func scope(id string) winsim.Scope {
	a := netip.MustParseAddr(id).As4()
	at := func(last byte) netip.Addr { return netip.AddrFrom4([4]byte{a[0], a[1], 0, last}) }
	return winsim.Scope{ID: at(0), Start: at(20), End: at(250), Mask: netip.MustParseAddr("255.255.255.0"), Name: id}
}

// startWindows starts two domain controllers that are DHCP fail-over partners.
func (c *Campus) startWindows() error {
	domain := winsim.NewDomain("isima.fr")
	var authorities strings.Builder
	for i, name := range []string{"dc1", "dc2"} {
		server, err := winsim.Start(winsim.Options{
			Name: name, Domain: domain, CommandLine: windows.CommandLine(), Scripts: windows.Scripts(),
			Listen:  func() (net.Listener, error) { return c.net.Listen("", "") },
			Latency: 500 * time.Millisecond,
			Users:   []winsim.User{{Name: windowsUser, Password: windowsPassword, Groups: []string{winsim.DNSAdmins, winsim.DHCPAdministrators}}},
		})
		if err != nil {
			return err
		}
		c.stops = append(c.stops, server.Close)
		c.Windows = append(c.Windows, server)
		c.servers[server.Addr()] = server
		authorities.Write(server.CACert())
		for _, s := range scopes {
			s.Partner = []string{"dc2", "dc1"}[i]
			if err := server.AddScope(s); err != nil {
				return err
			}
		}
		server.EnableFilterList(true, false)
		if err := foreignDHCP(server); err != nil {
			return err
		}
	}
	for _, z := range zones {
		c.Windows[0].AddZone(z)
	}
	for _, r := range foreignRecords() {
		if err := c.Windows[0].AddRecord(r); err != nil {
			return err
		}
	}
	_, err := c.file("windows-ca.pem", []byte(authorities.String()))
	if err == nil {
		_, err = c.file("windows-password", []byte(windowsPassword+"\n"))
	}
	return err
}

func foreignRecords() []winsim.Record {
	return []winsim.Record{
		{Zone: "srv.isima.fr", Name: "old-wiki", Type: "A", Value: "10.79.0.20"},
		{Zone: "79.10.in-addr.arpa", Name: "20.0", Type: "PTR", Value: "old-wiki.srv.isima.fr"},
		{Zone: "etu.isima.fr", Name: "laptop", Type: "A", Value: "10.85.0.21", Timestamp: time.Now()},
		{Zone: "etu.isima.fr", Name: "@", Type: "TXT", Value: "v=spf1 -all"},
	}
}

func foreignDHCP(s *winsim.Server) error {
	if err := s.AddReservation(winsim.Reservation{Scope: scopes[0].ID, IP: netip.MustParseAddr("10.84.0.100"),
		ClientID: "bc-24-11-f0-84-64", Name: "printer", Description: "first floor"}); err != nil {
		return err
	}
	return s.AddFilter(winsim.Filter{MAC: "BC-24-11-F0-84-64", List: "Allow", Description: "printer"})
}

func (c *Campus) startGitLab() error {
	on, err := c.net.Listen("", "")
	if err != nil {
		return err
	}
	c.GitLab, err = gitlabsim.Start(gitlabsim.Options{On: on, Dir: c.dir})
	if err != nil {
		return err
	}
	c.stops = append(c.stops, func() { c.GitLab.Close() })
	c.GitLab.AddUser("provost", botToken, "api", "read_repository")
	c.GitLab.ServeRepository(project, "main", c.repo)
	_, err = c.file("gitlab-token", []byte(botToken+"\n"))
	return err
}

// failTask lets the task of a request fail.
func (c *Campus) failTask(method, path string, form url.Values, how Fault) {
	kind := pvesim.FailTask
	if how == WorkerLost {
		kind = pvesim.LoseWorker
	}
	params := map[string]string{}
	for _, key := range []string{"newid", "vmid"} {
		if v := form.Get(key); v != "" {
			params[key] = v
		}
	}
	c.PVE.Inject(pvesim.Fault{Method: method, Path: path, Params: params, Kind: kind, Reason: "command '/usr/bin/rbd' failed: exit code 5"})
}

// strikeWinRM lets a message go wrong.
func (c *Campus) strikeWinRM(w *Wire, conn net.Conn, addr string, f Fault) net.Conn {
	if f == Failed {
		c.servers[addr].Inject(winsim.Fault{Match: "*", Kind: winsim.Refuse})
		return conn
	}
	return &turnConn{Conn: conn, wire: w, fault: f}
}

func (c *Campus) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return c.net.Dial(ctx, network, addr)
}
