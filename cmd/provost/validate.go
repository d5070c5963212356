package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/provost-dev/provost/policies"
	"github.com/provost-dev/provost/policies/trust"
	"github.com/provost-dev/provost/projects"
)

func validateCommand() command {
	return command{
		name: "validate", args: "[DIR]", summary: "check a working tree, without network",
		help: `Validate checks the campus, its cohorts, projects, keys and policies in a
directory (the current one unless told) and prints every error with file, line,
column and a hint. The test_ rules in policies/**/*_test.rego are run, too. It needs
no network and no configuration: run it before you commit, and in the repository's
own CI. It exits 0 when all is well, else 1.

Example:
  provost validate
  provost validate ~/campus`,
		setup: func(*flag.FlagSet) action {
			return func(ctx context.Context, t *terminal, args []string) (int, error) {
				dir := "."
				if len(args) > 1 {
					return exitError, fmt.Errorf("it takes one directory, not %d", len(args))
				} else if len(args) == 1 {
					dir = args[0]
				}
				return validate(ctx, t, dir)
			}
		},
	}
}

func validate(ctx context.Context, t *terminal, dir string) (int, error) {
	tree, err := projects.ReadDir(os.DirFS(dir))
	if err != nil {
		return exitError, fmt.Errorf("cannot read %s: %w", dir, err)
	}
	// Desired without anything live finds what only shows across files.
	desired := projects.LoadAt(tree, time.Now()).Desired(nil)
	_, rules := trust.Read(tree)
	problems := slices.Concat(desired.Problems, policies.Validate(tree), rules)
	errors := 0
	for _, p := range problems {
		printProblem(t.out, p)
		if !p.Warning {
			errors++
		}
	}
	tests, failed := testRules(ctx, t.out, tree)
	errors += failed
	switch {
	case errors == 1:
		fmt.Fprintln(t.out, "\n1 error")
		return exitError, nil
	case errors > 1:
		fmt.Fprintf(t.out, "\n%d errors\n", errors)
		return exitError, nil
	}
	machines := 0
	for _, n := range desired.Units {
		machines += n
	}
	fmt.Fprintf(t.out, "%d files, %d machines", len(desired.Files), machines)
	if tests > 0 {
		fmt.Fprintf(t.out, ", %d tests of rules", tests)
	}
	fmt.Fprintln(t.out, ": all is well")
	return exitOK, nil
}

// testRules runs the tests of the campus's own rules and tells of those that fail.
// Rules that do not compile have no tests, and were told of before.
func testRules(ctx context.Context, w io.Writer, tree projects.Tree) (run, failed int) {
	results, err := policies.RunTests(ctx, tree)
	if err != nil {
		return 0, 0
	}
	for _, r := range results {
		if r.Passed {
			continue
		}
		failed++
		fmt.Fprintf(w, "%s: %s fails\n", oneLine(r.Where), oneLine(r.Name))
		for line := range strings.SplitSeq(strings.TrimSpace(r.Output), "\n") {
			if line != "" {
				fmt.Fprintf(w, "    %s\n", oneLine(line))
			}
		}
	}
	return len(results), failed
}
