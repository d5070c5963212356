package policies

import (
	"errors"
	"fmt"

	"github.com/provost-dev/provost/inventory"
)

// readAnswer reads one element of a decision: a message alone, or an object. It
// is strict, because a misspelt id would turn a rule about one change into one
// about the whole campus.
func readAnswer(raw any) (answer, error) {
	var a answer
	if message, ok := raw.(string); ok {
		a.message = message
		return a, a.check()
	}
	fields, ok := raw.(map[string]any)
	if !ok {
		return a, errors.New("it is neither a message nor an object with one")
	}
	for name, value := range fields {
		switch name {
		case "msg":
			a.message, ok = value.(string)
		case "id":
			var id string
			id, ok = value.(string)
			a.id, ok = inventory.Key(id), ok && id != ""
		case "owner":
			a.owner, ok = readOwner(value)
		case "meta":
			a.title, ok = readTitle(value)
		default:
			return a, fmt.Errorf("it has an unknown field %q: use msg, id, owner and meta", name)
		}
		if !ok {
			return a, fmt.Errorf("its field %q has the wrong shape", name)
		}
	}
	return a, a.check()
}

func (a answer) check() error {
	if a.message == "" {
		return errors.New("it has no msg")
	}
	return nil
}

// readOwner reads {"unit": …, "student": …}: any of an owner's fields, at least one.
func readOwner(value any) (*inventory.Owner, bool) {
	fields, ok := value.(map[string]any)
	if !ok {
		return nil, false
	}
	owner := &inventory.Owner{}
	targets := map[string]*string{"campus": &owner.Campus, "file": &owner.File, "unit": &owner.Unit, "student": &owner.Student}
	for name, field := range fields {
		target, known := targets[name]
		word, isText := field.(string)
		if !known || !isText {
			return nil, false
		}
		*target = word
	}
	return owner, !owner.IsZero()
}

// readTitle takes the title from rego.metadata.rule(); a rule may have none.
func readTitle(value any) (string, bool) {
	meta, ok := value.(map[string]any)
	title, _ := meta["title"].(string)
	return title, ok
}
