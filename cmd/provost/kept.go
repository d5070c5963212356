package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/provost-dev/provost/cmd/internal/state"
	"github.com/provost-dev/provost/reconciler"
)

// keeper is a source that keeps undelivered statuses.
type keeper interface {
	Keep(reconciler.Shelf) error
}

// openState opens what an earlier daemon left, and hands the passes to history at
// once. The statuses follow with the first turn: a daemon that stands by answers
// nobody.
func openState(c *Config, history *reconciler.History, r *reconciler.Reconciler, log *slog.Logger) (*state.Store, error) {
	if err := os.MkdirAll(c.State, 0o700); err != nil {
		return nil, fmt.Errorf("cannot use the state directory: %w", err)
	}
	store, err := state.Open(c.State, log)
	if err != nil {
		return nil, err
	}
	dropped, err := history.Keep(store.Shelf("passes"))
	if err != nil || dropped > 0 {
		log.Warn("not all earlier passes can be shown", "dropped", dropped, "error", err)
	}
	if last := history.Last(); last != nil {
		r.Answered = last.Commit
	}
	if dropped, err := r.Promises.Keep(store.Shelf("promises")); err != nil || dropped > 0 {
		log.Warn("old commits may stay pending for ever", "dropped", dropped, "error", err)
	}
	if source, ok := r.Source.(keeper); ok {
		atFirstTurn(r, func() {
			if err := source.Keep(store.Shelf("statuses")); err != nil {
				log.Error("statuses of an earlier daemon are lost", "error", err)
			}
		})
	}
	return store, nil
}

// atFirstTurn does something once, when the reconciler first has the right to apply.
func atFirstTurn(r *reconciler.Reconciler, do func()) {
	once, turn := sync.OnceFunc(do), r.Turn
	r.Turn = func(ctx context.Context) (reconciler.Turn, error) {
		if turn == nil {
			once()
			return reconciler.Turn{Ctx: ctx, Done: func() {}}, nil
		}
		t, err := turn(ctx)
		if err == nil && t.Barred == "" {
			once()
		}
		return t, err
	}
}
