package policies_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/policies"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

// A campus limits its students' memory and keeps machines off a bridge while
// examinations run on it.
func Example() {
	repository := projects.Tree{
		"policies/limits.yaml": {Data: []byte("quotas: {student: {default: {memory: 16 GiB}}}")},
		"policies/exam.rego": {Data: []byte(`package campus.exam

# METADATA
# title: The exam bridge is for weekends
deny contains {"msg": msg, "id": change.id, "meta": rego.metadata.rule()} if {
	not time.weekday(time.now_ns()) in {"Saturday", "Sunday"}
	some change in input.plan.changes
	some net in change.after.nets
	change.after[net].bridge == "vibr285"
	msg := sprintf("%s may join vibr285 on weekends only", [change.name])
}
`)},
	}
	owner := inventory.Owner{Unit: "cohort/gis3", Student: "rapamato"}
	machine := inventory.Resource{Key: "cri/guest/vm-rapamato", Owner: owner, Attrs: inventory.Attrs{
		"memory": "40960", "nets": "net0", "net0.bridge": "vibr285",
	}}
	violations, err := policies.New(slog.New(slog.DiscardHandler)).Check(context.Background(), reconciler.PolicyInput{
		Rules: repository,
		Plan: plan.Plan{Steps: []plan.Step{{Change: inventory.Change{
			Key: machine.Key, Action: inventory.Create, After: &machine, Owner: owner,
		}}}},
		Time: time.Date(2026, 9, 16, 10, 0, 0, 0, time.UTC), // a Wednesday
	})
	if err != nil {
		fmt.Println(err)
	}
	for _, v := range violations {
		fmt.Printf("%s %s: %s\n  %s (%s)\n", v.Level, v.Keys[0], v.Message, v.Title, v.Where)
	}
	// Output:
	// deny cri/guest/vm-rapamato: vm-rapamato may join vibr285 on weekends only
	//   The exam bridge is for weekends (policies/exam.rego:5)
	// deny cri/guest/vm-rapamato: quota: student rapamato asks 40 GiB of memory of 16
	//   Quota exceeded (builtin/quota.rego:13)
}

// Tests of a campus's rules run beside what they test.
func ExampleRunTests() {
	results, err := policies.RunTests(context.Background(), projects.Tree{
		"policies/x.rego":      {Data: []byte("package campus.x\n\ndeny contains \"no\" if input.actor == \"eve\"\n")},
		"policies/x_test.rego": {Data: []byte("package campus.x_test\n\nimport data.campus.x\n\ntest_eve if x.deny == {\"no\"} with input.actor as \"eve\"\n")},
	})
	if err != nil {
		fmt.Println(err)
	}
	for _, r := range results {
		fmt.Println(r.Where, r.Name, r.Passed)
	}
	// Output:
	// policies/x_test.rego:5 campus.x_test.test_eve true
}
