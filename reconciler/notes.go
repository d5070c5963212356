package reconciler

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler/plan"
)

// Notes are what a pass writes down for those after it because it stands nowhere
// else: since when the end of a cohort has been declared, and what was last true
// of fields that are not simply corrected ([plan.Truths]).
//
// They are a file of their own, read and written once a pass, and not a shelf of
// the daemon's: "provost plan" and "provost apply" read them beside a daemon that
// holds its shelves. Losing the file makes provost more careful and nothing worse:
// an end is believed seven days later, and what differs is drift until a commit
// declares something else.
type Notes struct{ file string }

// NewNotes keeps notes in a file, which need not exist.
func NewNotes(file string) *Notes { return &Notes{file} }

// noted is the file's content.
type noted struct {
	Ends   map[string]announced `json:"ends,omitempty"` // by unit
	Fields plan.Truths          `json:"fields,omitempty"`
}

// announced is the end of a cohort, and when it was first seen.
type announced struct {
	LastDay string    `json:"last_day"`
	Since   time.Time `json:"since"`
}

// largestNotes bounds what is read: some 100 bytes a machine are usual.
const largestNotes = 64 << 20

// read is what the file says, nothing where it is not there.
func (n *Notes) read() (noted, error) {
	if n == nil {
		return noted{}, nil
	}
	info, err := os.Stat(n.file)
	if errors.Is(err, fs.ErrNotExist) {
		return noted{}, nil
	}
	if err == nil && info.Size() > largestNotes {
		err = fmt.Errorf("it has %d bytes", info.Size())
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(n.file)
	}
	if err != nil {
		return noted{}, fmt.Errorf("cannot read what earlier passes noted: %w", err)
	}
	return decodeNotes(data)
}

func decodeNotes(data []byte) (noted, error) {
	var all noted
	if err := json.Unmarshal(data, &all); err != nil {
		return noted{}, fmt.Errorf("cannot use what earlier passes noted: %w", err)
	}
	return all, nil
}

// write replaces the file in one step.
func (n *Notes) write(all noted) error {
	data, err := json.Marshal(all)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(n.file), 0o700)
	}
	if err == nil {
		err = os.WriteFile(n.file+".new", data, 0o600)
	}
	if err == nil {
		err = os.Rename(n.file+".new", n.file)
	}
	if err != nil {
		return fmt.Errorf("cannot note for later passes: %w", err)
	}
	return nil
}

func (n noted) equal(other noted) bool {
	return maps.EqualFunc(n.Ends, other.Ends, func(a, b announced) bool { return a.LastDay == b.LastDay && a.Since.Equal(b.Since) }) &&
		n.Fields.Equal(other.Fields)
}

// recall takes up what earlier passes noted.
func (r *Reconciler) recall() {
	all, err := r.Notes.read()
	if err != nil {
		r.Log.Warn("the notes of earlier passes are lost: drift is not corrected where it is to be reported, and ends of cohorts are believed later", "error", err)
	}
	r.noted = all
}

// note learns what this pass has seen of both sides, and writes it down where it
// is news. What could not be read is not forgotten.
func (r *Reconciler) note(desired projects.Desired, live inventory.Listing) {
	before, whole := r.noted, len(live.Unknown) == 0 && len(desired.Frozen) == 0
	for _, reason := range desired.Files {
		whole = whole && reason == ""
	}
	now := noted{Ends: map[string]announced{}}
	if !whole {
		maps.Copy(now.Ends, before.Ends)
	}
	for unit, end := range desired.Ends {
		seen := before.Ends[unit]
		if seen.LastDay != end.LastDay || seen.Since.After(r.now()) {
			seen = announced{end.LastDay, r.now().UTC()}
		}
		now.Ends[unit] = seen
	}
	if !desired.Drift.Corrects() {
		now.Fields = before.Fields.Learn(desired.Resources, live.Items, modes(desired), whole)
	}
	r.keep(now)
}

// noteDone notes what a pass has made true.
func (r *Reconciler) noteDone(desired projects.Desired, p plan.Plan, results []Result) {
	if desired.Drift.Corrects() {
		return
	}
	done := map[inventory.Key]bool{}
	for _, result := range results {
		done[result.Key] = result.Blocked == "" && result.State == inventory.StateDone
	}
	steps := slices.DeleteFunc(slices.Clone(p.Steps), func(s plan.Step) bool { return !done[s.Key] })
	r.keep(noted{Ends: r.noted.Ends, Fields: r.noted.Fields.Done(steps, modes(desired))})
}

// keep writes notes down where they are news.
func (r *Reconciler) keep(now noted) {
	before := r.noted
	r.noted = now
	if r.Notes == nil || r.DryRun || now.equal(before) {
		return
	}
	if err := r.Notes.write(now); err != nil {
		r.Log.Error("notes not kept", "error", err)
	}
}
