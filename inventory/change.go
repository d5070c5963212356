package inventory

// Action says what a change does.
type Action string

// The actions. Replace deletes a guest and makes it anew under the same VMID
// and MAC; Adopt writes our mark on a foreign thing and nothing else.
const (
	Create  Action = "create"
	Update  Action = "update"
	Replace Action = "replace"
	Delete  Action = "delete"
	Adopt   Action = "adopt"
)

// Change is one step from what is to what should be. It is plain data: it
// carries all that a compare-and-set or a policy wants to know.
type Change struct {
	Key    Key    `json:"key"`
	Action Action `json:"action"`
	// Before is the live resource, nil for Create. Its key differs from Key
	// when the change is a rename or an adoption.
	Before *Resource `json:"before,omitempty"`
	// After is the desired resource, nil for Delete.
	After *Resource `json:"after,omitempty"`
	// Fields are the attributes that differ, sorted; "owner" and "key" stand
	// for a changed owner and a rename. Empty for Create and Delete.
	Fields []string `json:"fields,omitempty"`
	// Owner is who is answerable: After's owner, or Before's for Delete.
	Owner Owner `json:"owner,omitzero"`
	// Needs are the changes of the same plan that must be done first.
	Needs []Key `json:"needs,omitempty"`
	// Note tells people why the planner chose this way.
	Note string `json:"note,omitempty"`
}

// State is how a change ended.
type State string

// Done means that the thing is as After says, or gone. Failed will not get
// better by itself within this pass. Retry may work if tried again. Unknown
// means that nobody can tell whether it happened: the next pass looks.
const (
	StateDone    State = "done"
	StateFailed  State = "failed"
	StateRetry   State = "retry"
	StateUnknown State = "unknown"
)

// Outcome is what became of one change. Outcomes are data: a failed change
// blocks only what needs it.
type Outcome struct {
	Key   Key    `json:"key"`
	State State  `json:"state"`
	Error string `json:"error,omitempty"` // for people; free of secrets; empty when done
}

// Event tells of progress inside a change, for people who watch.
type Event struct {
	Key  Key
	Text string // "cloning from 9000", "task UPID:… running"
}

// Claim is something a change occupies while it runs: a source template, a
// worker of a node, a Windows host. At most Limit changes hold the same Name
// at once. The scheduler knows claims, not systems.
type Claim struct {
	Name  string // "cri/template/9000"
	Limit int    // at least 1
}
