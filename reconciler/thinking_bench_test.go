package reconciler_test

import (
	"fmt"
	"testing"
)

// BenchmarkThinking is what a pass costs before it asks anybody anything, stage
// by stage: over a campus that is as it should be, and over one of which
// nothing stands yet. The figures a guest should stay where they are when the
// campus grows; the ratios are the whole against decoding the same files with
// the same library and doing nothing with them.
func BenchmarkThinking(b *testing.B) {
	for name, s := range situations {
		for _, n := range []int{1_000, 10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/guests=%d", name, n), func(b *testing.B) {
				nodes, plain := decodedAlone(b, n, s, intoNodes), decodedAlone(b, n, s, intoValues)
				thinker, measure := newThinker(b, n, s), measuring(n)
				costs := make([]cost, stages)
				var whole cost
				for b.Loop() {
					th, err := thinker.think(b.Context(), func(at stage, work func()) {
						c := measure(work)
						costs[at], whole = costs[at].plus(c), whole.plus(c)
					})
					th.check(b, err, n, s.fresh)
				}
				each := float64(b.N * n)
				for s, c := range costs {
					b.ReportMetric(float64(c.cpu)/each, stageNames[s]+"-ns/guest")
					b.ReportMetric(float64(c.bytes)/each, stageNames[s]+"-B/guest")
				}
				b.ReportMetric(float64(whole.cpu)/each, "ns/guest")
				b.ReportMetric(float64(whole.bytes)/each, "B/guest")
				b.ReportMetric(float64(nodes.cpu)/float64(n), "nodes-ns/guest")
				b.ReportMetric(float64(plain.cpu)/float64(n), "values-ns/guest")
				b.ReportMetric(times(whole.cpu, nodes.cpu)/float64(b.N), "ratio-to-nodes")
				b.ReportMetric(times(whole.cpu, plain.cpu)/float64(b.N), "ratio-to-values")
			})
		}
	}
}
