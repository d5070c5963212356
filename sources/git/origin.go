package git

import (
	"context"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// store is what is read from and written to: objects, and in a repository of
// our own also references.
type store = storer.Storer

// origin is where commits come from. One call at a time.
type origin interface {
	// read brings the wanted references up to date, as far as they exist, and
	// hands a store that holds all they reach to use, with where they are; and
	// with every reference there is, when one is missing. Where nothing is wanted, what is at hand already will do. What
	// use says is damaged is mended once, where that is possible, and use called
	// again.
	read(ctx context.Context, want []plumbing.ReferenceName, use func(store, refs) error) error
	// write moves a reference from old (zero: it is not there yet) to new, and
	// sends objects along, all of which st holds. It gives errMoved when the
	// reference is not at old any more.
	write(ctx context.Context, st store, ref plumbing.ReferenceName, old, new plumbing.Hash, objects []plumbing.Hash) error
}

// refs are references and the objects at which they stand.
type refs map[plumbing.ReferenceName]plumbing.Hash

// branches names a few branches, for people who look for a lost one.
func (r refs) branches() string {
	var names []string
	for name := range r {
		if name.IsBranch() {
			names = append(names, name.Short())
		}
	}
	if len(names) == 0 {
		return "none at all"
	}
	slices.Sort(names)
	if len(names) > 5 {
		names = append(names[:5], "…")
	}
	return strings.Join(names, ", ")
}
