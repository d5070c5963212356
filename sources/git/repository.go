package git

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/provost-dev/provost/reconciler"
)

// Repository is a branch of a git repository. It may be used concurrently:
// calls wait for one another, because go-git's stores bear one user at a time.
type Repository struct {
	cfg    Config
	name   string // the URL, for people
	origin origin
	log    *slog.Logger

	turn  chan struct{} // holds one token; a channel, so that waiting ends with the context
	blobs blobs
	last  reconciler.Snapshot // the newest commit read, so that a tree is read once
}

// New gives the repository of cfg. dir is where its mirror may be kept; losing
// it costs one clone. Nothing is read yet.
func New(cfg Config, dir string, log *slog.Logger) (*Repository, error) {
	cfg = cfg.withDefaults()
	ep, err := cfg.endpoint()
	if err != nil {
		return nil, fmt.Errorf("cannot use the git repository: %w", err)
	}
	r := &Repository{
		cfg:   cfg,
		name:  ep.String(),
		log:   log,
		turn:  make(chan struct{}, 1),
		blobs: blobs{},
	}
	if ep.Protocol == "file" {
		r.name, r.origin = ep.Path, &local{path: ep.Path}
		return r, nil
	}
	server, err := newServer(cfg, ep)
	if err != nil {
		return nil, fmt.Errorf("cannot use the git repository %s: %w", r.name, err)
	}
	r.origin = &mirror{dir: dir, server: server, log: log}
	return r, nil
}

// Path is where the repository lies on this machine, for watching it, or "".
func (r *Repository) Path() string {
	if l, ok := r.origin.(*local); ok {
		return l.path
	}
	return ""
}

// acquire waits for the repository's turn, and gives a context that ends no
// later than the configured timeout.
func (r *Repository) acquire(ctx context.Context) (context.Context, func(), error) {
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	return ctx, func() { cancel(); <-r.turn }, nil
}

// Latest is the newest commit of the branch with its tree. A branch that was
// rewritten is followed and logged.
func (r *Repository) Latest(ctx context.Context) (reconciler.Snapshot, error) {
	ctx, release, err := r.acquire(ctx)
	if err != nil {
		return reconciler.Snapshot{}, err
	}
	defer release()
	snap, err := r.latest(ctx)
	if err != nil {
		return reconciler.Snapshot{}, r.explain("read", err)
	}
	return snap, nil
}

func (r *Repository) latest(ctx context.Context) (reconciler.Snapshot, error) {
	branch := plumbing.NewBranchReferenceName(r.cfg.Branch)
	var snap reconciler.Snapshot
	err := r.origin.read(ctx, []plumbing.ReferenceName{branch}, func(st store, at refs) error {
		head, ok := at[branch]
		if !ok {
			return r.missing(at)
		}
		if head.String() == r.last.Commit {
			snap = r.last
			return nil
		}
		var err error
		if snap, err = r.snapshot(ctx, st, head); err != nil {
			return err
		}
		r.tellRewrite(st, head)
		return nil
	})
	if err != nil {
		return reconciler.Snapshot{}, err
	}
	r.last = snap
	return snap, nil
}

// snapshot reads a commit with its tree.
func (r *Repository) snapshot(ctx context.Context, st store, head plumbing.Hash) (reconciler.Snapshot, error) {
	commit, err := object.GetCommit(st, head)
	if err != nil {
		return reconciler.Snapshot{}, broken("commit "+head.String(), err)
	}
	entries, err := list(ctx, st, commit.TreeHash)
	if err != nil {
		return reconciler.Snapshot{}, err
	}
	known := r.blobs
	r.blobs = blobs{}
	tree, err := r.blobs.read(ctx, st, entries, known)
	if err != nil {
		r.blobs = known
		return reconciler.Snapshot{}, err
	}
	subject, _, _ := strings.Cut(strings.TrimSpace(commit.Message), "\n")
	return reconciler.Snapshot{
		Commit:  head.String(),
		Branch:  r.cfg.Branch,
		Author:  fmt.Sprintf("%s <%s>", commit.Author.Name, commit.Author.Email),
		Subject: subject,
		Time:    commit.Committer.When,
		Tree:    tree,
	}, nil
}

// tellRewrite logs when the branch no longer holds the commit that was read
// before: somebody pushed with force. Whether the campus follows is not decided here.
func (r *Repository) tellRewrite(st store, head plumbing.Hash) {
	if r.last.Commit == "" {
		return
	}
	old, err := object.GetCommit(st, plumbing.NewHash(r.last.Commit))
	if err == nil {
		var now *object.Commit
		if now, err = object.GetCommit(st, head); err == nil {
			var ff bool
			if ff, err = old.IsAncestor(now); err == nil && ff {
				return
			}
		}
	}
	r.log.Warn("the branch was rewritten (force-push)",
		"repository", r.name, "branch", r.cfg.Branch, "old", r.last.Commit, "new", head.String())
}

// missing says why the branch is not there.
func (r *Repository) missing(at refs) error {
	stands := ""
	if r.last.Commit != "" {
		stands = "; what was read last, " + r.last.Commit[:10] + ", stands"
	}
	if len(at) == 0 {
		return errors.New("it is empty: push a first commit to the branch " + r.cfg.Branch + stands)
	}
	return fmt.Errorf("it has no branch %q (it has %s): push it again, or set branch in the configuration%s",
		r.cfg.Branch, at.branches(), stands)
}
