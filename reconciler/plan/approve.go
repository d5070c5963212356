package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"

	"github.com/provost-dev/provost/inventory"
)

// Held is what is held back of a plan until somebody approves it: by the guard, or
// because a rule wants an approval of it. An approval names its hash.
type Held struct {
	Hash  string `json:"hash"`         // of all that is held back, and of nothing else
	Count int    `json:"count"`        // how many steps
	By    string `json:"by,omitempty"` // who approved it; "" while nobody has
	// Steps are the hashes of the single steps, so that of an approved plan that
	// was cut off the rest is known again.
	Steps map[inventory.Key]string `json:"-"`
}

// Has reports whether a change is one of those.
func (h Held) Has(c inventory.Change) bool { return h.Steps[c.Key] != "" }

// Hold is what stands before the gates of the guard and of approval, nil where
// nothing does.
func Hold(p Plan) *Held {
	held := Held{Steps: map[inventory.Key]string{}}
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Gate == GateGuard || s.Gate == GateApproval {
			held.Steps[s.Key] = fingerprint(s)
		}
	}
	if held.Count = len(held.Steps); held.Count == 0 {
		return nil
	}
	held.Hash = sum(held.Steps)
	return &held
}

// Release opens the guard's gate: it is how a plan looks to the rules once what is
// held back is approved.
func Release(p Plan) Plan {
	if !slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Gate == GateGuard }) {
		return p
	}
	p.Steps = slices.Clone(p.Steps)
	for i := range p.Steps {
		if p.Steps[i].Gate == GateGuard {
			p.Steps[i].Gate, p.Steps[i].Reason = "", ""
		}
	}
	return p
}

// Fingerprints are the hashes of all steps, held back or not.
func Fingerprints(p Plan) map[string]bool {
	hashes := make(map[string]bool, len(p.Steps))
	for i := range p.Steps {
		hashes[fingerprint(&p.Steps[i])] = true
	}
	return hashes
}

// passing are the attributes that change by themselves, by the owner's hand, or
// with the hour. An approval is for deleting this very machine and not for
// deleting it while it is switched off.
var passing = []string{"lock", "pending", "node", "state", "boot", "on", "livename"}

// fingerprint is the hash of one step: what is done to which thing, whose it is,
// what it is now (its VMID among it), what it becomes, and for how long it is kept
// where it is retired. The day of that is not in it, or an approval would be void at
// midnight.
func fingerprint(s *Step) string {
	step := struct {
		Key    inventory.Key
		Verb   string
		Retain string
		Before inventory.Key
		Owner  inventory.Owner
		Is     inventory.Attrs
		Will   inventory.Attrs `json:",omitempty"`
	}{Key: s.Key, Verb: string(s.Action), Owner: s.Owner, Will: intended(s.Change)}
	if Retires(s.Change) {
		step.Verb, step.Retain = "retire", s.After.Attrs[inventory.AttrRetain]
	}
	if s.Before != nil {
		step.Before, step.Owner, step.Is = s.Before.Key, s.Before.Owner, maps.Clone(s.Before.Attrs)
		maps.DeleteFunc(step.Is, func(name, value string) bool { return value == "" || slices.Contains(passing, name) })
	}
	text, err := json.Marshal(step)
	if err != nil { // texts and maps of texts can always be written
		panic(err)
	}
	return digest(text)
}

// intended is what a change makes of its thing: of an update the fields that differ.
// The node of what is made is left out: provost chooses it by the hour's load.
func intended(c inventory.Change) inventory.Attrs {
	if c.After == nil || Retires(c) {
		return nil
	}
	will := maps.Clone(c.After.Attrs)
	maps.DeleteFunc(will, func(name, _ string) bool {
		if c.Action == inventory.Update {
			return !slices.Contains(c.Fields, name)
		}
		return name == "node"
	})
	return will
}

// sum is the hash of many.
func sum(steps map[inventory.Key]string) string {
	text, err := json.Marshal(steps) // sorted by key
	if err != nil {
		panic(err)
	}
	return digest(text)
}

// digest is 128 bits of SHA-256: as short as it can be for people to copy, and
// long enough that nobody finds two plans with the same.
func digest(text []byte) string {
	h := sha256.Sum256(text)
	return hex.EncodeToString(h[:16])
}
