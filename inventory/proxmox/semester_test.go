package proxmox

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

// A semester is made by the real reconciler, in virtual time.

type commit struct{ tree projects.Tree }

func (c commit) Latest(context.Context) (reconciler.Snapshot, error) {
	return reconciler.Snapshot{Commit: "c0ffee00c0ffee00", Branch: "main", Tree: c.tree}, nil
}

func (commit) Proposals(context.Context, reconciler.Snapshot) ([]reconciler.Proposal, error) {
	return nil, nil
}
func (commit) SetStatus(context.Context, string, reconciler.Status) error { return nil }

type permitAll struct{}

func (permitAll) Check(context.Context, reconciler.PolicyInput) ([]reconciler.Violation, error) {
	return nil, nil
}

// semester declares n machines, each "power: initial", on the nodes in turn.
func semester(n int, machine string, nodes ...string) projects.Tree {
	list := machine
	kind := "ct"
	if strings.Contains(list, "debian-cloud") {
		kind = "vm"
	}
	text := "cluster: cri\n" + kind + ":\n"
	for i := range n {
		text += fmt.Sprintf("- {hostname: m%03d, node: %s, net0: vmbr0, dhcp: none, power: initial, pool: students, %s}\n", i, nodes[i%len(nodes)], list)
	}
	return projects.Tree{
		"campus.yaml": {Data: []byte("apiVersion: provost/v1\nkind: Campus\nname: isima\n" +
			"clusters: {cri: {vmids: 20000-29999, nodes: [" + strings.Join(nodes, ", ") + "], defaults: {storage: ceph}}}\n" +
			"networks: {vmbr0: {cluster: cri, cidr: 10.0.0.0/16, gateway: 10.0.0.1, dhcp: {system: ad}}}\n")},
		"projects/lab.yaml": {Data: []byte(text)},
	}
}

// run is what one pass took.
type run struct {
	took     time.Duration
	requests int
	writes   []string
	refused  int
	ssh      int
	pass     *reconciler.Pass
}

func (r *rig) pass(t *testing.T, c *Cluster, tree projects.Tree) run {
	t.Helper()
	rec := &reconciler.Reconciler{
		Source: commit{tree}, Policy: permitAll{}, Guard: plan.DefaultLimits, Log: slog.New(slog.DiscardHandler),
		Systems: map[string]reconciler.Managed{"cri": {System: c, Apply: reconciler.ApplyAuto, Prune: true}},
	}
	r.sim.ForgetRequests()
	began := time.Now()
	pass, err := rec.RunOnce(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := run{took: time.Since(began), pass: pass, ssh: r.sim.SSHReads(), writes: r.written()}
	for _, req := range r.sim.Requests() {
		out.requests++
		if req.Status >= 400 {
			out.refused++
		}
	}
	for _, p := range pass.Problems {
		t.Fatal(p)
	}
	for _, result := range pass.Results {
		if result.State != inventory.StateDone {
			t.Errorf("%s: %s %s %s", result.Key, result.State, result.Error, result.Blocked)
		}
	}
	return out
}

// The figures to beat are 28 s for clones and 23 s for OS templates; what is logged
// is about that. The order of what happens at one instant is not the same in every
// run, so the limits leave room for the spread. A request
// that starts many guests is one that 8.4 does not have, so these stay out of the
// log that is held to both schemas.
func TestTwentyMachines(t *testing.T) {
	for _, tt := range []struct {
		name, machine string
		most          time.Duration
	}{
		{"LXC full clone", "base: desktop, cores: 1, memory: 128, disk: 4", 32 * time.Second},
		{"LXC from an OS template", "base: 'nfs:debian-12-standard', cores: 1, memory: 128, disk: 4", 26 * time.Second},
		{"LXC linked clone", "base: desktop, clone: linked, cores: 1, memory: 128, disk: 4", 28 * time.Second},
		{"QEMU linked clone", "base: debian-cloud, clone: linked, cores: 1, memory: 512, disk: 3", 28 * time.Second},
	} {
		for _, bulk := range []int{1, 50} {
			t.Run(fmt.Sprintf("%s, %d starts a request", tt.name, bulk), func(t *testing.T) {
				virtual(t, pvesim.Options{StatDelay: 10 * time.Second, Costs: pvesim.CostsTiny}, func(t *testing.T, r *rig) {
					const n = 20
					most := 6
					if bulk == 1 {
						most = 8
					}
					r.cfg.Limits.BulkStart = bulk
					c := r.open(t)
					tree := semester(n, tt.machine, "pve1")
					first := r.pass(t, c, tree)
					t.Logf("%.1f s, %.1f requests a machine, %d refused, %d changes", first.took.Seconds(), float64(first.requests)/n, first.refused, len(first.pass.Results))
					if first.took > tt.most || first.requests > most*n+12 || first.refused > 0 {
						t.Errorf("%s, %d requests, %d refused", first.took, first.requests, first.refused)
					}
					second := r.pass(t, r.open(t), tree)
					if len(second.pass.Plan.Steps) != 0 || len(second.writes) != 0 {
						t.Errorf("the second pass plans %d steps, such as %+v", len(second.pass.Plan.Steps), second.pass.Plan.Steps[0])
					}
					made := 0
					for _, g := range r.sim.Guests() {
						if g.VMID >= 20000 && g.VMID < 30000 {
							made++
							if g.Status != "running" {
								t.Errorf("%d is %s", g.VMID, g.Status)
							}
						}
					}
					if made != n {
						t.Errorf("%d machines stand", made)
					}
				})
			})
		}
	}
}
