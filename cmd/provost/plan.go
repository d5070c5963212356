package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"

	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
)

func planCommand() command {
	return command{
		name: "plan", summary: "show what a pass would change",
		help: `Plan reads the newest commit and everything that is live, and shows what a pass
would change, what is blocked and why. It changes nothing and writes no status.
It exits 0 when there is nothing to do, 2 when there are changes or something is
blocked, 1 on error.

Example:
  provost plan --config provost.yaml
  provost plan --config provost.yaml --dir . --output json   # a tree not yet committed`,
		setup: func(flags *flag.FlagSet) action {
			config := configFlag(flags)
			dir := flags.String("dir", "", "plan this working tree `DIR` in place of the newest commit")
			output := flags.String("output", "text", "print in `FORMAT`: text or json")
			logs := addLogFlags(flags, "warn")
			return func(ctx context.Context, t *terminal, _ []string) (int, error) {
				if *output != "text" && *output != "json" {
					return exitError, fmt.Errorf("--output: %q is not text or json", *output)
				}
				log, err := logs.open(t.err)
				if err != nil {
					return exitError, err
				}
				pass, err := planOnce(ctx, *config, *dir, log)
				if err != nil {
					return exitError, err
				}
				return showPlan(t, pass, *output)
			}
		},
	}
}

func planOnce(ctx context.Context, config, dir string, log *slog.Logger) (*reconciler.Pass, error) {
	c, err := readConfig(config)
	if err != nil {
		return nil, err
	}
	r, closing, err := build(c, log)
	if err != nil {
		return nil, err
	}
	defer closing(ctx)
	r.DryRun = true
	if dir != "" {
		r.Source = workTree(dir)
	}
	return r.RunOnce(ctx)
}

func showPlan(t *terminal, pass *reconciler.Pass, output string) (int, error) {
	if output == "json" {
		enc := json.NewEncoder(t.out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(pass); err != nil {
			return exitError, fmt.Errorf("cannot print the plan: %w", err)
		}
	} else {
		printPlan(t.out, pass)
	}
	switch {
	case len(pass.Errors()) > 0 || len(pass.Refused) > 0 || pass.Error != "" || len(pass.Unknown) > 0:
		return exitError, nil
	case len(pass.Plan.Steps) > 0:
		return exitChanges, nil
	}
	return exitOK, nil
}

// workTree is a directory as a source: a snapshot without a commit, no merge
// requests, and nobody to tell.
type workTree string

func (dir workTree) Latest(context.Context) (reconciler.Snapshot, error) {
	tree, err := projects.ReadDir(os.DirFS(string(dir)))
	return reconciler.Snapshot{Commit: "worktree", Branch: string(dir), Tree: tree}, err
}

func (workTree) Proposals(context.Context, reconciler.Snapshot) ([]reconciler.Proposal, error) {
	return nil, nil
}

func (workTree) SetStatus(context.Context, string, reconciler.Status) error { return nil }
