// Package strict reads YAML files that say what is allowed, where a mistake must
// never pass for a rule: every key is known, none comes twice, nothing is an alias,
// and every problem is told with its place.
//
// To read a file, embed a [Reader], let it parse the document, and give it a
// function for each key that there may be; limits of quotas and the files of
// policies/trust are read so. Declarations have a decoder of their own, which
// makes their JSON Schema, too.
//
// The package refuses to decode into structs: what a struct leaves out would be
// forgiven without a word.
package strict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/provost-dev/provost/projects"
)

// Reader walks YAML nodes and gathers every problem with its place, so that the
// author of a file sees all of them at once.
type Reader struct {
	File     string
	Lines    []string // of the file, for excerpts
	Problems []projects.Problem
}

// Complain notes a problem at a node; a nil node means the whole file.
func (r *Reader) Complain(n *yaml.Node, hint, format string, args ...any) {
	p := projects.Problem{File: r.File, Message: fmt.Sprintf(format, args...), Hint: hint}
	if n != nil {
		p.Line, p.Column = n.Line, n.Column
	}
	p.Excerpt = Excerpt(r.Lines, p.Line)
	r.Problems = append(r.Problems, p)
}

// ComplainAt notes a problem about a line of a file that is not YAML.
func (r *Reader) ComplainAt(line int, hint, format string, args ...any) {
	r.Complain(&yaml.Node{Line: line, Column: 1}, hint, format, args...)
}

// Excerpt is a line, counted from 1, or "".
func Excerpt(lines []string, line int) string {
	if line < 1 || line > len(lines) {
		return ""
	}
	return strings.TrimRight(lines[line-1], "\r")
}

// Document parses data and returns the root of its only document, or nil for an
// empty file or after a complaint.
func (r *Reader) Document(data []byte) *yaml.Node {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		r.Complain(nil, "", "cannot read: %v", err)
		return nil
	}
	var doc, second yaml.Node
	if err := loader.Load(&doc); err != nil {
		if !errors.Is(err, io.EOF) {
			r.syntax(err)
		}
		return nil
	}
	switch err := loader.Load(&second); {
	case err == nil:
		r.Complain(&second, "keep one document a file", "a second document begins here")
		return nil
	case !errors.Is(err, io.EOF):
		r.syntax(err)
		return nil
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil
	}
	return doc.Content[0]
}

func (r *Reader) syntax(err error) {
	var bad *yaml.LoadError
	if errors.As(err, &bad) {
		r.Complain(&yaml.Node{Line: bad.Mark.Line, Column: bad.Mark.Column}, "", "cannot read as YAML: %s", bad.Message)
		return
	}
	r.Complain(nil, "", "cannot read as YAML: %v", err)
}

// plain refuses what makes a file mean more than it shows.
func (r *Reader) plain(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		r.Complain(n, "write the value out", "anchors and aliases are not allowed")
		return false
	}
	return true
}

// Mapping calls the function that known has for each key; other keys, and keys
// that come twice, are problems.
func (r *Reader) Mapping(n *yaml.Node, what string, known map[string]func(value *yaml.Node)) {
	hint := "known keys: " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")
	r.Entries(n, what, func(key, value *yaml.Node) {
		if read, ok := known[key.Value]; ok {
			read(value)
		} else {
			r.Complain(key, hint, "unknown key %q in %s", key.Value, what)
		}
	})
}

// Entries calls each for every key and value of a mapping.
func (r *Reader) Entries(n *yaml.Node, what string, each func(key, value *yaml.Node)) {
	if !r.plain(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.Complain(n, "", "%s must be a mapping", what)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case !r.plain(key):
		case key.Kind != yaml.ScalarNode || key.Value == "":
			r.Complain(key, "", "a key of %s must be a word", what)
		case seen[key.Value]:
			r.Complain(key, "", "key %q comes twice in %s", key.Value, what)
		default:
			seen[key.Value] = true
			each(key, value)
		}
	}
}

// Items calls each for every item of a list.
func (r *Reader) Items(n *yaml.Node, what string, each func(item *yaml.Node)) {
	if !r.plain(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		r.Complain(n, "", "%s must be a list", what)
		return
	}
	for _, item := range n.Content {
		each(item)
	}
}

// Text is a scalar's text; quotes do not matter.
func (r *Reader) Text(n *yaml.Node, what string) (string, bool) {
	if !r.plain(n) {
		return "", false
	}
	if n.Kind != yaml.ScalarNode || n.Value == "" || n.Tag == "!!null" {
		r.Complain(n, "", "%s must be a word or a number", what)
		return "", false
	}
	return n.Value, true
}
