package reconciler_test

import (
	"fmt"
	"testing"
)

// BenchmarkTable prints the table of docs/performance.md. Time is virtual: a row
// says the same on any machine, and is measured once however often it is asked
// for. Rows of 600 machines are left out with -short.
func BenchmarkTable(b *testing.B) {
	for _, r := range rows() {
		b.Run(r.String(), func(b *testing.B) { r.bench(b, byProvost) })
	}
}

// BenchmarkNaive is the same table for other ways to do it. Their workers ask
// each second, for hours of virtual time: only what is quick enough is done.
func BenchmarkNaive(b *testing.B) {
	for name, naive := range naiveStrategies {
		for _, r := range rows() {
			if r.machines == 600 && r.preset == "slow-nfs" || r.machines == 600 && r.faults {
				continue
			}
			b.Run(fmt.Sprintf("by=%s/%s", name, r), func(b *testing.B) { r.bench(b, naive) })
		}
	}
}

// BenchmarkSpread is what the seed of the jitter makes of the rows of the table: the
// smaller the row, the more.
func BenchmarkSpread(b *testing.B) {
	for _, r := range rows() {
		if r.faults || r.machines == 600 || testing.Short() && r.machines > 20 {
			continue
		}
		for r.seed = range uint64(5) {
			b.Run(fmt.Sprintf("%s/seed=%d", r, r.seed), func(b *testing.B) { r.bench(b, byProvost) })
		}
	}
}

func rows() []row {
	var all []row
	for _, preset := range presets {
		for _, n := range sizes {
			if n == 600 && testing.Short() {
				continue
			}
			for _, mix := range mixes {
				for _, faults := range []bool{false, true} {
					r := row{preset: preset, machines: n, mix: mix, faults: faults}
					if r.impossible() == "" {
						all = append(all, r)
					}
				}
			}
		}
	}
	return all
}

// measured rows: a benchmark's function is called several times.
var measuredRows = map[string]result{}

func (r row) bench(b *testing.B, make strategy) {
	x, known := measuredRows[b.Name()]
	if !known {
		passed := testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{
			Name: b.Name(), F: func(t *testing.T) { x = r.run(t, make) },
		}})
		if !passed {
			b.Fatal("the row could not be measured")
		}
		measuredRows[b.Name()] = x
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(x.makespan.Seconds(), "makespan_s")
	b.ReportMetric(x.bound.Seconds(), "bound_s")
	b.ReportMetric(x.ratio(), "ratio")
	b.ReportMetric(float64(x.requests)/float64(r.machines), "req/machine")
	b.ReportMetric(float64(x.failed), "failed")
	b.ReportMetric(float64(x.passes), "passes")
	b.ReportMetric(float64(x.missing+x.twice), "wrong")
}
