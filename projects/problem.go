package projects

import "github.com/provost-dev/provost/inventory"

// Problem is an error in a declaration, placed so that its author finds it.
type Problem struct {
	File    string          `json:"file"`
	Line    int             `json:"line,omitempty"`   // from 1; 0 when it is about the whole file
	Column  int             `json:"column,omitempty"` // from 1
	Message string          `json:"message"`
	Hint    string          `json:"hint,omitempty"`    // what to do
	Excerpt string          `json:"excerpt,omitempty"` // the offending line
	Owner   inventory.Owner `json:"owner,omitzero"`    // for whom, where that is known
}
