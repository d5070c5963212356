package winsim

import (
	"net/netip"
	"strings"
)

// thingChange is what changes of reservations and of filters have in common: a MAC
// has at most one of either, with our mark in its description.
type thingChange struct {
	ID, Kind string
	MAC      string `json:"mac"`
	Owned    string `json:"owned"`
	Adopt    bool   `json:"adopt"`
}

// maker makes the steps of a change true, by cmdlets.
type maker interface {
	add(*attempt)
	change(*attempt)
	remove(*attempt)
}

// take makes the step that a change asks for.
func (v thing) take(t *attempt, m maker) (conflict string) {
	switch v.step() {
	case stepAdd:
		m.add(t)
	case stepChange:
		m.change(t)
	case stepRemove:
		m.remove(t)
	case stepConflict:
		return "what stands there is not ours, or not as expected"
	}
	return ""
}

// thing is what a change of a reservation or a filter sees: how what the MAC
// has compares with what is expected and wanted.
type thing struct {
	stands bool // the MAC has one
	ours   bool // its description carries our mark

	expected   bool // a state is expected
	asExpected bool // and it stands so, whatever its description
	wanted     bool // a state is wanted; else it is to go
	likeWanted bool // and it stands so, whatever its description
	asWanted   bool // and so is its description
	adopt      bool
}

// see notes what stands.
func (v *thing) see(description, owned string, asExpected, likeWanted bool) {
	v.stands, v.ours, v.asExpected, v.likeWanted = true, isOurs(description, owned), asExpected, likeWanted
}

type step string

const (
	stepNone     step = "none"
	stepAdd      step = "add"
	stepChange   step = "change"
	stepRemove   step = "remove"
	stepConflict step = "conflict"
)

// step is what is to be done about it. Only just what was shown is adopted, and
// nothing of it but the description changes.
func (v thing) step() step {
	expected := v.asExpected || !v.expected
	if v.adopt {
		expected = v.asExpected && v.likeWanted
	}
	switch {
	case !v.stands && v.wanted:
		return stepAdd
	case !v.stands, v.asWanted:
		return stepNone
	case !expected, !v.ours && !v.adopt:
		return stepConflict
	case !v.wanted:
		return stepRemove
	}
	return stepChange
}

// settled reports whether it stands as asked.
func (v thing) settled() bool { return v.asWanted || !v.wanted && !v.stands }

// writeDHCP runs a cmdlet that wants the rights to write.
func (t *attempt) writeDHCP(cmdlet string, do func() *cmdletError) bool {
	return t.run(cmdlet, func() *cmdletError {
		if !t.mayWriteDHCP() {
			return errAccessDenied
		}
		return do()
	})
}

// isOurs reports whether a line of a description begins with our mark.
func isOurs(description, owned string) bool {
	for line := range strings.SplitSeq(description, "\n") {
		if begins(strings.TrimSpace(line), owned) {
			return true
		}
	}
	return false
}

// begins reports whether a text begins with a mark, up to a space.
func begins(text, owned string) bool { return strings.HasPrefix(text+" ", owned) }

// parseScope is the zero address, which no scope has, where s is none.
func parseScope(s string) netip.Addr {
	a, _ := netip.ParseAddr(s)
	return a
}
