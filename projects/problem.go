package projects

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/provost-dev/provost/inventory"
)

// Problem is an error in a declaration, placed so that its author finds it.
type Problem struct {
	File    string          `json:"file"`
	Line    int             `json:"line,omitempty"`   // from 1; 0 when it is about the whole file
	Column  int             `json:"column,omitempty"` // from 1, in characters
	Message string          `json:"message"`
	Hint    string          `json:"hint,omitempty"`    // what to do
	Excerpt string          `json:"excerpt,omitempty"` // the offending line
	Owner   inventory.Owner `json:"owner,omitzero"`    // for whom, where that is known
	// Warning is set where nothing is held back: it is worth knowing, no more.
	Warning bool `json:"warning,omitempty"`
}

// Place is "file:line:column", or as much of it as is known.
func (p Problem) Place() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// String is the problem on one line: "projects/a.yaml:3:5: unknown key …".
func (p Problem) String() string { return p.Place() + ": " + p.Message }

// sortProblems puts problems in reading order and drops repetitions: one wrong
// line of a template would otherwise be told once for each student.
func sortProblems(list []Problem) []Problem {
	slices.SortStableFunc(list, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Message, b.Message), cmp.Compare(a.Owner.String(), b.Owner.String()),
		)
	})
	return slices.CompactFunc(list, func(a, b Problem) bool {
		return a.Place() == b.Place() && a.Message == b.Message
	})
}
