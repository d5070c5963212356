package winsim

import (
	"encoding/json"
	"fmt"
)

const maxChanges = 300

type applyDocument struct {
	Changes []json.RawMessage `json:"changes"`
}

type resultItem struct {
	ID       string `json:"id"`
	Status   string `json:"status"` // done, conflict, failed
	Changed  bool   `json:"changed"`
	ErrorID  string `json:"errorId"`
	Category string `json:"category"`
	Message  string `json:"message"`
}

// change is one change of any kind: what it does, and how to tell afterwards
// whether it stands.
type change interface {
	// make works towards what is asked, by cmdlets. It says why it does not
	// where something stands that is not ours.
	make(*attempt) (conflict string)
	// stands looks at the model again.
	stands(*session) bool
}

// attempt runs cmdlets until one fails.
type attempt struct {
	*session
	id      string
	changed bool
	err     *cmdletError
	cmdlet  string
}

// run calls one cmdlet that writes.
func (t *attempt) run(cmdlet string, do func() *cmdletError) bool {
	if t.err != nil {
		return false
	}
	err := t.forced(t.id)
	if err == nil || (t.fault.Cmdlet != "" && t.fault.Cmdlet != cmdlet) {
		err = do()
	}
	if err != nil {
		t.err, t.cmdlet = err, cmdlet
		return false
	}
	t.changed = true
	return true
}

// amend calls further cmdlets after one has failed, which still is what failed.
func (t *attempt) amend(do func()) {
	err, cmdlet := t.err, t.cmdlet
	t.err = nil
	do()
	t.err, t.cmdlet = err, cmdlet
}

// fail is a cmdlet that could not read.
func (t *attempt) fail(cmdlet string, err *cmdletError) string {
	t.err, t.cmdlet = err, cmdlet
	return ""
}

// apply works the changes off in order, and reads everything again after the last.
func (x *session) apply(document []byte) error {
	var doc applyDocument
	if err := decodeDocument(document, &doc); err != nil {
		return err
	}
	if len(doc.Changes) > maxChanges {
		return fmt.Errorf("%d changes are more than %d", len(doc.Changes), maxChanges)
	}
	changes, ids, err := decodeChanges(doc.Changes)
	if err != nil {
		return err
	}
	results := make([]resultItem, len(changes))
	for i, c := range changes {
		t := &attempt{session: x, id: ids[i]}
		conflict := c.make(t)
		results[i] = t.result(conflict)
	}
	for i, c := range changes {
		settle(&results[i], c.stands(x))
	}
	addItems(&x.answer, "results", "", results)
	return nil
}

func decodeChanges(raw []json.RawMessage) (changes []change, ids []string, err error) {
	seen := map[string]bool{}
	for _, r := range raw {
		var name struct{ ID, Kind string }
		if err := json.Unmarshal(r, &name); err != nil {
			return nil, nil, fmt.Errorf("a change is no object: %w", err)
		}
		if name.ID == "" || seen[name.ID] {
			return nil, nil, fmt.Errorf("the id %q is empty or stands twice", name.ID)
		}
		seen[name.ID] = true
		c, err := decodeChange(name.Kind, r)
		if err != nil {
			return nil, nil, fmt.Errorf("change %s: %w", name.ID, err)
		}
		changes, ids = append(changes, c), append(ids, name.ID)
	}
	return changes, ids, nil
}

func decodeChange(kind string, raw []byte) (change, error) {
	switch kind {
	case "record":
		c := &recordChange{}
		return c, decodeDocument(raw, c)
	case "reservation":
		c := &reservationChange{}
		return c, decodeDocument(raw, c)
	case "filter":
		c := &filterChange{}
		return c, decodeDocument(raw, c)
	}
	return nil, fmt.Errorf("there is no kind %q", kind)
}

func (t *attempt) result(conflict string) resultItem {
	r := resultItem{ID: t.id, Changed: t.changed}
	switch {
	case conflict != "":
		r.Status, r.ErrorID, r.Category, r.Message = "conflict", "provost conflict", "InvalidOperation", conflict
	case t.err != nil:
		r.ErrorID, r.Category, r.Message = t.err.id(t.cmdlet), t.err.Category, t.err.Message
	}
	return r
}

// settle decides between done and failed by what stands, whatever a cmdlet said.
func settle(r *resultItem, stands bool) {
	switch {
	case r.Status == "conflict":
	case stands:
		*r = resultItem{ID: r.ID, Status: "done", Changed: r.Changed}
	default:
		r.Status = "failed"
		if r.ErrorID == "" {
			r.ErrorID, r.Category, r.Message = "provost unsettled", "InvalidResult", "it does not stand as asked"
		}
	}
}
