package reconciler

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler/plan"
)

// Approvals remembers which plans may go that were held back, and who said so. They are
// files in a directory, one an approval: an administrator gives one by "provost
// approve" while the daemon runs, and they outlive the daemon.
//
// An approval is for one plan, known by the hash of what is held back of it: by the
// guard, or because a rule wants an approval.
// It counts when a plan has that very hash. From the moment at which such a plan
// begins to be applied it is also good for what is left of it, and for nothing
// else: a pass that was cut off goes on, and what was done is struck off, so that
// it is not approved for another time. After [approvalLife] it counts no more.
//
// Losing the directory loses the approvals: then they are asked for again.
type Approvals struct {
	dir string
	now func() time.Time
}

// approvalLife is long enough for what is approved on a Friday and merged after
// a holiday, and short enough that nobody has forgotten it.
const approvalLife = 7 * 24 * time.Hour

// NewApprovals keeps approvals in a directory, which need not exist.
func NewApprovals(dir string, now func() time.Time) *Approvals { return &Approvals{dir, now} }

// consent says who has approved what is held back, "" where nobody has. It is asked
// about nothing, too.
type consent func(*plan.Held) (by string)

// given is whoever approved exactly this.
func (r *Reconciler) given(held *plan.Held) string {
	if held == nil || r.Approvals == nil {
		return ""
	}
	one, _ := r.Approvals.find(*held)
	return one.By
}

// useApprovals books what a plan that is about to be applied uses of approvals.
// What is not planned because it could not be read is not done yet.
func (r *Reconciler) useApprovals(p plan.Plan, live inventory.Listing) {
	if r.DryRun || r.Approvals == nil {
		return
	}
	var errs []error
	if len(live.Unknown) == 0 {
		errs = append(errs, r.Approvals.strike(func() map[string]bool { return plan.Fingerprints(p) }))
	}
	if p.Held != nil && p.Held.By != "" && r.paused() == "" && slices.ContainsFunc(p.Ready(), p.Held.Has) {
		errs = append(errs, r.Approvals.begin(*p.Held))
	}
	if err := errors.Join(errs...); err != nil {
		r.Log.Warn("approvals not booked", "error", err)
	}
}

// approval is one file.
type approval struct {
	Hash    string    `json:"hash"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	Request string    `json:"request,omitempty"` // the merge request on which it was given
	// Left are the hashes of the steps that it is still good for. Empty until
	// such a plan has begun to be applied.
	Left []string `json:"left,omitempty"`
}

var hashLike = regexp.MustCompile(`^[0-9a-f]{32}$`)

// Give notes that somebody approved the plan of that hash.
func (a *Approvals) Give(hash, by string) error { return a.give(approval{Hash: hash, By: by}) }

func (a *Approvals) give(one approval) error {
	if !hashLike.MatchString(one.Hash) {
		return fmt.Errorf("cannot approve %q: give the 32 hexadecimal digits that the status and 'provost plan' show", one.Hash)
	}
	if one.By == "" {
		return errors.New("cannot approve without a name: say who you are")
	}
	one.At = a.now().UTC()
	return a.write(one)
}

// file is where an approval stands: those of requests beside an administrator's.
func (a *Approvals) file(one approval) string {
	name := one.Hash
	if one.Request != "" {
		name += "-" + strings.Trim(one.Request, "!#")
	}
	return filepath.Join(a.dir, filepath.Base(name)+".json")
}

func (a *Approvals) write(one approval) error {
	if err := a.put(a.file(one), one); err != nil {
		return fmt.Errorf("cannot keep the approval: %w", err)
	}
	return nil
}

// put writes a file in one step.
func (a *Approvals) put(file string, content any) error {
	data, err := json.Marshal(content)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(a.dir, ".new-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(append(data, '\n'))
	err = cmp.Or(err, tmp.Sync(), tmp.Close()) // a power cut leaves the old file or the new one, whole
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		os.Remove(tmp.Name()) //nolint:errcheck // the first error is the one to tell
	}
	return err
}

// all are the approvals, the newest first, old ones among them. One that cannot
// be read is none.
func (a *Approvals) all() []approval {
	files, _ := filepath.Glob(filepath.Join(a.dir, "*.json"))
	var list []approval
	for _, file := range files {
		var one approval
		data, err := os.ReadFile(file)
		if err != nil || json.Unmarshal(data, &one) != nil || a.file(one) != file || !hashLike.MatchString(one.Hash) {
			continue
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(x, y approval) int { return cmp.Or(y.At.Compare(x.At), cmp.Compare(x.Hash, y.Hash)) })
	return list
}

// find is the approval that lets a plan pass, if there is one.
func (a *Approvals) find(held plan.Held) (approval, bool) {
	for _, one := range a.all() {
		if !a.over(one) && one.lets(held) {
			return one, true
		}
	}
	return approval{}, false
}

func (a *Approvals) over(one approval) bool { return a.now().Sub(one.At).Abs() >= approvalLife }

// lets reports whether the plan is the approved one, or what is left of it.
func (one approval) lets(held plan.Held) bool {
	if len(one.Left) == 0 {
		return one.Hash == held.Hash
	}
	for _, step := range held.Steps {
		if !slices.Contains(one.Left, step) {
			return false
		}
	}
	return true
}

// begin notes that an approved plan is about to be applied: whoever approved it,
// it is used up now.
func (a *Approvals) begin(held plan.Held) error {
	var errs []error
	for _, one := range a.all() {
		if one.Hash == held.Hash && len(one.Left) == 0 {
			one.Left = slices.Sorted(maps.Values(held.Steps))
			errs = append(errs, a.write(one))
		}
	}
	return errors.Join(errs...)
}

// strike takes off what is no longer planned, and the approvals of which nothing
// is left or which are too old. What is planned it asks only where that matters.
func (a *Approvals) strike(planned func() map[string]bool) error {
	planned = sync.OnceValue(planned)
	var errs []error
	for _, one := range a.all() {
		if a.over(one) {
			errs = append(errs, a.drop(one))
			continue
		}
		left := slices.DeleteFunc(slices.Clone(one.Left), func(step string) bool { return !planned()[step] })
		switch {
		case len(left) == len(one.Left):
		case len(left) == 0:
			errs = append(errs, a.drop(one))
		default:
			one.Left = left
			errs = append(errs, a.write(one))
		}
	}
	return errors.Join(errs...)
}

func (a *Approvals) drop(one approval) error {
	if err := os.Remove(a.file(one)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot withdraw an approval: %w", err)
	}
	return nil
}
