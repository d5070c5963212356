package web

import (
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

func TestDriftPage(t *testing.T) {
	gis3 := inventory.Owner{Unit: "cohort/gis3", Student: "ada"}
	p := ended(func(p *reconciler.Pass) {
		p.Plan.Drift = []plan.Drifted{
			{Key: "cri/guest/vm-ada", Owner: gis3, Field: "memory", Declared: "4096", Live: "<script>"},
			{Key: "cri/guest/vm-bob", Field: "memory", Corrected: true},
		}
		p.Plan.Pending = []plan.Pending{{Key: "cri/guest/vm-ada", Owner: gis3, Options: "cores"}}
	})
	for _, path := range []string{"/drift", "/passes/p1"} {
		code, body, _ := get(t, site(p), path)
		for _, want := range []string{"<td>cohort/gis3/ada<td>memory<td>4096<td>&lt;script&gt;<td class=\"warn\">reported", "corrected", "<td>cores<td>not by provost"} {
			if code != 200 || !strings.Contains(body, want) {
				t.Errorf("%s: %d, it does not say %q:\n%s", path, code, want, body)
			}
		}
	}
	s := site(p)
	_, body, _ := get(t, s, "/metrics")
	for _, want := range []string{`provost_drift{field="memory",kind="guest",system="cri"} 2`, `provost_restarts_pending{system="cri"} 1`} {
		if !strings.Contains(body, want) {
			t.Errorf("the metrics do not say %s", want)
		}
	}
	s.Metrics.Observe(ended(nil))
	if _, body, _ = get(t, s, "/metrics"); strings.Contains(body, "provost_drift{") {
		t.Error("what was put right is still counted")
	}
	if code, body, _ := get(t, site(), "/drift"); code != 200 || !strings.Contains(body, "No pass has ended yet") {
		t.Errorf("before the first pass: %d %s", code, body)
	}
}
