package git

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
)

// errAbsent says that a commit has yet to be fetched.
var errAbsent = errors.New("the head of the request is not there")

// Merge is the tree that merging a request into base would make: base's tree
// with the files that the request changed since the merge base, so that what
// the branch gained meanwhile does not look like deleted. Nothing is merged
// inside a file: one that both sides changed is a problem, which the author
// mends by a rebase.
//
// ref is where the request's head can be fetched, such as
// refs/merge-requests/12/head; head is the commit that is meant.
func (r *Repository) Merge(ctx context.Context, base reconciler.Snapshot, ref, head string) (tree projects.Tree, changed []string, problem string, err error) {
	name := plumbing.ReferenceName(ref)
	if !strings.HasPrefix(ref, "refs/") || name.Validate() != nil || !plumbing.IsHash(head) {
		return nil, nil, "", fmt.Errorf("cannot read the request: %q at %q is not a reference and a commit", ref, head)
	}
	ctx, release, err := r.acquire(ctx)
	if err != nil {
		return nil, nil, "", err
	}
	defer release()
	use := func(st store, _ refs) error {
		var err error
		tree, changed, problem, err = r.merge(ctx, st, base, plumbing.NewHash(head))
		return err
	}
	// A head that is here already costs no question to the server.
	err = r.origin.read(ctx, nil, use)
	if errors.Is(err, errAbsent) {
		// The branch comes along for a mirror that was begun anew since Latest.
		branch := plumbing.NewBranchReferenceName(r.cfg.Branch)
		err = r.origin.read(ctx, []plumbing.ReferenceName{branch, name}, use)
	}
	if errors.Is(err, errAbsent) {
		err = fmt.Errorf("commit %s is not at %s (any more): the next pass looks again", head, ref)
	}
	// Whoever asks for it must know, and fetching it again would bring the same.
	if errors.Is(err, errTooMuch) {
		return nil, nil, err.Error(), nil
	}
	if errors.Is(err, sources.ErrMerged) {
		return nil, nil, "", err
	}
	if err != nil {
		return nil, nil, "", r.explain("read a request of", err)
	}
	return tree, changed, problem, nil
}

func (r *Repository) merge(ctx context.Context, st store, base reconciler.Snapshot, head plumbing.Hash) (projects.Tree, []string, string, error) {
	if st.HasEncodedObject(head) != nil {
		return nil, nil, "", errAbsent
	}
	ours, err := object.GetCommit(st, plumbing.NewHash(base.Commit))
	if err != nil {
		return nil, nil, "", broken("commit "+base.Commit, err)
	}
	theirs, err := object.GetCommit(st, head)
	if err != nil {
		return nil, nil, "", broken("commit "+head.String(), err)
	}
	forks, err := ours.MergeBase(theirs)
	if err != nil {
		return nil, nil, "", broken("the history of "+head.String(), err)
	}
	if slices.ContainsFunc(forks, func(c *object.Commit) bool { return c.Hash == head }) {
		return nil, nil, "", sources.ErrMerged
	}
	if len(forks) == 0 {
		return nil, nil, "rebase: it has no history in common with " + base.Branch, nil
	}
	m, err := threeWay(ctx, st, forks[0].TreeHash, ours.TreeHash, theirs.TreeHash)
	if err != nil {
		return nil, nil, "", err
	}
	if len(m.conflicts) > 0 {
		return nil, m.paths(), "rebase: " + m.conflict(), nil
	}
	content, err := blobs{}.read(ctx, st, m.written(), r.blobs)
	if err != nil {
		return nil, nil, "", err
	}
	tree := maps.Clone(base.Tree)
	if tree == nil {
		tree = projects.Tree{}
	}
	for name := range m.changed {
		delete(tree, name)
	}
	maps.Copy(tree, content)
	return tree, m.paths(), "", nil
}

func threeWay(ctx context.Context, st store, fork, ours, theirs plumbing.Hash) (merged, error) {
	var sides [3]entries
	for i, root := range []plumbing.Hash{fork, ours, theirs} {
		var err error
		if sides[i], err = list(ctx, st, root); err != nil {
			return merged{}, err
		}
	}
	return merge(sides[0], sides[1], sides[2]), nil
}

// merged is what a request changes, and where that is in the way of what the
// branch changed meanwhile.
type merged struct {
	changed   map[string]change
	conflicts []string // sorted
}

// change is what a request makes of a path: an entry, or nothing.
type change struct {
	entry   entry
	removed bool
}

// merge compares two sides with the point where they parted.
//
//	fork  ours  theirs
//	 a     a     b      changed
//	 a     b     a      not the request's
//	 a     b     b      changed, and done already
//	 a     b     c      conflict
//
// A file in the place of the other side's folder is a conflict as well.
func merge(fork, ours, theirs entries) merged {
	m := merged{changed: map[string]change{}}
	result := maps.Clone(ours)
	for name, e := range theirs {
		if was, ok := fork[name]; !ok || was != e {
			m.changed[name] = change{entry: e}
			result[name] = e
		}
	}
	for name := range fork {
		if _, ok := theirs[name]; !ok {
			m.changed[name] = change{removed: true}
			delete(result, name)
		}
	}
	folders := map[string]bool{}
	for name := range result {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			folders[dir] = true
		}
	}
	for name, c := range m.changed {
		if differs(fork, ours, name) && !c.equals(ours, name) || !c.removed && misplaced(name, result, folders) {
			m.conflicts = append(m.conflicts, name)
		}
	}
	slices.Sort(m.conflicts)
	return m
}

// differs reports whether a path differs between two trees.
func differs(before, after entries, name string) bool {
	a, hadIt := before[name]
	b, hasIt := after[name]
	return hadIt != hasIt || a != b
}

// equals reports whether a change makes what a tree has already.
func (c change) equals(side entries, name string) bool {
	e, ok := side[name]
	return ok != c.removed && (c.removed || e == c.entry)
}

// misplaced reports whether a file stands where a folder does, or below a file.
func misplaced(name string, files entries, folders map[string]bool) bool {
	if folders[name] {
		return true
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, ok := files[dir]; ok {
			return true
		}
	}
	return false
}

// paths are all that the request adds, changes or removes.
func (m merged) paths() []string { return slices.Sorted(maps.Keys(m.changed)) }

// written are the files that the request adds or changes.
func (m merged) written() entries {
	out := entries{}
	for name, c := range m.changed {
		if !c.removed {
			out[name] = c.entry
		}
	}
	return out
}

func (m merged) conflict() string {
	text := m.conflicts[0]
	if n := len(m.conflicts) - 1; n > 0 {
		text = fmt.Sprintf("%s and %d more", text, n)
	}
	return text + " changed on both sides"
}
