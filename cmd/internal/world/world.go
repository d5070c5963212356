// Package world is a whole campus on loopback: a three-node Proxmox cluster
// with its API and SSH, two Windows servers with DNS and a DHCP fail-over pair,
// and a GitLab that holds the sample campus. The demo and the stories in
// testdata/script run the real daemon against it.
//
// To add a machine room, add a file with a start function and call it in
// [Start]. The package refuses to know the daemon: it writes a configuration
// file and secrets, as an administrator would, and nothing else is passed on.
package world

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
	"github.com/provost-dev/provost/inventory/windows/winsim"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/sources/forge/gitlab/gitlabsim"
)

// Options say how large the campus is. Dir must exist; all files go there.
type Options struct {
	Dir   string
	Tree  projects.Tree // what the repository holds at first
	Costs pvesim.Costs  // how long Proxmox takes; zero is no time
	Stat  time.Duration
	Seed  uint64
	Log   *slog.Logger // of the doubles; nil is silent
}

// World is a running campus.
type World struct {
	PVE     *pvesim.Cluster
	Domain  *winsim.Domain
	Windows []*winsim.Server
	GitLab  *gitlabsim.Server
	Dir     string
	Commit  string // the first one on main

	stops []func()
}

// Names of the sample campus that outsiders need.
const (
	Campus  = "isima"
	Cluster = "cri"
	Project = "cri/campus"
	Bot     = "provost"
	Teacher = "teacher"
)

// Start brings the campus up and writes provost.yaml and its secrets. What was
// started is stopped again when it fails.
func Start(o Options) (w *World, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	w = &World{Dir: o.Dir}
	defer func() {
		if err != nil {
			w.Close()
		}
	}()
	if err := os.MkdirAll(w.path("secrets"), 0o700); err != nil {
		return nil, fmt.Errorf("cannot start the campus: %w", err)
	}
	for _, start := range []func(Options) error{w.startProxmox, w.startWindows, w.startGitLab} {
		if err := start(o); err != nil {
			return nil, fmt.Errorf("cannot start the campus: %w", err)
		}
	}
	return w, nil
}

// Close stops everything that Start started.
func (w *World) Close() {
	for i := len(w.stops) - 1; i >= 0; i-- {
		w.stops[i]()
	}
	w.stops = nil
}

// path is a file of this campus.
func (w *World) path(elem ...string) string {
	return filepath.Join(append([]string{w.Dir}, elem...)...)
}

// secret writes a file that only its owner may read.
func (w *World) secret(name string, content []byte) error {
	return os.WriteFile(w.path("secrets", name), content, 0o600)
}

// Live lets machines that run ask for an address, as their DHCP clients would,
// until ctx ends.
func (w *World) Live(ctx context.Context) {
	asked := map[int]bool{}
	for {
		w.boot(asked)
		select {
		case <-ctx.Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}
