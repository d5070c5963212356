package main

import (
	"context"
	"flag"
	"time"

	"github.com/provost-dev/provost/reconciler"
)

func applyCommand() command {
	return command{
		name: "apply", summary: "make one pass now, manual systems included",
		help: `Apply makes one pass over the newest commit, as the daemon does, and also applies
to systems that are set to apply: manual. It shows the plan first, then progress,
and writes statuses. It exits 0 when everything declared is true afterwards.
Interrupt it once and it finishes what runs and starts nothing new. Beside a daemon
on the same state directory it waits for the end of that one's pass; where a daemon
of the campus works elsewhere, it says where and ends.

Example:
  provost plan  --config provost.yaml
  provost apply --config provost.yaml`,
		setup: func(flags *flag.FlagSet) action {
			config := configFlag(flags)
			logs := addLogFlags(flags, "warn")
			return func(ctx context.Context, t *terminal, _ []string) (int, error) {
				return applyOnce(ctx, t, *config, logs)
			}
		},
	}
}

func applyOnce(ctx context.Context, t *terminal, config string, logs *logFlags) (int, error) {
	view := newProgress(t.out)
	log, err := logs.open(view.beside(t.err))
	if err != nil {
		return exitError, err
	}
	c, err := readConfig(config)
	if err != nil {
		return exitError, err
	}
	r, closing, err := build(c, log)
	if err != nil {
		return exitError, err
	}
	turns, err := takeTurns(c, r, true, log)
	if err != nil {
		return exitError, err
	}
	defer func() {
		// A forge that is down keeps no terminal: the next pass says it all again.
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		closing(last)
		giveBack(last, turns)
	}()
	r.Manual, r.Watch = true, view.show
	r.History = func(p *reconciler.Pass) {
		if p.Stage == reconciler.StageApplying && len(p.Proposals) == 0 {
			printPlan(t.out, p)
		}
	}
	pass, err := r.RunOnce(ctx)
	if err != nil {
		return exitError, err
	}
	printResults(t.out, pass)
	if !pass.Converged() {
		return exitError, nil
	}
	return exitOK, nil
}
