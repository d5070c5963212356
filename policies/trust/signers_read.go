package trust

import (
	"slices"

	"go.yaml.in/yaml/v4"

	"github.com/provost-dev/provost/policies/strict"
	"github.com/provost-dev/provost/projects"
)

// readSigners reads policies/signers.yaml with the keys; nil where there is none.
func readSigners(tree projects.Tree) (*Signers, []projects.Problem) {
	r, data := open(tree, signersFile)
	if r == nil {
		return nil, nil
	}
	if len(r.Problems) > 0 {
		return nil, r.Problems
	}
	reader := &signersReader{Reader: r, signers: &Signers{}}
	known, problems := readKeys(tree)
	reader.signers.keys = known
	if root := r.Document(data); root != nil {
		r.Mapping(root, "the signers", map[string]func(*yaml.Node){
			"apiVersion": heading(r, "apiVersion", apiVersion),
			"kind":       heading(r, "kind", "Signers"),
			"rules":      func(n *yaml.Node) { r.Items(n, "rules", reader.rule) },
		})
		if len(r.Problems) == 0 {
			reader.covers(root)
		}
	} else if len(r.Problems) == 0 {
		r.Complain(nil, "write rules, or delete the file", "the file is empty")
	}
	if problems = append(problems, r.Problems...); len(problems) > 0 {
		return nil, problems
	}
	return reader.signers, nil
}

type signersReader struct {
	*strict.Reader
	signers *Signers
}

func (r *signersReader) rule(n *yaml.Node) {
	var out signRule
	before := len(r.Problems)
	r.Mapping(n, "a rule", map[string]func(*yaml.Node){
		"paths": func(n *yaml.Node) { out.paths = patterns(r.Reader, n, false) },
		"signers": func(n *yaml.Node) {
			words(r.Reader, n, "signers", func(n *yaml.Node, name string) {
				if !r.signers.keys.has(name) {
					r.Complain(n, "add "+keysFolder+name+".asc, or a line to "+allowedFile, "the signer %s has no key", name)
				}
				out.signers = append(out.signers, name)
			})
		},
	})
	switch {
	case len(r.Problems) > before:
	case len(out.paths) == 0:
		r.Complain(n, `add paths: "policies/**"`, "the rule does not say about which paths it is")
	case len(out.signers) == 0:
		r.Complain(n, "add signers: with the names of their keys", "the rule does not say who must sign")
	}
	r.signers.rules = append(r.signers.rules, out)
}

// covers demands that whoever may sign cannot be changed without a signature.
func (r *signersReader) covers(root *yaml.Node) {
	for _, path := range slices.Concat([]string{signersFile, keysFolder + "anybody.asc", allowedFile}, r.signers.keys.files) {
		if !r.signers.covers(path) {
			r.Complain(root, "add a rule for policies/**", "no rule covers %s: anybody could make himself a signer", path)
			return
		}
	}
}
