package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"

	"github.com/provost-dev/provost/inventory"
)

// Held is what the guard holds back of a plan. An approval names its hash.
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

// Hold notes what the guard holds back, so that it can be approved.
func Hold(p Plan) Plan {
	held := Held{Steps: map[inventory.Key]string{}}
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Gate == GateGuard {
			held.Steps[s.Key] = fingerprint(*s)
		}
	}
	p.Held = nil
	if held.Count = len(held.Steps); held.Count > 0 {
		held.Hash = sum(held.Steps)
		p.Held = &held
	}
	return p
}

// Release opens the guard's gate: somebody has approved what is held back.
func Release(p Plan, by string) Plan {
	held := *p.Held
	held.By = by
	p.Held, p.Steps = &held, slices.Clone(p.Steps)
	for i := range p.Steps {
		if p.Steps[i].Gate == GateGuard {
			p.Steps[i].Gate, p.Steps[i].Reason = "", ""
		}
	}
	return p
}

// Removed are the hashes of all steps that the guard judges, held back or not.
func Removed(p Plan) map[string]bool {
	removes, hashes := removals(p), map[string]bool{}
	for i := range p.Steps {
		if s := &p.Steps[i]; removes(s) {
			hashes[fingerprint(*s)] = true
		}
	}
	return hashes
}

// passing are the attributes that change by themselves, by the owner's hand, or
// with the hour. An approval is for deleting this very machine and not for
// deleting it while it is switched off.
var passing = []string{"lock", "pending", "node", "state", "boot", "on", "livename"}

// fingerprint is the hash of one step that takes something away: what is done to
// which thing, whose it is, what it is now (its VMID among it), and for how long
// it is kept. The day is not in it, or an approval would be void at midnight.
func fingerprint(s Step) string {
	verb, retain := string(s.Action), ""
	if Retires(s.Change) {
		verb, retain = "retire", s.After.Attrs[inventory.AttrRetain]
	}
	is := maps.Clone(s.Before.Attrs)
	maps.DeleteFunc(is, func(name, value string) bool { return value == "" || slices.Contains(passing, name) })
	text, err := json.Marshal(struct {
		Key    inventory.Key
		Verb   string
		Retain string
		Before inventory.Key
		Owner  inventory.Owner
		Is     inventory.Attrs
	}{s.Key, verb, retain, s.Before.Key, s.Before.Owner, is})
	if err != nil { // texts and maps of texts can always be written
		panic(err)
	}
	return digest(text)
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
