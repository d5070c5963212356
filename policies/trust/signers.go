package trust

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Signers are the rules of policies/signers.yaml:
//
//	apiVersion: provost/v1
//	kind: Signers
//	rules:                   # the first rule that covers a path decides
//	- paths: [policies/**, campus.yaml]
//	  signers: [camille, olivier]
//	- paths: projects/**
//	  signers: [camille, gitlab]
//
// A path that no rule covers needs no signature; policies/signers.yaml and
// policies/keys/ must be covered. A signer's keys lie in policies/keys/NAME.asc
// (OpenPGP) and on the lines of policies/keys/allowed_signers that name him
// (SSH). A forge that signs the merges that it makes is a signer like others:
// whoever may press its button then has its signature.
type Signers struct {
	rules []signRule
	keys  keys
}

type signRule struct {
	paths   []pattern
	signers []string
}

// Commit is a commit as its signature sees it, and what it changes.
type Commit struct {
	Signed    []byte    // the commit without its signature
	Signature string    // armored; "" where it has none
	Changed   []string  // paths that differ from the last commit that was believed
	At        time.Time // when the keys must have been good
}

// Object says why a commit is not to be believed, or "". Nil signers believe
// every commit.
func (s *Signers) Object(c Commit) string {
	if s == nil {
		return ""
	}
	type want struct {
		rule int
		path string // the first that asks for it
		more int
	}
	var wants []want
	for _, path := range c.Changed {
		i := slices.IndexFunc(s.rules, func(r signRule) bool { return covered(r.paths, path, "") })
		if i < 0 {
			continue
		}
		if at := slices.IndexFunc(wants, func(w want) bool { return w.rule == i }); at >= 0 {
			wants[at].more++
		} else {
			wants = append(wants, want{rule: i, path: path})
		}
	}
	if len(wants) == 0 {
		return ""
	}
	by, err := s.keys.whoSigned(c)
	for _, w := range wants {
		allowed := s.rules[w.rule].signers
		if err == nil && slices.ContainsFunc(by, func(name string) bool { return slices.Contains(allowed, name) }) {
			continue
		}
		path := w.path
		if w.more > 0 {
			path = fmt.Sprintf("%s and %d more", path, w.more)
		}
		reason := fmt.Sprintf("%s needs the signature of %s", path, strings.Join(allowed, " or "))
		if err != nil {
			return fmt.Sprintf("%s: %v", reason, err)
		}
		return fmt.Sprintf("%s: it is signed by %s", reason, strings.Join(by, ", "))
	}
	return ""
}

// covers reports whether a change of the path needs a signature.
func (s *Signers) covers(path string) bool {
	return slices.ContainsFunc(s.rules, func(r signRule) bool { return covered(r.paths, path, "") })
}
