package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/provost-dev/provost/cmd/internal/world"
	"github.com/provost-dev/provost/reconciler"
)

// runOnce converges, starts a new daemon that knows nothing, and demands that
// it finds nothing to do.
func (d *demo) runOnce(ctx context.Context) (int, error) {
	stop, err := d.startDaemon(ctx)
	if err != nil {
		return exitError, err
	}
	first, err := d.converge(ctx)
	if err := errors.Join(err, stop()); err != nil {
		return exitError, err
	}
	if err := os.RemoveAll(d.config.State); err != nil {
		return exitError, fmt.Errorf("cannot forget what the first daemon knew: %w", err)
	}
	drain(d.passes)
	if stop, err = d.startDaemon(ctx); err != nil {
		return exitError, err
	}
	var second *reconciler.Pass
	select {
	case second = <-d.passes:
	case <-ctx.Done():
		err = errInterrupted
	}
	if err := errors.Join(err, stop()); err != nil {
		return exitError, err
	}
	return d.summary(first, second)
}

func drain(passes <-chan *reconciler.Pass) {
	for len(passes) > 0 {
		<-passes
	}
}

// summary counts what really stands in the doubles, not what was intended.
func (d *demo) summary(first, second *reconciler.Pass) (int, error) {
	changes := len(second.Plan.Steps)
	c := d.world.Count()
	if changes > 0 {
		printPlan(d.terminal.out, second)
	}
	fmt.Fprintf(d.terminal.out, "demo: converged commit=%s guests=%d records=%d reservations=%d filters=%d statuses=%d second_pass_changes=%d\n",
		first.Commit, c.Guests, c.Records, c.Reservations, c.Filters, len(d.world.GitLab.Statuses(world.Project, first.Commit)), changes)
	if changes > 0 || second.Commit != first.Commit || !second.Converged() || c.Guests != second.Machines {
		return exitError, nil
	}
	return exitOK, nil
}
