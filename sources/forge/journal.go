package forge

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/provost-dev/provost/reconciler"
)

const (
	mostCommits = 1024             // that a journal remembers
	mostTries   = 6                // of a write, when the forge is busy
	firstPause  = time.Second / 2  // doubles with each try
	patience    = 15 * time.Second // the longest that the forge may ask to wait
)

// Put brings one status of a commit about: it reads what stands, and writes
// only what differs.
type Put func(ctx context.Context, commit, branch string, s reconciler.Status) error

// Journal remembers what was written, so that an equal status costs no request,
// and lets one status of a commit be written at a time, because GitLab answers
// 409 otherwise. What it has forgotten, after a restart say, Put finds out.
type Journal struct {
	Put Put
	// Wait waits and returns early with the context's error. Tests replace it.
	Wait func(context.Context, time.Duration) error

	mu      sync.Mutex
	commits map[string]*entry
}

// NewJournal makes an empty journal.
func NewJournal(put Put) *Journal {
	return &Journal{Put: put, Wait: wait, commits: map[string]*entry{}}
}

// entry is what is known of one commit. Who holds the turn may use the rest.
type entry struct {
	turn    chan struct{}
	written map[string]reconciler.Status // by context
}

// Set makes a status stand on a commit.
func (j *Journal) Set(ctx context.Context, commit, branch string, s reconciler.Status) error {
	e := j.entry(commit)
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if e.written[s.Context] == s {
		return nil
	}
	// Until the write is known to have come through, nobody knows what stands.
	delete(e.written, s.Context)
	if err := j.try(ctx, commit, branch, s); err != nil {
		return err
	}
	e.written[s.Context] = s
	return nil
}

// entry finds what is known of a commit. When there is too much it forgets all:
// who holds a turn then keeps it, and the worst that follows is a 409.
func (j *Journal) entry(commit string) *entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.commits[commit]
	if e == nil {
		if len(j.commits) >= mostCommits {
			clear(j.commits)
		}
		e = &entry{turn: make(chan struct{}, 1), written: map[string]reconciler.Status{}}
		j.commits[commit] = e
	}
	return e
}

// try puts a status, again while the forge is busy. All other errors are the
// caller's to deal with: a pass does not wait for a forge that is down.
func (j *Journal) try(ctx context.Context, commit, branch string, s reconciler.Status) error {
	pause := firstPause
	for n := 1; ; n++ {
		err := j.Put(ctx, commit, branch, s)
		var e *Error
		if !errors.As(err, &e) || !e.busy() || n == mostTries || e.After > patience {
			return err
		}
		// Jitter, so that those who met once do not meet again.
		d := max(e.After, pause/2+rand.N(pause/2))
		if err := j.Wait(ctx, d); err != nil {
			return err
		}
		pause *= 2
	}
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
