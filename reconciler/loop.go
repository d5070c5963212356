package reconciler

import (
	"context"
	"time"
)

// Run makes passes until ctx ends: one at once, one whenever trigger tells that
// something may have changed, and one after every interval. A trigger during a
// pass asks for one more; many ask for no more than that.
func (r *Reconciler) Run(ctx context.Context, interval time.Duration, trigger <-chan struct{}) {
	for ctx.Err() == nil {
		if _, err := r.RunOnce(ctx); err != nil && ctx.Err() == nil {
			r.Log.Error("no pass", "error", err)
		}
		timer := time.NewTimer(interval)
		select {
		case <-ctx.Done():
		case <-trigger:
		case <-timer.C:
		}
		timer.Stop()
	}
}
