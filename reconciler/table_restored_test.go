package reconciler_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// Full clones of a container template may be restored from a backup instead, where
// a storage for that is named. These rows show what that wins: they are rows of full
// clones, and their machines are the same.

// byRestoring makes a row as provost does that may back up templates.
func byRestoring(t *testing.T, s *stand) (passes, failed int) {
	s.sim.AddStorage("vault", "nfs", []string{"backup"}, true, 10_000)
	s.backups = "vault"
	return byProvost(t, s)
}

// boundOfRestored is the least time in which a row can be restored: a copy of the
// template, its backup, which takes the storage as long as one stream does and
// during which the template itself may be cloned; then all others are written at
// the storage's full speed, or worked on by all nodes, and the last one starts. In
// the model a start that a creation asks for reads nothing.
func (r row) boundOfRestored() time.Duration {
	costs, err := pvesim.Preset(r.preset)
	if err != nil {
		panic(err) // a row names a preset that is there
	}
	n, disk := float64(r.machines), float64(r.diskGiB()<<30)
	stream := costs.Shared.Throughput
	if costs.Shared.Stream > 0 {
		stream = min(stream, costs.Shared.Stream)
	}
	copying, backup := costs.FullClone.Seconds()+disk/stream, costs.Backup.Seconds()+disk/stream
	cloned := backup / copying
	writing := (n - cloned) * disk / costs.Shared.Throughput
	work := (costs.Restore+costs.CreatedStart).Seconds()*(n-cloned)/(float64(len(r.nodes()))*costs.Work(costs.Saturation)) + (costs.Start - costs.CreatedStart).Seconds()
	last := costs.Restore.Seconds() + disk/stream + costs.Start.Seconds()
	return time.Duration((copying + backup + max(writing, work, last)) * float64(time.Second))
}

var restoredRows = []row{
	{preset: "tiny", machines: 20, mix: fullClones},
	{preset: "tiny", machines: 100, mix: fullClones},
	{preset: "campus", machines: 20, mix: fullClones},
	{preset: "campus", machines: 100, mix: fullClones},
	{preset: "campus", machines: 600, mix: fullClones},
	{preset: "campus", machines: 20, mix: fullClones, faults: true},
	{preset: "slow-nfs", machines: 20, mix: fullClones},
	{preset: "slow-nfs", machines: 100, mix: fullClones},
}

// BenchmarkRestored prints the rows of docs/performance.md that may be restored.
func BenchmarkRestored(b *testing.B) {
	for _, r := range restoredRows {
		b.Run(fmt.Sprint(r), func(b *testing.B) {
			r.bench(b, byRestoring)
			bound := r.boundOfRestored()
			b.ReportMetric(bound.Seconds(), "bound_s")
			b.ReportMetric(measuredRows[b.Name()].makespan.Seconds()/bound.Seconds(), "ratio")
		})
	}
}

// mostOfRestored is how much longer than the least a row may take. On campus the copy
// and its backup, at whose ends nobody knows when to look, are a third of the time of
// twenty machines; on tiny all takes twenty seconds, and much of that is looking.
var mostOfRestored = map[string]float64{"tiny": 1.30, "campus": 1.15, "slow-nfs": 1.10}

// TestRestored holds small rows to what restoring is for: it is quicker than cloning.
func TestRestored(t *testing.T) {
	for _, r := range restoredRows {
		if r.machines > 20 && r.preset != "campus" || r.machines > 100 {
			continue
		}
		t.Run(r.String(), func(t *testing.T) {
			clones, x := r.run(t, byProvost), r.run(t, byRestoring)
			x.bound = r.boundOfRestored()
			t.Log("cloned  ", clones)
			t.Log("restored", x)
			if x.missing > 0 || x.twice > 0 || !r.faults && (x.passes != 1 || x.failed > 0) {
				t.Errorf("%d missing, %d twice, %d passes, %d failed", x.missing, x.twice, x.passes, x.failed)
			}
			if x.requests > clones.requests*11/10 || x.makespan > clones.makespan*102/100 { // where it is cloned all the same, it varies a little
				t.Errorf("restoring takes longer than cloning, or more requests")
			}
			if most := mostOfRestored[r.preset]; x.ratio() > most || x.ratio() < 0.97 {
				t.Errorf("%.3f times the least that is possible, want at most %.2f", x.ratio(), most)
			}
		})
	}
}
