package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/cmd/internal/world"
	"github.com/provost-dev/provost/projects/example"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
)

// mostProxmox is what a pass over an unchanged campus may ask of a cluster, the
// read over SSH included.
const mostProxmox = 10

// TestWhatAnUnchangedPassCosts converges the sample campus, and then counts what
// a new daemon asks for when nothing has changed: in its first pass, when it
// knows nothing, and in its second, when it remembers what it read. README.md
// states the numbers that it prints.
func TestWhatAnUnchangedPassCosts(t *testing.T) {
	t.Parallel()
	w := startWorld(t, example.Students)
	config, err := w.Configure("127.0.0.1:1", "1h")
	if err != nil {
		t.Fatal(err)
	}
	newDaemon(t, w, config).converge()

	for _, way := range []struct {
		name   string
		config string
		most   int // requests to Proxmox, the reads over SSH included
	}{
		{"over SSH", config, mostProxmox},
		// One read for each guest of ours, copies of templates included, beside the listings.
		{"without SSH", withoutSSH(t, config), len(w.PVE.Guests()) + mostProxmox},
	} {
		d := newDaemon(t, w, way.config)
		for _, nth := range []string{"first", "second"} {
			c := d.unchangedPass()
			t.Logf("unchanged pass: %s (%s, %s pass of a new daemon)", c, way.name, nth)
			if c.proxmox+c.ssh > way.most {
				t.Errorf("%s, %s pass: %d requests to Proxmox, more than %d", way.name, nth, c.proxmox+c.ssh, way.most)
			}
			for i, n := range c.windows {
				if n != 1 {
					t.Errorf("%s, %s pass: %d commands on Windows server %d, want 1", way.name, nth, n, i+1)
				}
			}
		}
	}
}

// cost is what one pass asked of everybody.
type cost struct {
	proxmox, ssh, forge int
	windows             []int // commands by server
}

func (c cost) String() string {
	var windows []string
	for _, n := range c.windows {
		windows = append(windows, fmt.Sprint(n))
	}
	return fmt.Sprintf("proxmox=%d ssh=%d windows=%s/server forge=%d", c.proxmox, c.ssh, strings.Join(windows, ","), c.forge)
}

// spent is what has been asked of everybody so far.
func spent(w *world.World) cost {
	c := cost{proxmox: len(w.PVE.Requests()), ssh: w.PVE.SSHReads()}
	for _, r := range w.GitLab.Requests() {
		if strings.HasPrefix(r.Path, "/api/") {
			c.forge++
		}
	}
	for _, s := range w.Windows {
		c.windows = append(c.windows, s.Commands().Commands)
	}
	return c
}

func (c cost) since(before cost) cost {
	c.proxmox, c.ssh, c.forge = c.proxmox-before.proxmox, c.ssh-before.ssh, c.forge-before.forge
	for i := range c.windows {
		c.windows[i] -= before.windows[i]
	}
	return c
}

// withoutSSH writes a copy of a configuration that lacks the ssh: block.
func withoutSSH(t *testing.T, config string) string {
	t.Helper()
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(text), "      ssh:\n")
	_, after, found := strings.Cut(rest, "\n  ad:")
	if !found {
		t.Fatalf("there is no ssh: block before ad: in\n%s", text)
	}
	copied := filepath.Join(t.TempDir(), "provost.yaml")
	if err := os.WriteFile(copied, []byte(before+"  ad:"+after), 0o600); err != nil {
		t.Fatal(err)
	}
	return copied
}

func startWorld(t *testing.T, students int) *world.World {
	t.Helper()
	w, err := world.Start(world.Options{Dir: t.TempDir(), Tree: example.Tree(students, 1), Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go w.Live(ctx)
	return w
}

// measured is a daemon without its clock: passes are made when the test says.
type measured struct {
	t      *testing.T
	world  *world.World
	r      *reconciler.Reconciler
	source *sources.Composite
}

// newDaemon has a state directory of its own, and knows nothing.
func newDaemon(t *testing.T, w *world.World, config string) *measured {
	t.Helper()
	c, err := readConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	c.State = t.TempDir()
	r, closing, err := build(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(context.Background()) })
	return &measured{t: t, world: w, r: r, source: r.Source.(*sources.Composite)}
}

// pass makes one pass and waits until its statuses are written.
func (m *measured) pass() *reconciler.Pass {
	m.t.Helper()
	p, err := m.r.RunOnce(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); m.source.Backlog() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatal("the statuses were never written")
		}
	}
	return p
}

func (m *measured) converge() {
	m.t.Helper()
	for range 3 {
		if m.pass().Converged() {
			return
		}
	}
	m.t.Fatal("the campus did not converge")
}

func (m *measured) unchangedPass() cost {
	m.t.Helper()
	before := spent(m.world)
	if p := m.pass(); !p.Converged() || len(p.Plan.Steps) > 0 {
		m.t.Fatalf("something changed: %v", p.Plan.Steps)
	}
	return spent(m.world).since(before)
}
