package lease

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// tenure is one term of this process, from its beginning to its end.
type tenure struct {
	keeper *Keeper
	term   inventory.Term  // but for its beat, which changes
	ctx    context.Context // ends with the tenure
	cancel context.CancelFunc
	ended  chan struct{} // closed when nothing is sent for it any more

	mu        sync.Mutex
	confirmed time.Time // when what was last confirmed had been sent
}

func newTenure(k *Keeper, t inventory.Term, begun time.Time) *tenure {
	ctx, cancel := context.WithCancel(context.Background())
	return &tenure{keeper: k, term: t, ctx: ctx, cancel: cancel, ended: make(chan struct{}), confirmed: begun}
}

// over reports whether the tenure has ended, and ends it when it has to: by the
// clock that stands still while a machine sleeps, or by the one that does not.
func (t *tenure) over() bool {
	if t.ctx.Err() != nil {
		return true
	}
	t.mu.Lock()
	now := time.Now()
	silent := max(now.Sub(t.confirmed), now.Round(0).Sub(t.confirmed.Round(0)))
	t.mu.Unlock()
	if silent < t.keeper.Lasts/2 {
		return false
	}
	t.end("nothing was confirmed for " + silent.Round(time.Millisecond).String())
	return true
}

// end ends the tenure for good.
func (t *tenure) end(why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx.Err() == nil {
		t.keeper.Log.Info("this daemon does not work on the campus any more", "term", t.term.Number, "reason", why)
		t.cancel()
	}
}

// deadline is when the tenure ends unless something is confirmed before.
func (t *tenure) deadline() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.confirmed.Add(t.keeper.Lasts / 2)
}

func (t *tenure) confirm(sent time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.confirmed = sent
}

// renew says again and again that this process works, until the tenure is over.
// What failed is tried again soon.
func (t *tenure) renew() {
	defer close(t.ended)
	pause := t.keeper.Lasts / 6
	for {
		select {
		case <-time.After(min(pause, time.Until(t.deadline()))):
		case <-t.ctx.Done():
			return
		}
		if t.over() {
			return
		}
		sent := time.Now()
		limited, cancel := context.WithDeadline(t.ctx, t.deadline())
		beat := t.term
		beat.Beat = rand.Text()
		stands, err := t.keeper.Place.Renew(limited, beat)
		cancel()
		switch {
		case t.ctx.Err() != nil:
			return
		case err != nil:
			pause = t.keeper.Lasts / 24
			t.keeper.Log.Warn("the lease was not renewed; trying again", "until", t.deadline(), "error", err)
		case !stands:
			t.end("another daemon has begun a term")
			return
		case !t.over(): // what was in doubt stays so, whatever comes in later
			pause = t.keeper.Lasts / 6
			t.confirm(sent)
		}
	}
}

// watchful is the context of a turn. Its Err looks at the clocks itself: a process
// that was stopped for longer than its lease finds that out before it starts
// anything, and not only when a timer gets round to saying so.
type watchful struct {
	context.Context
	tenure *tenure
	cancel context.CancelFunc
}

// Err implements context.Context.
func (c watchful) Err() error {
	if c.Context.Err() == nil && c.tenure.over() {
		c.cancel()
	}
	return c.Context.Err()
}
