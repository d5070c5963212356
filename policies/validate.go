package policies

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/provost-dev/provost/projects"
)

// Validate gives every problem of a tree's rules, their tests and its limits.
// It needs nothing but the tree.
func Validate(tree projects.Tree) []projects.Problem {
	_, problems := load(context.Background(), tree, true)
	slices.SortFunc(problems, func(a, b projects.Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return problems
}

// TestResult is what became of one test of a campus's rules.
type TestResult struct {
	Name   string // "campus.bridges_test.test_weekday"
	Where  string // file:row
	Passed bool
	Output string // what the test printed, and why it could not run
}

// RunTests runs the test_ rules in the campus's *_test.rego files against its
// rules and limits, sorted by place. The error is an [*Error] when they do not
// compile.
func RunTests(ctx context.Context, tree projects.Tree) ([]TestResult, error) {
	rules, problems := load(ctx, tree, true)
	if len(problems) > 0 {
		return nil, &Error{problems}
	}
	found, err := tester.NewRunner().SetCompiler(rules.compiler).SetStore(rules.store).
		RaiseBuiltinErrors(true).CapturePrintOutput(true).RunTests(ctx, nil)
	if err != nil {
		return nil, &Error{regoProblems(tree, err)}
	}
	var results []TestResult
	for r := range found {
		if !strings.HasPrefix(r.Location.File, campusFolder) {
			continue // ours
		}
		result := TestResult{
			Name:  strings.TrimPrefix(r.Package, "data.") + "." + r.Name,
			Where: position(r.Location), Passed: r.Pass(), Output: string(r.Output),
		}
		if r.Error != nil {
			result.Output += r.Error.Error()
		}
		results = append(results, result)
	}
	slices.SortFunc(results, func(a, b TestResult) int {
		return cmp.Or(cmp.Compare(a.Where, b.Where), cmp.Compare(a.Name, b.Name))
	})
	return results, nil
}
