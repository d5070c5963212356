package reconciler_test

import (
	"fmt"
	"testing"
)

// BenchmarkThinking is what a pass costs before it asks anybody anything, stage
// by stage: over a campus that is as it should be, and over one of which
// nothing stands yet. The figures a guest should stay where they are when the
// campus grows; "ratio" is the whole against decoding the same files and doing
// nothing with them.
func BenchmarkThinking(b *testing.B) {
	for name, fresh := range map[string]bool{"unchanged": false, "new": true} {
		for _, n := range []int{1_000, 10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/guests=%d", name, n), func(b *testing.B) {
				thinker := newThinker(b, n, fresh)
				costs := make([]cost, stages)
				var whole, plain cost
				for b.Loop() {
					th, err := thinker.think(b.Context(), func(s stage, work func()) {
						c := measure(work)
						costs[s], whole = costs[s].plus(c), whole.plus(c)
					})
					th.check(b, err, n, fresh)
					plain = plain.plus(measure(func() { err = decodeOnly(thinker.tree, intoValues) }))
					if err != nil {
						b.Fatal(err)
					}
				}
				each := float64(b.N * n)
				for s, c := range costs {
					b.ReportMetric(float64(c.cpu)/each, stageNames[s]+"-ns/guest")
					b.ReportMetric(float64(c.bytes)/each, stageNames[s]+"-B/guest")
				}
				b.ReportMetric(float64(whole.cpu)/each, "ns/guest")
				b.ReportMetric(float64(whole.bytes)/each, "B/guest")
				b.ReportMetric(float64(whole.cpu)/float64(plain.cpu), "ratio")
			})
		}
	}
}
