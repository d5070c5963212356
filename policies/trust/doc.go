// Package trust says who may ask for what: whose hands may change a file, a
// field or an entry, and whose signature a commit must bear.
//
// A campus writes both on its branch, and neither file means nothing is asked:
//
//	policies/owners.yaml    which users and groups of the forge may change which paths,
//	                        and within a file which fields of which entry; see [Owners]
//	policies/signers.yaml   whose signature a change of which paths needs; see [Signers]
//	policies/keys/NAME.asc  OpenPGP public keys of the signer NAME
//	policies/keys/allowed_signers  SSH public keys, as git and ssh-keygen read them
//
// The two stand in one package because they judge the same thing, a step from
// one tree to the next, and are read alike. They are read from the tree before
// that step: from the branch a request asks to be merged into, from the last
// commit that was believed. So no step can admit itself.
//
// To let a rule say more, add a key to readRule or signersReader.rule and to the JSON
// Schema beside it, and judge it in [Owners.Trespasses] or [Signers.Object].
//
// The package refuses to do I/O, to look at a clock, to take an author's name
// from a commit, which anybody can write there, and to guess: an edit whose parts
// cannot be told apart is one of the whole file.
package trust

import (
	"cmp"
	"slices"
	"strings"

	"github.com/provost-dev/provost/policies/strict"
	"github.com/provost-dev/provost/projects"
)

const (
	apiVersion = "provost/v1"
	// Folder is where all that is read here lies.
	Folder      = "policies/"
	ownersFile  = Folder + "owners.yaml"
	signersFile = Folder + "signers.yaml"
	keysFolder  = Folder + "keys/"
)

// Rules are a tree's answers to both questions.
type Rules struct {
	Owners  *Owners  // nil: anybody may change anything
	Signers *Signers // nil: no commit needs a signature
}

// Read reads the rules of a tree. With problems, nothing may be allowed on the
// strength of the rules.
func Read(tree projects.Tree) (Rules, []projects.Problem) {
	var rules Rules
	problems := misnamed(tree)
	owners, more := readOwners(tree)
	rules.Owners, problems = owners, append(problems, more...)
	signers, more := readSigners(tree)
	rules.Signers, problems = signers, append(problems, more...)
	slices.SortStableFunc(problems, func(a, b projects.Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return rules, problems
}

// misnamed finds files that would otherwise rule nothing without a word.
func misnamed(tree projects.Tree) []projects.Problem {
	var problems []projects.Problem
	for _, right := range []string{ownersFile, signersFile} {
		wrong := strings.TrimSuffix(right, ".yaml") + ".yml"
		if _, ok := tree[wrong]; ok {
			problems = append(problems, projects.Problem{File: wrong, Message: "rules are read from " + right + " only", Hint: "rename the file"})
		}
	}
	return problems
}

// open gives a reader for a file of the tree; nil where there is no file, or none
// that can be read.
func open(tree projects.Tree, path string) (*strict.Reader, []byte) {
	file, ok := tree[path]
	if !ok {
		return nil, nil
	}
	r := &strict.Reader{File: path, Lines: strings.Split(string(file.Data), "\n")}
	if file.Refused != "" {
		r.Complain(nil, "commit a plain file", "cannot read: it %s", file.Refused)
		return r, nil
	}
	return r, file.Data
}
