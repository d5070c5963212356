package faults

import (
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

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/provost-dev/provost/inventory/proxmox"
	"github.com/provost-dev/provost/inventory/windows"
	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge"
	"github.com/provost-dev/provost/sources/forge/gitlab"
	"github.com/provost-dev/provost/sources/git"
)

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

// source is the repository, served as the forge serves it, with the forge for what
// is answered.
func (p *Process) source(log *slog.Logger) (*sources.Composite, error) {
	c := p.campus
	token, plain := filepath.Join(c.dir, "gitlab-token"), p.transport(nil)
	repo, err := git.New(git.Config{
		URL: c.GitLab.URL() + "/" + project + ".git", Branch: "main", TokenFile: token,
		Transport: &courier{wire: p.Wire, kind: "git", base: plain},
	}, filepath.Join(p.state, "mirror"), log)
	if err != nil {
		return nil, err
	}
	statuses, err := gitlab.New(forge.Config{
		URL: c.GitLab.URL(), Project: project, Branch: "main", TokenFile: token,
		Transport: &courier{wire: p.Wire, kind: "forge", base: plain},
	}, log)
	if err != nil {
		return nil, err
	}
	branch := sources.Vet(repo, sources.Vetting{File: filepath.Join(p.state, "believed"), Push: sources.NewPeople(statuses), Log: log})
	source := sources.New(branch, statuses, log)
	p.close = append(p.close, func() {
		ctx, cancel := context.WithTimeout(context.Background(), lastWords)
		defer cancel()
		if p.Dead() {
			cancel()
		}
		source.Close(ctx) //nolint:errcheck // what was not written, the next process writes
	})
	return source, nil
}
