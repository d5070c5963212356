package policies

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

// rule is a campus's file with one deny of this body.
func rule(body string) projects.Tree {
	return tree("policies/x.rego", "package campus.x\n\ndeny contains violation if {\n"+body+"\n}\n")
}

func TestNoRulesAndNoLimitsDenyNothing(t *testing.T) {
	if got := check(t, projects.Tree{}, nil, wave(100).Steps...); len(got) != 0 {
		t.Errorf("got %s", brief(got))
	}
}

func TestSampleLimits(t *testing.T) {
	sample := tree(limitsFile, string(folder(t, "testdata")["limits.yaml"].Data))
	violations := check(t, sample, nil,
		creates(machine("vm-ada", student("ada"), "create.base=ostemplate:dirs-nfs:debian-12-standard")),
		creates(machine("vm-bob", student("bob"), "net0.bridge=vmbr0", "node=pve7")),
		creates(machine("root", student("eve"))),
	)
	want := `deny bob: placement: cohort/gis3 may not use bridge vmbr0 (allowed: vibr2*) [vm-bob]
deny bob: placement: cohort/gis3 may not use node pve7 (allowed: pve1, pve2, pve3) [vm-bob]
deny eve: names: root may not be called so in cohort/gis3 (allowed: vm-{student}, vm-{student}-*) [root]
`
	if got := brief(violations); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	if v := violations[0]; v.Rule != "provost.placement" || v.Title != "Place not allowed" || !strings.HasPrefix(v.Where, "builtin/placement.rego:") {
		t.Errorf("rule %q, title %q, where %q", v.Rule, v.Title, v.Where)
	}
}

func TestDeniedMachineLeavesNothingBehind(t *testing.T) {
	p := wave(8) // student0 asks 1 GiB, student1 asks 2
	violations, err := newEngine().Check(t.Context(), reconciler.PolicyInput{
		Rules: limitsTree("quotas: {student: {default: {memory: 1 GiB}}}"), Plan: p, Time: wednesday,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []inventory.Key{
		"ad/filter/bc-24-11-00-00-01", "ad/record/vm-student1.etu.isima.fr/A", "cri/guest/vm-student1", "cri/power/vm-student1",
	}
	if len(violations) != 1 || !slices.Equal(violations[0].Keys, want) {
		t.Errorf("got %s", brief(violations))
	}
}

func TestCapacityWarns(t *testing.T) {
	live := []inventory.Resource{
		{Key: "cri/node/pve1", Attrs: inventory.Attrs{"status": "online", "memory": "10000", "used": "6000"}},
		{Key: "cri/storage/pve1/vol-ceph-1", Attrs: inventory.Attrs{"size": "100", "used": "10", "shared": "1"}},
		{Key: "cri/storage/pve2/vol-ceph-1", Attrs: inventory.Attrs{"size": "100", "used": "11", "shared": "1"}},
		{Key: "cri/storage/pve1/local", Attrs: inventory.Attrs{"size": "100", "used": "80", "shared": "0"}},
		{Key: "cri/storage/pve2/local", Attrs: inventory.Attrs{"size": "100", "used": "99", "shared": "0"}},
	}
	got := brief(check(t, projects.Tree{}, live,
		creates(machine("a", student("ada"), "disk=85")),
		creates(machine("b", student("bob"), "storage=local", "disk=5", "memory=0")),
		deletes(machine("c", student("eve"), "disk=1", "memory=10"))))
	want := `warn ada: capacity: storage cri/vol-ceph-1 would be 94 % full [a]
warn ada: capacity: the memory of node cri/pve1 would be 101 % full [a]
`
	if got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

func TestWhomAnAnswerIsAbout(t *testing.T) {
	frozen := creates(machine("d", student("eve")))
	frozen.Gate = plan.GateFrozen
	steps := []plan.Step{creates(machine("a", student("ada"))), creates(machine("b", student("ada"))), creates(machine("c", student("bob"))), frozen}
	for _, c := range []struct{ name, violation, want string }{
		{"one change", `{"msg": "no", "id": "cri/guest/a"}`, "deny ada: no [a]\n"},
		{"an owner", `{"msg": "no", "owner": {"student": "ada"}}`, "deny ada: no [a b]\n"},
		{"an owner who asks for nothing", `{"msg": "no", "owner": {"student": "zoe"}}`, "deny zoe: no []\n"},
		{"the campus", `{"msg": "no"}`, "deny : no [a b c]\n"},
		{"the campus, by conftest's short form", `"no"`, "deny : no [a b c]\n"},
		{"a change that is blocked already", `{"msg": "no", "id": "cri/guest/d"}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := brief(check(t, rule("violation := "+c.violation), nil, steps...)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// What wants an approval is held with what only makes sense with it, and denials
// are told first.
func TestRulesWantApprovals(t *testing.T) {
	rules := tree("policies/x.rego", `package campus.x

require_approval contains {"msg": "a big one", "id": change.id} if {
	some change in input.plan.changes
	change.after.memory > 1000
}

deny contains {"msg": "not on a Sunday", "id": change.id} if {
	some change in input.plan.changes
	change.name == "b"
}
`)
	want := "deny ada: not on a Sunday [b]\nhold ada: needs an approval: a big one [a b]\n"
	if got := brief(check(t, rules, nil, creates(machine("a", student("ada"))), creates(machine("b", student("ada"))))); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A rule that wants an approval of whatever happens wants none where nothing does.
func TestNothingToApprove(t *testing.T) {
	rules := tree("policies/x.rego", `package campus.x

require_approval contains "whatever it is"
`)
	if got := brief(check(t, rules, nil)); got != "" {
		t.Errorf("got %q", got)
	}
	if got := brief(check(t, rules, nil, creates(machine("a", student("ada"))))); got != "hold : needs an approval: whatever it is [a]\n" {
		t.Errorf("got %q", got)
	}
}

// TestErrorsDenyEverythingAndSayWhere holds every kind of failure to a place.
func TestErrorsDenyEverythingAndSayWhere(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules projects.Tree
		want  string
	}{
		{"syntax", tree("policies/a/x.rego", "package campus\n\ndeny contains"), "policies/a/x.rego:3:"},
		{"unknown function", rule(`violation := nosuch(1)`), "policies/x.rego:4:14: undefined function nosuch"},
		{"unused variable", rule("x := 1\nviolation := \"a\""), "policies/x.rego:4:1: "},
		{"network", rule(`violation := http.send({"method": "get", "url": "http://127.0.0.1"}).body`), "policies/x.rego:4:14: "},
		{"failing builtin", rule(`violation := time.format([1, "nowhere"])`), "policies/x.rego:4:14: "},
		{"division by zero", rule("some change in input.plan.changes\nviolation := sprintf(\"%d\", [change.after.memory / 0])"), "policies/x.rego:5:"},
		{"two values of a function", tree("policies/x.rego", "package campus.x\n\nf(x) := x\n\nf(_) := 2\n\ndeny contains \"a\" if f(input.plan.changes[0].name) == 1\n"), "policies/x.rego:5:1: "},
		{"deny is no set", tree("policies/x.rego", "package campus.x\n\ndeny := true\n"), "policies/x.rego:3:1: deny of campus.x must be a set"},
		{"unknown id", rule(`violation := {"msg": "a", "id": "vm-a"}`), `policies/x.rego:3:1: cannot use an answer of deny in campus.x: id "vm-a" is no change`},
		{"misspelt field", rule(`violation := {"msg": "a", "ids": ["cri/guest/a"]}`), `unknown field "ids"`},
		{"no message", rule(`violation := {"id": "cri/guest/a"}`), "policies/x.rego:3:1: cannot use an answer of deny in campus.x: it has no msg"},
		{"neither message nor object", rule(`violation := 7`), "policies/x.rego:3:1: "},
		{"an owner who is nobody", rule(`violation := {"msg": "a", "owner": {}}`), `its field "owner" has the wrong shape`},
		{"our package", tree("policies/x.rego", "package provost.quota\n\nallow := true\n"), "policies/x.rego:1:1: package provost.quota is provost's own"},
		{"hidden limits", tree("policies/x.rego", "package limits\n\nquotas := {}\n"), "policies/x.rego:1:1: package limits is provost's own"},
		{"a symbolic link", projects.Tree{"policies/x.rego": {Refused: "is a symbolic link"}}, "policies/x.rego: cannot read: it is a symbolic link"},
		{"broken limits", limitsTree("quotas:\n  studnet: {}\n"), `policies/limits.yaml:2:3: unknown key "studnet" in quotas`},
		{"misnamed limits", tree("policies/limits.yml", "{}"), "policies/limits.yml: limits are read from policies/limits.yaml only"},
	} {
		t.Run(c.name, func(t *testing.T) {
			violations, err := newEngine().Check(t.Context(), reconciler.PolicyInput{
				Rules: c.rules, Plan: planOf(creates(machine("a", student("ada")))), Time: wednesday,
			})
			var placed *Error
			if !errors.As(err, &placed) || !strings.Contains(err.Error(), c.want) || violations != nil {
				t.Errorf("got %v, %v; want an error with %q", violations, err, c.want)
			}
		})
	}
}

func TestAllErrorsAtOnce(t *testing.T) {
	problems := Validate(tree(
		"policies/b.rego", "package campus.b\n\ndeny contain",
		"policies/a_test.rego", "package campus.a_test\n\ntest_x if {",
		limitsFile, "quotas: 1\nnames: 2\n",
	))
	var files []string
	for _, p := range problems {
		files = append(files, p.File)
		if p.Line == 0 || p.Column == 0 || p.Message == "" || p.Excerpt == "" {
			t.Errorf("incomplete: %+v", p)
		}
	}
	want := []string{"policies/a_test.rego", "policies/b.rego", limitsFile}
	if files = slices.Compact(files); !slices.Equal(files, want) || len(problems) < 4 {
		t.Errorf("got %v, want %v", files, want)
	}
}

func TestEndlessRuleIsStopped(t *testing.T) {
	endless := rule("some x in numbers.range(1, 3000)\nsome y in numbers.range(1, 3000)\nsome z in numbers.range(1, 3000)\nx * y == z + 1.5\nviolation := \"a\"")
	_, err := newEngine(Timeout(time.Millisecond)).Check(t.Context(), reconciler.PolicyInput{Rules: endless, Time: wednesday})
	if err == nil || !strings.Contains(err.Error(), "policies/x.rego:3:1: deny of campus.x did not end in time") {
		t.Errorf("got %v", err)
	}
}

func TestRulesSeeTheTimeOfThePass(t *testing.T) {
	rules := rule(`violation := time.weekday(time.now_ns())`)
	if got := brief(check(t, rules, nil, creates(machine("a", student("ada"))))); got != "deny : Wednesday [a]\n" {
		t.Errorf("got %q", got)
	}
}

func TestCapabilities(t *testing.T) {
	names := map[string]bool{}
	for _, b := range capabilities().Builtins {
		names[b.Name] = true
		if b.Nondeterministic && b.Name != "time.now_ns" {
			t.Errorf("%s may answer differently each time", b.Name)
		}
	}
	for _, name := range []string{"http.send", "opa.runtime", "rand.intn", "net.lookup_ip_addr", "uuid.rfc4122", "graph.reachable_paths", "bits.lsh"} {
		if names[name] {
			t.Errorf("%s is there", name)
		}
		if !slices.ContainsFunc(ast.CapabilitiesForThisVersion().Builtins, func(b *ast.Builtin) bool { return b.Name == name }) {
			t.Errorf("%s is not known to OPA at all: this test proves nothing about it", name)
		}
	}
	if !names["time.now_ns"] || !names["glob.match"] {
		t.Error("useful builtins are missing")
	}
}

func TestRulesAreCompiledOncePerContent(t *testing.T) {
	e := newEngine()
	rules := func(files projects.Tree) *ruleset {
		rs, _ := e.rules(t.Context(), files)
		return rs
	}
	first := rules(tree("policies/x.rego", "package campus.x\n\na := 1\n", "cohorts/a.yaml", "1"))
	if again := rules(tree("policies/x.rego", "package campus.x\n\na := 1\n", "cohorts/a.yaml", "2", "policies/x_test.rego", "nonsense")); again != first {
		t.Error("compiled again though no rule changed")
	}
	if other := rules(tree("policies/x.rego", "package campus.x\n\na := 2\n")); other == first {
		t.Error("an edited rule was not compiled")
	}
	if broken := rules(tree("policies/x.rego", "package")); broken != nil {
		t.Error("a broken rule gave rules")
	}
	if limited := rules(limitsTree("quotas: {}")); limited == nil || limited == first {
		t.Error("limits alone did not give new rules")
	}
}

func TestCancelledLoadIsNotRemembered(t *testing.T) {
	e := newEngine()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Check(ctx, reconciler.PolicyInput{}); err == nil {
		t.Error("judged with a cancelled context")
	}
	if _, err := e.Check(t.Context(), reconciler.PolicyInput{}); err != nil {
		t.Errorf("the next pass fails: %v", err)
	}
}

func TestConcurrentChecks(t *testing.T) {
	e := newEngine()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			rules := limitsTree("quotas: {student: {default: {memory: " + []string{"1 GiB", "64 GiB"}[i%2] + "}}}")
			violations, err := e.Check(t.Context(), reconciler.PolicyInput{Rules: rules, Plan: wave(40), Time: wednesday})
			if want := []int{9, 0}[i%2]; err != nil || len(violations) != want {
				t.Errorf("got %d violations, %v; want %d", len(violations), err, want)
			}
		})
	}
	wg.Wait()
}

func TestCampusRules(t *testing.T) {
	campus := folder(t, "testdata/campus")
	if problems := Validate(campus); len(problems) > 0 {
		t.Fatal(&Error{problems})
	}
	results, err := RunTests(t.Context(), campus)
	if err != nil || len(results) != 2 {
		t.Fatalf("got %v, %v", results, err)
	}
	for _, r := range results {
		if !r.Passed || !strings.HasPrefix(r.Name, "campus.bridges_test.test_week") || !strings.HasPrefix(r.Where, "policies/bridges_test.rego:") {
			t.Errorf("got %+v", r)
		}
	}
	violations := check(t, campus, nil, creates(machine("a", student("ada"), "net0.bridge=vibr285")))
	if got := brief(violations); got != "deny ada: a may join vibr285 on weekends only [a]\n" {
		t.Errorf("got %q", got)
	}
	if v := violations[0]; v.Title != "The exam bridge is for weekends" || v.Where != "policies/bridges.rego:10" || v.Rule != "campus.bridges" {
		t.Errorf("got %+v", v)
	}
}

func TestRunTestsTellsOfFailures(t *testing.T) {
	results, err := RunTests(t.Context(), tree("policies/x_test.rego", `package campus.x_test

test_fails if {
	print("seen")
	1 == 2
}

test_reads_the_limits if data.limits.warn.memory == 90
`))
	if err != nil || len(results) != 2 || results[0].Passed || results[0].Output != "seen\n" || !results[1].Passed {
		t.Errorf("got %+v, %v", results, err)
	}
	if _, err := RunTests(t.Context(), tree("policies/x_test.rego", "package")); err == nil {
		t.Error("broken tests ran")
	}
}
