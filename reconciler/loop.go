package reconciler

import (
	"context"
	"time"
)

// Run makes passes until ctx ends: one at once, one whenever trigger tells that
// something may have changed, when the calendar lets something go out, and one
// after every interval. A trigger during a pass asks for one more; many ask for no
// more than that. While a pass applies, both also let it answer who comes: see [desk].
func (r *Reconciler) Run(ctx context.Context, interval time.Duration, trigger <-chan struct{}) {
	r.calls, r.interval = trigger, interval
	for ctx.Err() == nil {
		r.called = false
		var pass *Pass
		var err error
		if fault := r.guarded("a pass", func() { pass, err = r.RunOnce(ctx) }); fault != nil {
			pass, err = nil, fault
		}
		if err != nil && ctx.Err() == nil {
			r.Log.Error("no pass", "error", err)
		}
		timer := time.NewTimer(r.pause(pass, interval))
		select {
		case <-ctx.Done():
		case <-trigger:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// pause is how long to wait for the next pass: the interval, or less where the
// calendar asks for one sooner, or somebody has asked already.
func (r *Reconciler) pause(pass *Pass, interval time.Duration) time.Duration {
	if r.called {
		return 0
	}
	if pass == nil || pass.Wakes.IsZero() {
		return interval
	}
	return min(interval, max(0, pass.Wakes.Sub(r.now())))
}
