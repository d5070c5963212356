package windows

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/memnet"
	"github.com/provost-dev/provost/inventory/windows/winsim"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

// farm is a cluster that makes and deletes eight machines at a time, a minute
// each, and starts and stops them in a moment.
type farm struct {
	mu     sync.Mutex
	things map[inventory.Key]inventory.Resource
}

func (f *farm) List(context.Context) (inventory.Listing, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return inventory.Listing{Items: slices.Collect(maps.Values(f.things))}, nil
}

func (f *farm) Claims(c inventory.Change) []inventory.Claim {
	if c.Key.Kind() == inventory.KindGuest {
		return []inventory.Claim{{Name: "cri/template", Limit: 8}}
	}
	return nil
}

func (f *farm) Apply(_ context.Context, changes []inventory.Change, _ func(inventory.Event)) []inventory.Outcome {
	c := changes[0]
	if c.Key.Kind() == inventory.KindGuest {
		time.Sleep(time.Minute + time.Duration(len(c.Key))*time.Second) // no two alike
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.things, c.Key)
	if c.After != nil {
		made := c.After.Clone()
		maps.DeleteFunc(made.Attrs, func(name, _ string) bool { return strings.HasPrefix(name, "create.") })
		f.things[c.Key] = made
	}
	return []inventory.Outcome{{Key: c.Key, State: inventory.StateDone}}
}

// repository is one commit; its tree may be another the next time.
type repository struct{ tree projects.Tree }

func (r *repository) Latest(context.Context) (reconciler.Snapshot, error) {
	return reconciler.Snapshot{Commit: "c0ffee00c0ffee00", Branch: "main", Tree: r.tree}, nil
}

func (*repository) Proposals(context.Context, reconciler.Snapshot) ([]reconciler.Proposal, error) {
	return nil, nil
}

func (*repository) SetStatus(context.Context, string, reconciler.Status) error { return nil }

func (*repository) Check(context.Context, reconciler.PolicyInput) ([]reconciler.Violation, error) {
	return nil, nil
}

// semester declares students with a machine each, authorised by MAC, and projects
// with a server each, in DNS.
func semester(students, servers int) projects.Tree {
	file := func(lines ...string) projects.File { return projects.File{Data: []byte(strings.Join(lines, "\n"))} }
	roster := []string{"apiVersion: provost/v1", "kind: Cohort", "title: ZZ1", "cluster: cri",
		"template: {kind: ct, base: desktop, hostname: 'vm-{login}', cores: 1, memory: 512, disk: 4, bridge: students, zone: " + forward + "}", "students:"}
	for i := range students {
		roster = append(roster, fmt.Sprintf("- {login: s%0*d}", 3+i%5, i))
	}
	tree := projects.Tree{
		"campus.yaml": file("apiVersion: provost/v1", "kind: Campus", "name: isima",
			"clusters: {cri: {vmids: 20000-29999, nodes: [pve1], defaults: {storage: disks}}}",
			"networks:", "  servers: {cluster: cri, cidr: 192.168.25.0/24, gateway: 192.168.25.254}",
			"  students: {cluster: cri, cidr: 10.85.0.0/16, gateway: 10.85.0.254, dhcp: {system: ad}}",
			"zones: {"+forward+": {system: ad}, "+reverse+": {system: ad}}"),
		"cohorts/zz1.yaml": file(roster...),
	}
	for i := range servers {
		tree[fmt.Sprintf("projects/p%02d.yaml", i)] = file("cluster: cri", "ct:",
			fmt.Sprintf("- {hostname: srv%d.%s, base: desktop, cores: 1, memory: 512, disk: 4, net0: servers, ip: 192.168.25.%d/24}", i, forward, i+1))
	}
	return tree
}

// campus is the real reconciler between a farm and the lab.
type campus struct {
	lab  *lab
	repo *repository
	r    *reconciler.Reconciler
	now  time.Time
}

func newCampus(t *testing.T, limits winsim.Options) *campus {
	mem := &memnet.Network{}
	limits.Listen = func() (net.Listener, error) { return mem.Listen("tcp", "") }
	limits.Latency = 700 * time.Millisecond
	l := newLabWith(t, limits)
	l.cfg.DHCP.Scopes = nil
	l.cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		return mem.Dial(ctx, network, map[string]*winsim.Server{"dc1.isima.fr:5986": l.dc1, "dc2.isima.fr:5986": l.dc2}[address].Addr())
	}
	c := &campus{lab: l, repo: &repository{}, now: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)}
	f := &farm{things: map[inventory.Key]inventory.Resource{
		"cri/node/pve1":          {Key: "cri/node/pve1", Attrs: inventory.Attrs{"status": "online"}},
		"cri/storage/pve1/disks": {Key: "cri/storage/pve1/disks", Attrs: inventory.Attrs{"shared": "1"}},
	}}
	c.r = &reconciler.Reconciler{
		Source: c.repo, Policy: c.repo, Log: slog.New(slog.DiscardHandler),
		Guard: plan.Limits{Count: math.MaxInt, Percent: 100}, Now: func() time.Time { return c.now },
		Systems: map[string]reconciler.Managed{
			"cri": {System: f, Apply: reconciler.ApplyAuto, Prune: true},
			"ad":  {System: l.open(t), Apply: reconciler.ApplyAuto, Prune: true},
		},
	}
	return c
}

// pass makes one and returns how many changes of DNS and DHCP it made, and how
// many commands each server needed for them, the listing included.
func (c *campus) pass(t *testing.T) (changes int, commands [2]int) {
	t.Helper()
	before := [2]int{c.lab.dc1.Commands().Commands, c.lab.dc2.Commands().Commands}
	p, err := c.r.RunOnce(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Problems) > 0 || len(p.Unknown) > 0 {
		t.Fatalf("%v %v", p.Problems, p.Unknown)
	}
	for _, r := range p.Results {
		if r.State != inventory.StateDone {
			t.Fatalf("%s %s: %s %s %s", r.Action, r.Key, r.State, r.Error, r.Blocked)
		}
		if r.Key.System() == "ad" {
			changes++
		}
	}
	for i, s := range []*winsim.Server{c.lab.dc1, c.lab.dc2} {
		commands[i] = s.Commands().Commands - before[i]
	}
	return changes, commands
}

// TestASemesterInAFewCommands: each server is sent what is ready for it in as few
// commands as hold it, whether all is ready at once or one after another while
// machines are made and deleted, and whether or not it must be tried again.
func TestASemesterInAFewCommands(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults []winsim.Fault
	}{
		{"no faults", nil},
		{"refused twice", []winsim.Fault{{Match: "Command", Skip: 1, Times: 2}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				campus := newCampus(t, winsim.Options{MaxShells: 200})
				check := func(what string, least int) {
					t.Helper()
					changes, commands := campus.pass(t)
					most := (changes+299)/300 + 2
					t.Logf("%s: %d changes, commands %v, at most %d", what, changes, commands, most)
					if changes < least || commands[0] > most || commands[1] > most {
						t.Errorf("%s: %d changes in %v commands, want %d in at most %d", what, changes, commands, least, most)
					}
				}
				campus.repo.tree = semester(600, 40)
				for _, f := range c.faults {
					campus.lab.dc1.Inject(f)
				}
				check("a semester begins", 680)
				check("nothing to do", 0)
				campus.repo.tree = semester(1, 40)
				check("the semester ends", 0)
				campus.now = campus.now.AddDate(1, 0, 0)
				check("its machines are purged", 599)
			})
		})
	}
}
