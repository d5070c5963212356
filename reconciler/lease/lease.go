// Package lease lets one daemon of a campus work while the others stand by, on
// other machines too, without a service of its own: the daemons agree on a live
// system that they share, through a [reconciler.Leaser].
//
// A holder says every sixth of the lease's length that it still works. Whoever
// stands by looks as often, and takes over when it has seen the same beat for the
// whole length, by its own clock: clocks of two machines are never compared. So a
// crashed daemon holds up its campus for that long and not for ever.
//
// The holder counts from before it sent what was confirmed. It starts nothing after
// half of the length without a confirmation, and a pass has a third of it to finish
// what runs (see [Grace]); what is left is for clocks that go at different speeds.
// A term that was once in doubt is never taken up again: another one is begun.
//
// Two processes on one state directory need not wait for each other's term to run
// out: they take turns by a file lock, which the kernel drops with the process. So
// "provost apply" borrows the daemon's right between two of its passes, and a daemon
// that is started again after a crash goes on at once. See [Seat].
//
// To keep terms on another kind of system, implement reconciler.Leaser there. The
// package refuses to guess: when the terms cannot be read, and nobody else was seen
// to work, passes are made that apply nothing and say why.
//
// What it cannot know: that its machine was stopped whole, clocks and all, and went
// on later. Then what was under way is finished, up to the next beat; each change
// compares with what is live before it writes, as always.
package lease

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler"
)

// Options are what a keeper needs. All but Impatient must be set.
type Options struct {
	Place  reconciler.Leaser
	Seat   *Seat
	Holder string        // who this is, for people
	Lasts  time.Duration // the lease's length; the same for all daemons of a campus
	Log    *slog.Logger
	// Impatient keepers give up when another daemon is seen to work: a person waits.
	Impatient bool
}

// Grace is how long changes may run on when a turn has ended.
func Grace(lasts time.Duration) time.Duration { return lasts / 3 }

// Keeper holds the lease for this process, or stands by. Its turns are taken one
// after another; the rest is safe for concurrent use.
type Keeper struct {
	Options
	other sighting // of whoever else was last seen

	mu       sync.Mutex
	tenure   *tenure // nil, or over, while this process has none
	standing string
}

// sighting is a term of somebody else's, and since when it has looked the same.
type sighting struct {
	term  inventory.Term
	since time.Time
	alive bool // it was seen to change
}

// New makes a keeper. It asks nobody yet.
func New(o Options) *Keeper { return &Keeper{Options: o} }

// Standing is why this process does not work at present, or "".
func (k *Keeper) Standing() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.standing
}

func (k *Keeper) stand(text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if text != k.standing && text != "" {
		k.Log.Info("this daemon does not work at present", "reason", text)
	}
	k.standing = text
}

// Turn waits until this process may make a pass. It implements reconciler.Reconciler.Turn.
func (k *Keeper) Turn(ctx context.Context) (reconciler.Turn, error) {
	for {
		release, others, err := k.Seat.take(ctx, func() { k.stand("waiting: another process of this state directory makes a pass") })
		if err != nil {
			return reconciler.Turn{}, err
		}
		turn, err := k.attempt(ctx, others)
		if turn != nil {
			done := turn.Done
			turn.Done = func() { done(); release() }
			return *turn, nil
		}
		release()
		if err != nil {
			return reconciler.Turn{}, err
		}
		select {
		case <-time.After(k.Lasts / 6):
		case <-ctx.Done():
			return reconciler.Turn{}, ctx.Err()
		}
	}
}

// attempt gives a turn, or nothing when somebody else works.
func (k *Keeper) attempt(ctx context.Context, others bool) (*reconciler.Turn, error) {
	mine := k.held()
	if mine != nil && !others {
		return k.turn(ctx, mine), nil
	}
	newest, err := k.Place.Term(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return k.doubt(ctx, err)
	case mine != nil && newest.Number == mine.term.Number:
		return k.turn(ctx, mine), nil
	case mine != nil:
		mine.end("another process has begun a term")
	}
	if !newest.Over() && newest.Seat != k.Seat.ID {
		if wait, err := k.watch(newest); wait || err != nil {
			return nil, err
		}
	}
	begun := time.Now()
	next := inventory.Term{Number: newest.Number + 1, Holder: k.Holder, Seat: k.Seat.ID, Beat: rand.Text()}
	won, err := k.Place.Begin(ctx, next)
	switch {
	case err != nil:
		return k.doubt(ctx, err)
	case !won:
		return nil, nil // whoever did is seen when this looks next
	}
	k.other = sighting{}
	return k.turn(ctx, k.begin(next, begun)), nil
}

// watch looks at somebody else's term, and says whether to go on waiting.
func (k *Keeper) watch(t inventory.Term) (wait bool, err error) {
	now := time.Now()
	if k.Impatient && k.other.term.Number == 0 {
		k.Log.Warn("looking whether another daemon still works", "holder", t.Holder, "at_most", k.Lasts)
	}
	if t != k.other.term {
		k.other = sighting{term: t, since: now, alive: k.other.term.Number > 0}
	}
	switch {
	case now.Sub(k.other.since) >= k.Lasts:
		k.Log.Warn("whoever worked has been silent for the whole of its lease: taking over", "holder", t.Holder, "silent", now.Sub(k.other.since).Round(time.Second))
		return false, nil
	case k.Impatient && k.other.alive:
		k.other = sighting{} // who asks again looks again
		return true, fmt.Errorf("cannot begin: %s works on this campus: stop it first, or ask there", t.Holder)
	}
	k.stand("standing by: " + t.Holder)
	return true, nil
}

// doubt is what follows when the terms cannot be read or written. Where nobody else
// was seen, a pass is made that only looks: its statuses tell of what is wrong.
func (k *Keeper) doubt(ctx context.Context, err error) (*reconciler.Turn, error) {
	if k.other.term.Number > 0 && k.Impatient {
		return nil, fmt.Errorf("cannot tell whether %s still works: %w", k.other.term.Holder, err)
	}
	if k.other.term.Number > 0 {
		k.Log.Warn("cannot see whether the other daemon still works", "holder", k.other.term.Holder, "error", err)
		return nil, nil
	}
	why := fmt.Sprintf("nobody can tell whether another daemon works: %v", err)
	k.stand(why)
	return &reconciler.Turn{Ctx: ctx, Barred: why, Done: func() {}}, nil
}

// turn is a turn within a tenure.
func (k *Keeper) turn(ctx context.Context, t *tenure) *reconciler.Turn {
	k.stand("")
	limited, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(t.ctx, cancel)
	return &reconciler.Turn{
		Ctx:  watchful{limited, t, cancel},
		Done: func() { stop(); cancel() },
	}
}

// held is the tenure of this process, nil when it has none.
func (k *Keeper) held() *tenure {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.tenure == nil || k.tenure.over() {
		return nil
	}
	return k.tenure
}

func (k *Keeper) begin(t inventory.Term, begun time.Time) *tenure {
	mine := newTenure(k, t, begun)
	k.mu.Lock()
	k.tenure = mine
	k.mu.Unlock()
	k.Log.Info("this daemon works on the campus", "term", t.Number)
	go mine.renew()
	return mine
}

// Leads reports whether this process works on the campus.
func (k *Keeper) Leads() bool { return k.held() != nil }

// Close gives the lease back, so that nobody has to wait for its end. No turn may
// be taken any more.
func (k *Keeper) Close(ctx context.Context) {
	mine := k.held()
	if mine == nil {
		return
	}
	mine.end("this process ends")
	<-mine.ended
	last := mine.term
	last.Holder, last.Beat = "", rand.Text()
	if _, err := k.Place.Renew(ctx, last); err != nil {
		k.Log.Warn("the lease was not given back: the next daemon waits until it has run out", "error", err)
	}
}
