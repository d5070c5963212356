package policies

import (
	"fmt"
	"testing"

	"github.com/provost-dev/provost/reconciler"
)

// BenchmarkCheck judges plans with the sample limits and the campus rules of testdata.
func BenchmarkCheck(b *testing.B) {
	rules := folder(b, "testdata/campus")
	rules[limitsFile] = folder(b, "testdata")["limits.yaml"]
	for _, n := range []int{600, 10_000} {
		b.Run(fmt.Sprintf("changes=%d", n), func(b *testing.B) {
			e := newEngine()
			in := reconciler.PolicyInput{Rules: rules, Plan: wave(n), Live: crowd(n), Time: wednesday}
			if _, err := e.Check(b.Context(), in); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := e.Check(b.Context(), in); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/change")
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/plan")
		})
	}
}

// BenchmarkLoad compiles the built-in rules and those of a campus.
func BenchmarkLoad(b *testing.B) {
	rules := folder(b, "testdata/campus")
	for b.Loop() {
		if _, problems := load(b.Context(), rules, false); len(problems) > 0 {
			b.Fatal(problems)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/load")
}
