package policies

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/provost-dev/provost/projects"
)

// TestBuiltinRego runs the unit tests that stand beside the built-in rules, and
// demands that they reach every line of them.
func TestBuiltinRego(t *testing.T) {
	rules, problems := load(t.Context(), projects.Tree{}, true)
	if len(problems) > 0 {
		t.Fatal(&Error{problems})
	}
	coverage := cover.New()
	results, err := tester.NewRunner().SetCompiler(rules.compiler).SetStore(rules.store).
		CapturePrintOutput(true).SetCoverageQueryTracer(coverage).RunTests(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for result := range results {
		ran++
		t.Run(result.Package+"/"+result.Name, func(t *testing.T) {
			if !result.Pass() {
				t.Errorf("%s: %v %v\n%s", position(result.Location), result, result.Error, result.Output)
			}
		})
	}
	if ran == 0 {
		t.Fatal("no Rego test ran")
	}
	report := coverage.Report(rules.compiler.Modules)
	for path, file := range report.Files {
		for _, r := range file.NotCovered {
			t.Errorf("%s:%d-%d: no Rego test reaches this", path, r.Start.Row, r.End.Row)
		}
	}
}

func TestBuiltinIsFormatted(t *testing.T) {
	paths, _ := filepath.Glob("builtin/*.rego")
	examples, _ := filepath.Glob("testdata/campus/policies/*.rego")
	for _, path := range append(paths, examples...) {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := format.SourceWithOpts(path, source, format.Opts{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if !bytes.Equal(source, want) {
			if os.Getenv("UPDATE") != "" {
				_ = os.WriteFile(path, want, 0o644)
			}
			t.Errorf("%s is not formatted; UPDATE=1 formats it", path)
		}
	}
}

// TestBuiltinIsDescribed demands a title and a description of each package and
// each rule that decides.
func TestBuiltinIsDescribed(t *testing.T) {
	rules, problems := load(t.Context(), projects.Tree{}, false)
	if len(problems) > 0 {
		t.Fatal(&Error{problems})
	}
	annotations := rules.compiler.GetAnnotationSet()
	for path, module := range rules.compiler.Modules {
		if a := annotations.GetPackageScope(module.Package); a == nil || a.Title == "" || a.Description == "" {
			t.Errorf("%s: the package has no title or description", path)
		}
		for _, d := range decisions {
			for _, rule := range rulesNamed([]*ast.Module{module}, d.name) {
				scope := annotations.GetRuleScope(rule)
				if len(scope) != 1 || scope[0].Title == "" || scope[0].Description == "" {
					t.Errorf("%s: the rule has no title or description", position(rule.Location))
				}
			}
		}
	}
	if tests, _ := fs.Glob(builtin, "builtin/*_test.rego"); len(tests) == 0 {
		t.Error("there are no Rego tests")
	}
}
