package sources

import (
	"context"
	"errors"

	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
)

// Repository gives commits and trees. It may be called concurrently.
type Repository interface {
	// Latest is the newest commit of the watched branch.
	Latest(ctx context.Context) (reconciler.Snapshot, error)
	// Merge is the tree that merging a request into base would make: base's tree
	// with the files that the request changed since the merge base, and the
	// sorted paths of those files. ref is where the request's head can be
	// fetched, head its commit. What stands in the way of merging is a problem
	// for the request's author; an error means that it could not be found out. Where
	// base holds the head already, the error is [ErrMerged].
	Merge(ctx context.Context, base reconciler.Snapshot, ref, head string) (tree projects.Tree, changed []string, problem string, err error)
}

// Forge knows merge requests and shows commit statuses. Its methods may be
// called concurrently, and return when ctx ends.
type Forge interface {
	// Requests are the open merge or pull requests into the watched branch.
	Requests(ctx context.Context) ([]Request, error)
	// SetStatus writes one status on a commit. branch is the branch that the
	// commit is seen on, or "" when that is not known; forges that do not ask
	// for it ignore it. An equal status that stands already is not written again.
	// An error that trying again soon cannot mend is wrapped by [Permanent].
	SetStatus(ctx context.Context, commit, branch string, s reconciler.Status) error
}

// Request is an open merge or pull request, as its forge tells of it.
type Request struct {
	ID           string // as people write it: "!12" or "#12"
	Title        string
	Author       string
	URL          string
	Ref          string // where git finds its head: "refs/merge-requests/12/head", "refs/pull/12/head"
	Head         string // full hexadecimal hash of its head
	SourceBranch string // the branch it comes from
	TargetBranch string // the branch it asks to be merged into
	Fork         bool   // the source branch lives in another repository
}

// ErrMerged says that the branch holds the head of a request already.
var ErrMerged = errors.New("the branch holds it already")

// Stands reports whether a status needs no writing where another stands: they are
// equal, or it takes back what was promised and there is a verdict.
func Stands(there, s reconciler.Status) bool {
	verdict := there.State != "" && there.State != reconciler.StatusPending && there.State != reconciler.StatusRunning
	return there == s || s.State == reconciler.StatusCanceled && verdict
}

// Permanent marks an error that will not go away by itself: the token
// has no right to write statuses, the commit is not known to the forge.
func Permanent(err error) error { return permanent{err} }

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }
