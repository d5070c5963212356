package git

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
)

var _ sources.History = (*Repository)(nil)

// Commits are those after from on the way to to, oldest first, by first parents:
// the way that the branch went. An empty from is before the beginning. Where from
// is not on that way but to descends from it, to alone is given: it took from in
// by a merge the other way round. Where to does not descend from it at all, the
// error is [sources.ErrNoDescent]. Nothing is fetched.
func (r *Repository) Commits(ctx context.Context, from, to string) (commits []sources.Commit, err error) {
	err = r.use(ctx, func(ctx context.Context, st store) error {
		commits, err = walk(ctx, st, from, plumbing.NewHash(to))
		return err
	})
	return commits, err
}

// Changes are the files that differ between two commits, as they are on either
// side, by all their paths.
func (r *Repository) Changes(ctx context.Context, from, to string) (c sources.Changes, err error) {
	err = r.use(ctx, func(ctx context.Context, st store) error {
		c, err = r.changes(ctx, st, plumbing.NewHash(from), plumbing.NewHash(to))
		return err
	})
	return c, err
}

// Commit is one commit as [Repository.Commits] gives it.
func (r *Repository) Commit(ctx context.Context, hash string) (c sources.Commit, err error) {
	err = r.use(ctx, func(_ context.Context, st store) error {
		c, _, err = readCommit(st, plumbing.NewHash(hash))
		return err
	})
	return c, err
}

// Folder is what lies below a folder, such as "policies/", in a commit.
func (r *Repository) Folder(ctx context.Context, commit, folder string) (tree projects.Tree, err error) {
	err = r.use(ctx, func(ctx context.Context, st store) error {
		root, err := rootOf(st, plumbing.NewHash(commit))
		if err != nil {
			return err
		}
		folder = strings.TrimSuffix(folder, "/")
		l := lister{ctx: ctx, st: st, found: entries{}}
		if e, err := root.FindEntry(folder); err == nil && e.Mode == filemode.Dir {
			if err := l.walk(e.Hash, folder, 1); err != nil {
				return err
			}
		}
		tree, err = blobs{}.read(ctx, st, l.found, r.blobs)
		return err
	})
	return tree, err
}

// At is a commit with its tree.
func (r *Repository) At(ctx context.Context, commit string) (snap reconciler.Snapshot, err error) {
	err = r.use(ctx, func(ctx context.Context, st store) error {
		snap, err = r.snapshot(ctx, st, plumbing.NewHash(commit))
		return err
	})
	return snap, err
}

// use works on the objects at hand.
func (r *Repository) use(ctx context.Context, work func(context.Context, store) error) error {
	ctx, release, err := r.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	err = r.origin.read(ctx, nil, func(st store, _ refs) error { return work(ctx, st) })
	if err == nil || errors.Is(err, sources.ErrNoDescent) {
		return err
	}
	return r.explain("read the history of", err)
}

// longestWalk is how many commits are walked back: a history longer than this is
// begun at an anchor.
const longestWalk = 50_000

func walk(ctx context.Context, st store, from string, to plumbing.Hash) ([]sources.Commit, error) {
	if to.String() == from {
		return nil, nil
	}
	var way []sources.Commit
	for hash := to; ; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(way) == longestWalk {
			return nil, fmt.Errorf("there are more than %d commits to look at: set since: to a newer one", longestWalk)
		}
		commit, parent, err := readCommit(st, hash)
		if err != nil {
			return nil, err
		}
		way = append(way, commit)
		if parent.IsZero() {
			break
		}
		if parent.String() == from {
			slices.Reverse(way)
			return way, nil
		}
		hash = parent
	}
	if from == "" {
		slices.Reverse(way)
		return way, nil
	}
	return tookIn(st, from, to, way[0])
}

// tookIn is to alone where it descends from a commit that is not on its way.
func tookIn(st store, from string, to plumbing.Hash, last sources.Commit) ([]sources.Commit, error) {
	old, err := object.GetCommit(st, plumbing.NewHash(from))
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return nil, sources.ErrNoDescent
	}
	if err != nil {
		return nil, broken("commit "+from, err)
	}
	now, err := object.GetCommit(st, to)
	if err != nil {
		return nil, broken("commit "+to.String(), err)
	}
	descends, err := old.IsAncestor(now)
	if err != nil {
		return nil, broken("the history of "+to.String(), err)
	}
	if !descends {
		return nil, sources.ErrNoDescent
	}
	return []sources.Commit{last}, nil
}

func (r *Repository) changes(ctx context.Context, st store, from, to plumbing.Hash) (sources.Changes, error) {
	old, err := rootOf(st, from)
	if err != nil {
		return sources.Changes{}, err
	}
	now, err := rootOf(st, to)
	if err != nil {
		return sources.Changes{}, err
	}
	d := difference{
		before: lister{ctx: ctx, st: st, found: entries{}},
		after:  lister{ctx: ctx, st: st, found: entries{}},
	}
	if err := d.walk(old, now, "", 0); err != nil {
		return sources.Changes{}, err
	}
	return d.read(ctx, st, r.blobs)
}

func rootOf(st store, hash plumbing.Hash) (*object.Tree, error) {
	commit, err := object.GetCommit(st, hash)
	if err != nil {
		return nil, broken("commit "+hash.String(), err)
	}
	root, err := object.GetTree(st, commit.TreeHash)
	if err != nil {
		return nil, broken("the root folder of "+hash.String(), err)
	}
	return root, nil
}
