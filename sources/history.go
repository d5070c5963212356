package sources

import (
	"context"
	"errors"
	"time"

	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
)

// History is a [Repository] that can look back. It reads what is at hand, for
// commits that Latest has led to.
type History interface {
	Repository
	// Commits are those after from on the branch's way to to, oldest first; an
	// empty from is before the beginning. Where to does not descend from it, the error
	// is [ErrNoDescent].
	Commits(ctx context.Context, from, to string) ([]Commit, error)
	// Commit is one of them.
	Commit(ctx context.Context, hash string) (Commit, error)
	// Changes are the files that differ between two commits.
	Changes(ctx context.Context, from, to string) (Changes, error)
	// Folder is what lies below a folder, such as "policies/", in a commit.
	Folder(ctx context.Context, commit, folder string) (projects.Tree, error)
	// At is a commit with its tree.
	At(ctx context.Context, commit string) (reconciler.Snapshot, error)
}

// ErrNoDescent says that a commit does not descend from another.
var ErrNoDescent = errors.New("the one does not descend from the other")

// Commit is a step on the branch's way.
type Commit struct {
	Hash      string
	When      time.Time // of its committer
	Signed    []byte    // what a signature covers
	Signature string    // armored, or ""
	Rules     string    // hash of the folder policies; equal where its content is equal
}

// Changes are the files that differ between two commits, on either side; what
// one side lacks was added or removed.
type Changes struct {
	Paths         []string // sorted
	Before, After projects.Tree
}
