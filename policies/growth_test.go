package policies

import (
	"maps"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
)

// steps counts what the evaluator does.
type steps struct{ n int }

func (s *steps) Enabled() bool               { return true }
func (s *steps) TraceEvent(topdown.Event)    { s.n++ }
func (s *steps) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// work is what judging n changes costs: steps of the evaluator, and bytes
// allocated, which show the copying that steps do not.
func work(t *testing.T, rules *ruleset, n int) (evaluated int, allocated uint64) {
	t.Helper()
	in := reconciler.PolicyInput{Plan: wave(n), Live: crowd(n), Time: wednesday}
	counter := &steps{}
	if _, err := rules.judge(t.Context(), in, rego.EvalQueryTracer(counter)); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := rules.judge(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	return counter.n, after.TotalAlloc - before.TotalAlloc
}

// crowd is a campus that already has n/4 machines.
func crowd(n int) []inventory.Resource {
	var live []inventory.Resource
	for i := range n / 4 {
		live = append(live, machine("old"+strconv.Itoa(i), student("student"+strconv.Itoa(i))))
	}
	return live
}

// growth is how much more work four times the changes are: 4 when linear, 16
// when quadratic.
func growth(t *testing.T, n int, tree projects.Tree, seeing ...string) (evaluated, allocated float64) {
	t.Helper()
	rules, problems := load(t.Context(), tree, false)
	if len(problems) > 0 {
		t.Fatal(&Error{problems})
	}
	if len(seeing) > 0 {
		maps.DeleteFunc(rules.sights, func(pkg string, _ *sight) bool { return !slices.Contains(seeing, pkg) })
	}
	steps1, bytes1 := work(t, rules, n)
	steps4, bytes4 := work(t, rules, 4*n)
	t.Logf("%d changes: %d steps, %d kB; %d changes: %d steps, %d kB", n, steps1, bytes1>>10, 4*n, steps4, bytes4>>10)
	return float64(steps4) / float64(steps1), float64(bytes4) / float64(bytes1)
}

func TestJudgingIsLinear(t *testing.T) {
	sample := folder(t, "testdata")
	for name, seeing := range map[string][]string{"together": nil, "each": {"provost.names"}} {
		t.Run(name, func(t *testing.T) {
			evaluated, allocated := growth(t, 3000, projects.Tree{limitsFile: sample["limits.yaml"]}, seeing...)
			if evaluated > 6 || allocated > 6 {
				t.Errorf("four times the changes are %.1f times the steps and %.1f times the memory", evaluated, allocated)
			}
		})
	}
}

// TestGrowthSeesQuadraticRules makes sure that the measure above can fail.
func TestGrowthSeesQuadraticRules(t *testing.T) {
	evaluated, _ := growth(t, 50, rule(`some change in input.plan.changes
same := [1 | some other in input.plan.changes; other.owner == change.owner]
count(same) == 0
violation := "a"`))
	if evaluated < 8 {
		t.Errorf("four times the changes are %.1f times the steps: the measure does not see pairs", evaluated)
	}
}
