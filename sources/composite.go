package sources

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
)

// maxRequests is how many open requests are looked at in a pass; what is more
// waits until others are closed, and is logged.
const maxRequests = 100

// readLimit is how long a pass waits for requests to be listed, and to be read.
const readLimit = 30 * time.Second

// maxBranches is how many commits' branches are remembered.
const maxBranches = 10_000

// Composite is a repository and the forge that shows its requests and
// statuses, as one source. Statuses are queued: see [Composite.SetStatus].
type Composite struct {
	repo  Repository
	forge Forge
	log   *slog.Logger
	queue *queue

	mu       sync.Mutex
	branches map[string]string  // by commit: where a forge shows it
	merges   map[mergeKey]merge // of the last Proposals
	failed   map[string]bool    // heads that could not be read then
}

var _ reconciler.Source = (*Composite)(nil)

type mergeKey struct{ base, head string }

type merge struct {
	tree    projects.Tree
	changed []string
	problem string
	merged  bool // the branch holds it already
}

// New joins a repository and a forge. It starts a goroutine that writes
// statuses, which [Composite.Close] ends.
func New(repo Repository, forge Forge, log *slog.Logger) *Composite {
	return &Composite{
		repo:     repo,
		forge:    forge,
		log:      log,
		queue:    newQueue(forge.SetStatus, log),
		branches: map[string]string{},
	}
}

// Latest is the newest commit of the watched branch.
func (c *Composite) Latest(ctx context.Context) (reconciler.Snapshot, error) {
	snap, err := c.repo.Latest(ctx)
	if err == nil {
		c.remember(snap.Commit, snap.Branch)
		for _, refused := range snap.Refused {
			c.remember(refused.Commit, snap.Branch)
		}
	}
	return snap, err
}

// Proposals are the open requests into base's branch, but for those whose head it holds
// already: there is nothing to merge, and what stands on such a commit is the branch's.
// One that could not be read this time is marked and logged: it says nothing about the
// others.
func (c *Composite) Proposals(ctx context.Context, base reconciler.Snapshot) ([]reconciler.Proposal, error) {
	listing, done := context.WithTimeout(ctx, readLimit)
	requests, err := c.forge.Requests(listing)
	done()
	if err != nil {
		return nil, fmt.Errorf("cannot list the open requests: %w", err)
	}
	reading, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	var out []reconciler.Proposal
	merges, failed := map[mergeKey]merge{}, map[string]bool{}
	wanted, others := c.wanted(requests, base.Branch)
	for _, r := range wanted {
		late := reading.Err() != nil
		m, err := c.merge(reading, base, r)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			c.log.Warn("a request cannot be read; it is tried again in the next pass", "request", r.ID, "error", err)
			failed[r.Head] = !late || c.failed[r.Head]
			out = append(out, unread(r))
			continue
		}
		merges[mergeKey{base.Commit, r.Head}] = m
		if m.merged {
			continue
		}
		if r.Head != base.Commit {
			c.remember(r.Head, branchOf(r))
		}
		out = append(out, proposal(r, m))
	}
	for _, r := range others {
		out = append(out, unread(r))
	}
	c.mu.Lock()
	c.merges, c.failed = merges, failed
	c.mu.Unlock()
	return out, nil
}

// wanted are the requests into a branch that a pass looks at, and those that are too
// many. Those that failed in the last one come last: over one that hangs, the others
// shall not wait.
func (c *Composite) wanted(requests []Request, branch string) (wanted, others []Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var first, last []Request
	for _, r := range requests {
		switch {
		case r.TargetBranch != branch:
		case c.failed[r.Head]:
			last = append(last, r)
		default:
			first = append(first, r)
		}
	}
	all := append(first, last...)
	if len(all) <= maxRequests {
		return all, nil
	}
	c.log.Warn("too many open requests; the others wait", "looked_at", maxRequests, "open", len(all))
	return all[:maxRequests], all[maxRequests:]
}

// merge works out a request, or takes what was worked out in the last pass:
// nothing has changed while base and head are the same.
func (c *Composite) merge(ctx context.Context, base reconciler.Snapshot, r Request) (merge, error) {
	c.mu.Lock()
	m, ok := c.merges[mergeKey{base.Commit, r.Head}]
	c.mu.Unlock()
	if ok {
		return m, nil
	}
	var err error
	m.tree, m.changed, m.problem, err = c.repo.Merge(ctx, base, r.Ref, r.Head)
	if errors.Is(err, ErrMerged) {
		return merge{merged: true}, nil
	}
	return m, err
}

// unread is a request of which nothing is known but that it is open.
func unread(r Request) reconciler.Proposal {
	p := proposal(r, merge{})
	p.Unread = true
	return p
}

func proposal(r Request, m merge) reconciler.Proposal {
	return reconciler.Proposal{
		ID:      r.ID,
		Title:   r.Title,
		Author:  r.Author,
		Fork:    r.Fork,
		URL:     r.URL,
		Commit:  r.Head,
		Tree:    m.tree,
		Changed: m.changed,
		Problem: m.problem,
	}
}

// branchOf is the branch on which the forge sees a request's head. A fork's
// branch is not one of this repository, where the request itself is the only
// reference to its commits: GitLab takes no status on a commit without one.
func branchOf(r Request) string {
	if r.Fork {
		return r.Ref
	}
	return r.SourceBranch
}

func (c *Composite) remember(commit, branch string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.branches) >= maxBranches {
		clear(c.branches)
	}
	c.branches[commit] = branch
}

// SetStatus takes a status to be written soon and returns at once. The newest
// status of a commit and context wins, one that was written already is not
// written again, and a forge that is down is tried until it is back. It fails
// only after Close.
func (c *Composite) SetStatus(_ context.Context, commit string, s reconciler.Status) error {
	c.mu.Lock()
	branch := c.branches[commit]
	c.mu.Unlock()
	return c.queue.put(commit, branch, s)
}

// Keep keeps on a shelf the statuses that wait, and first takes up those that an
// earlier process left there. Call it when this process may answer: what is on the
// shelf is written from then on.
func (c *Composite) Keep(s reconciler.Shelf) error {
	if err := c.queue.keep(s); err != nil {
		return fmt.Errorf("cannot take up the statuses that were not delivered: %w", err)
	}
	return nil
}

// Backlog is how many statuses wait to be written.
func (c *Composite) Backlog() int { return c.queue.len() }

// Close writes what waits, until ctx ends; then it gives up on the rest and
// says how many. Call it once.
func (c *Composite) Close(ctx context.Context) error { return c.queue.close(ctx) }

// Notes are where statuses go when there is no forge.
type Notes interface {
	SetStatus(ctx context.Context, commit string, s reconciler.Status) error
}

// WithoutForge stands in for a forge: it knows no requests, and writes statuses
// as notes, or nowhere when notes is nil.
func WithoutForge(notes Notes) Forge { return noForge{notes} }

type noForge struct{ notes Notes }

func (noForge) Requests(context.Context) ([]Request, error) { return nil, nil }

func (n noForge) SetStatus(ctx context.Context, commit, _ string, s reconciler.Status) error {
	if n.notes == nil {
		return nil
	}
	return n.notes.SetStatus(ctx, commit, s)
}
