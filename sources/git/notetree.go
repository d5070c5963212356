package git

import (
	"slices"
	"sort"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// A notes tree names each note after its commit. With many notes, git spreads
// them over folders named after the first two digits, and over folders of those
// again ("ab/cd/ef01…"): the fan-out. Any depth is read, and what is there is
// kept, so that git and others go on with the tree as they left it.

// findNote gives the blob of a commit's note, or the zero hash. name is what is
// left of the commit below the folders already walked.
func findNote(st store, tree *object.Tree, name string) (plumbing.Hash, error) {
	for _, e := range tree.Entries {
		if e.Name == name && e.Mode != filemode.Dir {
			return e.Hash, nil
		}
	}
	folder := fan(tree, name)
	if folder < 0 {
		return plumbing.ZeroHash, nil
	}
	sub, err := object.GetTree(st, tree.Entries[folder].Hash)
	if err != nil {
		return plumbing.ZeroHash, broken("the notes tree", err)
	}
	return findNote(st, sub, name[2:])
}

// fan finds the folder in which a note of that name belongs, or -1.
func fan(tree *object.Tree, name string) int {
	return slices.IndexFunc(tree.Entries, func(e object.TreeEntry) bool {
		return len(name) > 2 && e.Mode == filemode.Dir && e.Name == name[:2]
	})
}

// fanned reports whether the notes of a tree are spread over folders.
func fanned(tree *object.Tree) bool {
	return slices.ContainsFunc(tree.Entries, func(e object.TreeEntry) bool {
		return e.Mode == filemode.Dir && len(e.Name) == 2
	})
}

// note puts a note into a tree and gives the new tree.
func (w *writer) note(tree *object.Tree, name string, blob plumbing.Hash) plumbing.Hash {
	if w.err != nil {
		return plumbing.ZeroHash
	}
	next := object.Tree{Entries: slices.Clone(tree.Entries)}
	here := slices.IndexFunc(next.Entries, func(e object.TreeEntry) bool { return e.Name == name })
	folder := fan(tree, name)
	switch {
	case here >= 0:
		next.Entries[here].Hash = blob
	case folder >= 0:
		sub, err := object.GetTree(w.st, next.Entries[folder].Hash)
		if err != nil {
			w.err = broken("the notes tree", err)
			return plumbing.ZeroHash
		}
		next.Entries[folder].Hash = w.note(sub, name[2:], blob)
	case len(name) > 2 && fanned(tree):
		sub := w.note(&object.Tree{}, name[2:], blob)
		next.Entries = append(next.Entries, object.TreeEntry{Name: name[:2], Mode: filemode.Dir, Hash: sub})
	default:
		next.Entries = append(next.Entries, object.TreeEntry{Name: name, Mode: filemode.Regular, Hash: blob})
	}
	sort.Sort(object.TreeEntrySorter(next.Entries))
	return w.put(plumbing.TreeObject, next.Encode)
}
