package faults

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/provost-dev/provost/cmd/internal/state"
	"github.com/provost-dev/provost/inventory/proxmox"
	"github.com/provost-dev/provost/inventory/windows"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge"
	"github.com/provost-dev/provost/sources/forge/gitlab"
	"github.com/provost-dev/provost/sources/git"
)

// Process is a daemon on a campus: all of provost but the loop round its passes.
type Process struct {
	*Wire
	campus *Campus
	state  string // its state directory
	rec    *reconciler.Reconciler
	final  string // where its state was copied to when it was killed
	ctx    context.Context
	end    context.CancelFunc
	close  []func()
}

// Interval is between two passes.
const Interval = 30 * time.Second

// allowAll is a policy without rules.
type allowAll struct{}

// Check implements reconciler.Policy.
func (allowAll) Check(context.Context, reconciler.PolicyInput) ([]reconciler.Violation, error) {
	return nil, nil
}

// Start makes a daemon that keeps its state in a directory.
func (c *Campus) Start(state string, script Script, count *counter, log *slog.Logger) (*Process, error) {
	p := &Process{campus: c, state: state}
	p.ctx, p.end = context.WithCancel(context.Background())
	p.Wire = newWire(script, count, p.die)
	cluster, err := p.cluster(log)
	if err != nil {
		return nil, err
	}
	servers, err := p.servers(log)
	if err != nil {
		return nil, err
	}
	source, err := p.source(log)
	if err != nil {
		return nil, err
	}
	history, err := p.keep(source, log)
	if err != nil {
		return nil, err
	}
	p.rec = &reconciler.Reconciler{
		Source: source, Policy: allowAll{}, Guard: plan.DefaultLimits, Log: log, Grace: time.Second,
		Systems: map[string]reconciler.Managed{
			clusterName: {System: cluster, Apply: reconciler.ApplyAuto, Prune: true},
			dhcpName:    {System: servers, Apply: reconciler.ApplyAuto, Prune: true},
		},
		History: history.Add,
	}
	if last := history.Last(); last != nil {
		p.rec.Answered = last.Commit
	}
	return p, nil
}

// keep opens the state file, for the passes and for statuses that wait.
func (p *Process) keep(source *sources.Composite, log *slog.Logger) (*reconciler.History, error) {
	if err := os.MkdirAll(p.state, 0o700); err != nil {
		return nil, err
	}
	store, err := state.Open(p.state, log)
	if err != nil {
		return nil, err
	}
	// After the source, which saves what it could not write.
	p.close = slices.Insert(p.close, 0, func() { store.Close() })
	history := reconciler.NewHistory(10)
	if _, err := history.Keep(store.Shelf("passes")); err != nil {
		return nil, err
	}
	return history, source.Keep(store.Shelf("statuses"))
}

// Pass makes one pass, and waits as long as the loop would.
func (p *Process) Pass() (*reconciler.Pass, error) {
	pass, err := p.rec.RunOnce(p.ctx)
	select {
	case <-time.After(Interval):
	case <-p.cut:
	}
	return pass, err
}

// die is called at the moment at which the process is killed. What its remains
// still write while they notice is not what a new process finds.
func (p *Process) die() {
	if os.CopyFS(p.state+"-killed", os.DirFS(p.state)) == nil {
		p.final = p.state + "-killed"
	}
	p.end()
}

// left is the state directory as the process left it.
func (p *Process) left() string { return cmp.Or(p.final, p.state) }

// intents are the hints in the state directory at what is being made.
func (p *Process) intents() []string {
	files, _ := filepath.Glob(filepath.Join(p.state, "intents", "*.json")) // the pattern is well-formed
	return files
}

// Stop ends the daemon: as after a signal, or, where it has been killed, without
// its being able to tell anybody.
func (p *Process) Stop() {
	for i := len(p.close) - 1; i >= 0; i-- {
		p.close[i]()
	}
	if !p.Dead() {
		p.ended = func() {}
		p.Cut()
	}
}

// transport makes connections that end with the process.
func (p *Process) transport(config *tls.Config) *http.Transport {
	t := &http.Transport{TLSClientConfig: config, MaxIdleConnsPerHost: 16, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := p.campus.net.Dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return p.hold(conn)
	}}
	p.close = append(p.close, t.CloseIdleConnections)
	return t
}

func (p *Process) cluster(log *slog.Logger) (*proxmox.Cluster, error) {
	c := p.campus
	token, err := c.file("pve-token", []byte(c.PVE.RootToken()+"\n"))
	if err != nil {
		return nil, err
	}
	key, known, err := c.sshFiles()
	if err != nil {
		return nil, err
	}
	cfg := proxmox.Config{
		Endpoints: c.PVE.URLs()[:1], TokenFile: token, StateDir: filepath.Join(p.state, "intents"), StaleLocks: "clear",
		SSH: proxmox.SSHConfig{Hosts: c.PVE.SSHAddrs(), KeyFile: key, KnownHostsFile: known},
	}
	requests := &courier{wire: p.Wire, kind: "proxmox", base: p.transport(&tls.Config{RootCAs: c.pve}), failTask: c.failTask}
	shell := &dialer{wire: p.Wire, kind: "ssh", dial: c.dial, name: map[string]string{}, strike: strikeSSH}
	for i, addr := range c.PVE.SSHAddrs() {
		shell.name[addr] = fmt.Sprintf("pve%d", i+1)
	}
	cluster, err := proxmox.NewWith(clusterName, campusName, cfg, log, proxmox.Options{Transport: requests, DialSSH: shell.connect})
	if err == nil {
		p.close = append(p.close, func() { cluster.Close() })
	}
	return cluster, err
}

// sshFiles are a key that the cluster accepts, and its host keys.
func (c *Campus) sshFiles() (key, known string, err error) {
	key, known = filepath.Join(c.dir, "ssh-key"), filepath.Join(c.dir, "known_hosts")
	if _, err := os.Stat(key); err == nil {
		return key, known, nil
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return "", "", err
	}
	authorized, err := ssh.NewPublicKey(public)
	if err != nil {
		return "", "", err
	}
	c.PVE.AuthorizeSSH(authorized)
	if known, err = c.file("known_hosts", []byte(knownhosts.Line(c.PVE.SSHAddrs(), c.PVE.SSHHostKey())+"\n")); err != nil {
		return "", "", err
	}
	key, err = c.file("ssh-key", pem.EncodeToMemory(block))
	return key, known, err
}

func (p *Process) servers(log *slog.Logger) (*windows.System, error) {
	c := p.campus
	messages := &dialer{wire: p.Wire, kind: "winrm", dial: c.dial, name: map[string]string{}, strike: c.strikeWinRM}
	var addrs, ids []string
	for i, s := range c.Windows {
		addrs = append(addrs, s.Addr())
		messages.name[s.Addr()] = []string{"dc1", "dc2"}[i]
	}
	for _, s := range scopes {
		ids = append(ids, s.ID.String())
	}
	system, err := windows.New(dhcpName, campusName, windows.Config{
		User: windowsUser, PasswordFile: filepath.Join(c.dir, "windows-password"), CAFile: filepath.Join(c.dir, "windows-ca.pem"),
		DNS: windows.DNSConfig{Servers: addrs, Zones: zones}, DHCP: windows.DHCPConfig{Servers: addrs, Scopes: ids},
		Dial: messages.connect,
	}, log)
	if err == nil {
		p.close = append(p.close, func() { system.Close() }) // a shell that is left ends by itself
	}
	return system, err
}

func (p *Process) source(log *slog.Logger) (*sources.Composite, error) {
	c := p.campus
	repo, err := git.New(git.Config{URL: c.repo, Branch: "main"}, filepath.Join(p.state, "mirror"), log)
	if err != nil {
		return nil, err
	}
	statuses, err := gitlab.New(forge.Config{
		URL: c.GitLab.URL(), Project: project, Branch: "main", TokenFile: filepath.Join(c.dir, "gitlab-token"),
		Transport: &courier{wire: p.Wire, kind: "forge", base: p.transport(nil)},
	}, log)
	if err != nil {
		return nil, err
	}
	source := sources.New(&repository{Repository: repo, wire: p.Wire}, statuses, log)
	p.close = append(p.close, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if p.Dead() {
			cancel()
		}
		source.Close(ctx) // what was not written, the next process writes
	})
	return source, nil
}
