package reconciler

import (
	"context"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler/plan"
)

// Source is where intent comes from and where verdicts go.
type Source interface {
	// Latest is the newest commit of the watched branch with its tree. An error
	// means that the source could not be read now; the last good commit stands.
	Latest(ctx context.Context) (Snapshot, error)
	// Proposals are the open merge requests, each with the tree that merging it
	// would make. One that cannot be merged comes with a Problem and no tree.
	// base is the snapshot that Latest gave.
	Proposals(ctx context.Context, base Snapshot) ([]Proposal, error)
	// SetStatus writes one verdict on a commit. A status equal to the one that
	// stands is a no-op, so that it may be called in every pass.
	SetStatus(ctx context.Context, commit string, s Status) error
}

// Snapshot is a commit and its read-only tree.
type Snapshot struct {
	Commit  string // full hexadecimal hash
	Branch  string
	Author  string // "Name <mail>"
	Subject string // first line of the message
	Time    time.Time
	Tree    projects.Tree
	// Refused are the commits after Commit that are not believed, the newest
	// last: a signature is missing, somebody reached beyond what is his.
	Refused []Refusal
}

// Refusal is a commit of the branch that is not believed, and why.
type Refusal struct {
	Commit string `json:"commit"`
	Reason string `json:"reason"`
}

// Proposal is an open merge or pull request.
type Proposal struct {
	ID      string // as people write it: "!12" or "#12"
	Title   string
	Author  string // the login that the forge knows him by; no commit's text
	Fork    bool   // from another repository: what is answered, strangers read
	URL     string
	Commit  string        // head of the request: what statuses are written on
	Tree    projects.Tree // the target branch's tree plus the files that the request changed
	Changed []string      // paths that the request adds, changes or removes
	Problem string        // why there is no tree: "rebase: projects/a.yaml changed on both sides"
	Unread  bool          // it is open, and what is in it could not be read this time
}

// Witness is a Source that knows who has approved a proposal. It is asked in
// every pass, but only about proposals of whose plan the guard holds something
// back. An error means that nobody can tell: what was known stands.
type Witness interface {
	Approvals(ctx context.Context, p Proposal) ([]Approval, error)
}

// Approval is somebody's consent to a merge request, as the forge tells of it.
type Approval struct {
	User   string    // login
	Commit string    // the head that it was given for
	At     time.Time // when; zero where the forge does not tell
}

// StatusState is the state of a commit status, in the words of GitLab and GitHub.
type StatusState string

// The states. Forges that know fewer map them to the nearest.
const (
	StatusPending StatusState = "pending"
	StatusRunning StatusState = "running"
	StatusSuccess StatusState = "success"
	StatusFailed  StatusState = "failed"
	// StatusCanceled is of what a newer commit took over, or nobody asks for any more.
	// It takes the place of what is pending or running, and of no verdict.
	StatusCanceled StatusState = "canceled"
)

// The contexts that provost writes.
const (
	ContextValidate = "provost/validate"
	ContextPlan     = "provost/plan"
	ContextPolicy   = "provost/policy"
	ContextApply    = "provost/apply"
)

// Status is one verdict on a commit.
type Status struct {
	Context     string      `json:"context"`
	State       StatusState `json:"state"`
	Description string      `json:"description"` // at most 140 characters, for people
	TargetURL   string      `json:"target_url,omitempty"`
}

// System is one live system: a Proxmox cluster, a pair of Windows servers.
type System interface {
	// List reads everything once. An error means that nothing could be read;
	// a part that could not be read is named in Listing.Unknown. Both freeze
	// what they cover and never look like deletion.
	List(ctx context.Context) (inventory.Listing, error)
	// Apply makes the changes true and gives one outcome for each, in any
	// order. All changes are of this system and none needs another of the same
	// call. It looks at the live thing before it writes, compares and sets, and
	// run again it changes nothing. It returns when ctx ends, with StateUnknown
	// for what nobody can tell. It may be called concurrently.
	Apply(ctx context.Context, changes []inventory.Change, progress func(inventory.Event)) []inventory.Outcome
}

// Claimer is a System that says what a change occupies while it runs. It is
// asked once a change, when all that the change needs is done; where the right
// width changes meanwhile, see [Widener].
type Claimer interface {
	Claims(inventory.Change) []inventory.Claim
}

// Widener is a Claimer that finds out while it works how many changes may hold
// a claim: more when a template was copied, fewer when locks are refused. It is
// asked before each start; 0 leaves the claim's own limit, and a negative width
// lets nobody begin now.
type Widener interface {
	Width(claim string) int
}

// Explainer is a Claimer that says in words what changes wait for that cannot
// have a claim now: what they are, in the plural ("clones"), and what it is and
// how wide ("template 9000: fan-out 2/8"). It is asked often and only looks at
// what it knows.
type Explainer interface {
	Explain(claim string) (changes, what string)
}

// Estimator is a System that knows about how long a change takes. What has the
// longest way before it is begun first.
type Estimator interface {
	Estimate(inventory.Change) time.Duration
}

// Follower is a System that is told of each change that was made, of whatever
// system, as soon as it is: where that is early enough it can do two things at once.
type Follower interface {
	Made(inventory.Key)
}

// Preparer is a System that makes some changes quicker by making others first,
// such as copies of a template that would be a bottleneck. It is asked with all
// changes that are about to be applied to it, and the live state that they were
// planned from; it sends no request. Each change it adds says why in its Note,
// needs nothing, and is needed by nothing: it pays by widening a claim.
type Preparer interface {
	Prepare(changes []inventory.Change, live []inventory.Resource) []inventory.Change
}

// Batcher is a System that takes many changes in one call; others get one at a
// time. Changes of one batch claim the same.
type Batcher interface {
	MaxBatch(inventory.Change) int
}

// Patient is a Batcher that would rather be called seldom. A change for which it
// says so is held back while nothing needs it and others of the same system may
// still become ready to go along, until they fill a call.
type Patient interface {
	Patient(inventory.Change) bool
}

// Refuser is a System that knows which changes it cannot make in place. It is
// asked about every change while planning, sends no request, and gives a reason
// for people, or "".
type Refuser interface {
	Refuse(inventory.Change) (reason string)
}

// Leaser is a System on which the daemons of a campus agree which of them works:
// see package reconciler/lease. It keeps the terms of the campus, the newest of
// which counts. Whoever is not sure how a call ended asks for the Term again.
type Leaser interface {
	// Term is the newest term, the zero one where there was none.
	Term(ctx context.Context) (inventory.Term, error)
	// Begin makes t the newest term. Of all that begin a term of one number one
	// wins; the others, and whoever begins one that is not the newest, do not.
	Begin(ctx context.Context, t inventory.Term) (won bool, err error)
	// Renew writes t's beat and holder, unless another term has begun.
	Renew(ctx context.Context, t inventory.Term) (stands bool, err error)
}

// Turn is the right to make one pass: see [Reconciler.Turn].
type Turn struct {
	Ctx    context.Context // ends when nothing new may be started any more
	Barred string          // why nothing may be applied in this pass, or ""
	Done   func()          // gives the turn back
}

// Shelf keeps small things from one process to the next, as far as it can: what
// is on it may be lost, and the campus is none the worse.
type Shelf interface {
	// Load is everything that an earlier process saved, by name.
	Load() (map[string][]byte, error)
	// Save keeps a value; nil removes it. It does not wait, and what fails is logged.
	Save(name string, value []byte)
	// Sync returns when what was saved is kept, or has failed to be.
	Sync()
}

// Policy judges a plan. An error means deny everything.
type Policy interface {
	Check(ctx context.Context, in PolicyInput) ([]Violation, error)
}

// PolicyInput is what a policy may look at.
type PolicyInput struct {
	Rules   projects.Tree        // the target branch's tree; rules and limits lie below policies/
	Plan    plan.Plan            // what would change
	Desired []inventory.Resource // what should be
	Live    []inventory.Resource // what is, observed capacity included
	Actor   string               // author of the commit
	Time    time.Time
}

// Directory knows who belongs to what on the forge. An error means that nobody
// can tell, which is a no.
type Directory interface {
	Belongs(ctx context.Context, login, group string) (bool, error)
}

// Level says whether a violation blocks.
type Level string

// The levels.
const (
	LevelDeny Level = "deny"
	LevelHold Level = "hold" // until somebody approves exactly that
	LevelWarn Level = "warn"
)

// Violation is a rule's verdict on changes of one owner.
type Violation struct {
	Rule    string          `json:"rule"`  // "provost.quota"
	Title   string          `json:"title"` // from the rule's metadata
	Level   Level           `json:"level"`
	Message string          `json:"message"`         // "quota: student rapamato asks 40 GiB of memory of 16"
	Owner   inventory.Owner `json:"owner,omitzero"`  // whom it is about; zero for the campus
	Keys    []inventory.Key `json:"keys,omitempty"`  // the changes that it denies or holds; sorted
	Where   string          `json:"where,omitempty"` // file:line of the rule
}
