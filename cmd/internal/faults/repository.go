package faults

import (
	"context"
	"errors"
	"time"

	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
)

// repository is a git repository whose calls may go wrong. A repository on this
// machine makes no connections, so its calls as a whole are the points.
type repository struct {
	sources.Repository
	wire *Wire
}

// gitLimit is what git's client gives a call by default.
const gitLimit = 2 * time.Minute

// Latest implements sources.Repository.
func (r *repository) Latest(ctx context.Context) (snap reconciler.Snapshot, err error) {
	err = r.call(ctx, "latest", func() error { snap, err = r.Repository.Latest(ctx); return err })
	return snap, err
}

// Merge implements sources.Repository.
func (r *repository) Merge(ctx context.Context, base reconciler.Snapshot, ref, head string) (tree projects.Tree, changed []string, problem string, err error) {
	err = r.call(ctx, "merge "+ref, func() error {
		tree, changed, problem, err = r.Repository.Merge(ctx, base, ref, head)
		return err
	})
	return tree, changed, problem, err
}

func (r *repository) call(ctx context.Context, name string, do func() error) error {
	_, fault, err := r.wire.meet("git", name)
	if err != nil {
		return err
	}
	switch fault {
	case Refused:
		return errRefused
	case Failed:
		return errors.New("unexpected client error: 503 Service Unavailable")
	case Hung:
		ctx, cancel := context.WithTimeout(ctx, gitLimit)
		defer cancel()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.wire.cut:
			return errCut
		}
	}
	err = do()
	switch {
	case fault == Orphaned:
		r.wire.Cut()
		return errCut
	case r.wire.Dead():
		return errCut
	case fault == Lost:
		return errReset
	}
	return err
}
