package projects

import (
	"fmt"
	"strings"
	"testing"
)

// largeTree is a campus with n students in cohorts of 500.
func largeTree(tb testing.TB, n int) Tree {
	tb.Helper()
	campus := strings.Replace(string(testCampus(tb).Data), "20000-20999", "100000-999999", 1)
	campus = strings.Replace(campus, "cidr: 10.0.1.0/24, gateway: 10.0.1.254, dhcp: {system: ad, addresses: [10.0.1.10-10.0.1.12, 10.0.1.20]}",
		"cidr: 172.16.0.0/12, gateway: 172.16.0.1, dhcp: {system: ad, addresses: 172.16.0.10-172.31.255.0}", 1)
	out := Tree{campusFile: File{Data: []byte(campus)}}
	const size = 500
	for c := range (n + size - 1) / size {
		var roster strings.Builder
		roster.WriteString("login;name\n")
		for s := range min(size, n-c*size) {
			fmt.Fprintf(&roster, "c%ds%d;Élève %d\n", c, s, s)
		}
		out[fmt.Sprintf("cohorts/c%d.csv", c)] = File{Data: []byte(roster.String())}
		out[fmt.Sprintf("cohorts/c%d.yaml", c)] = File{Data: fmt.Appendf(nil, "apiVersion: provost/v1\nkind: Cohort\ncluster: cri\nroster: c%d.csv\n"+
			"template: {base: debian, cores: 1, memory: 512, net0: wlan, dhcp: reserve, zone: x.fr}\n", c)}
	}
	return out
}

// BenchmarkDesired shows that the cost grows with the campus and no faster: the
// figure for each student should stay where it is.
func BenchmarkDesired(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			tree := largeTree(b, n)
			b.ReportAllocs()
			for b.Loop() {
				d := Load(tree).Desired(nil)
				if len(d.Problems) > 0 {
					b.Fatal(d.Problems[0])
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/student")
		})
	}
}

// TestGrowth counts allocations, which do not depend on how busy the machine is:
// four times the students may take little more than four times as many.
func TestGrowth(t *testing.T) {
	count := func(n int) float64 {
		tree := largeTree(t, n)
		live := apply(Load(tree).Desired(nil))
		return testing.AllocsPerRun(1, func() { Load(tree).Desired(live) })
	}
	small, large := count(500), count(2000)
	if large > 5*small {
		t.Errorf("500 students take %.0f allocations, 2000 take %.0f", small, large)
	}
}
