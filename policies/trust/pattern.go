package trust

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/provost-dev/provost/policies/strict"
)

// pattern is a path in which * stands for any text within one part, ** for any
// number of parts, and {login} for the login of whoever makes the change.
type pattern []string

// mostAny is how many ** a pattern may hold: each multiplies the ways to match.
const mostAny = 3

const ownLogin = "{login}"

func parsePattern(text string) (pattern, error) {
	parts := strings.Split(text, "/")
	anything := 0
	for _, part := range parts {
		switch {
		case part == "**":
			anything++
		case part == "" || part == "." || part == "..":
			return nil, errors.New("a path is relative and has no empty parts")
		case strings.Contains(part, "**"):
			return nil, errors.New("** stands alone between slashes")
		case strings.ContainsAny(strings.ReplaceAll(part, ownLogin, ""), `[]{}\`):
			return nil, errors.New("besides *, ?, ** and {login} it is plain text")
		}
	}
	if anything > mostAny {
		return nil, fmt.Errorf("it holds more than %d **", mostAny)
	}
	return parts, nil
}

// plainLogin is a login that may be put into a pattern.
var plainLogin = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

// covers reports whether the pattern matches a path, for a person of that login.
func (p pattern) covers(name, login string) bool {
	return p.match(strings.Split(name, "/"), login)
}

func (p pattern) match(parts []string, login string) bool {
	if len(p) == 0 {
		return len(parts) == 0
	}
	if p[0] == "**" {
		for skip := range len(parts) + 1 {
			if p[1:].match(parts[skip:], login) {
				return true
			}
		}
		return false
	}
	if len(parts) == 0 {
		return false
	}
	want := p[0]
	if strings.Contains(want, ownLogin) {
		if !plainLogin.MatchString(login) {
			return false
		}
		want = strings.ReplaceAll(want, ownLogin, login)
	}
	ok, err := path.Match(want, parts[0])
	return err == nil && ok && p[1:].match(parts[1:], login)
}

// covered reports whether one of the patterns matches.
func covered(patterns []pattern, name, login string) bool {
	return slices.ContainsFunc(patterns, func(p pattern) bool { return p.covers(name, login) })
}

// patterns reads a list of paths; a single one may stand without a list.
func patterns(r *strict.Reader, n *yaml.Node, login bool) []pattern {
	var list []pattern
	words(r, n, "paths", func(n *yaml.Node, text string) {
		p, err := parsePattern(text)
		switch {
		case err != nil:
			r.Complain(n, "for example projects/*.yaml or policies/**", "cannot read the path %q: %v", text, err)
		case !login && strings.Contains(text, ownLogin):
			r.Complain(n, "name the path", "{login} means nothing here")
		default:
			list = append(list, p)
		}
	})
	return list
}

// words reads a list of words; a single one may stand without a list.
func words(r *strict.Reader, n *yaml.Node, what string, each func(n *yaml.Node, text string)) {
	read := func(n *yaml.Node) {
		if text, ok := r.Text(n, "an item of "+what); ok {
			each(n, text)
		}
	}
	if n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
		read(n)
		return
	}
	r.Items(n, what, read)
}

// heading reads apiVersion and kind.
func heading(r *strict.Reader, key, want string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if got, ok := r.Text(n, key); ok && got != want {
			r.Complain(n, "write "+want, "%s must be %s", key, want)
		}
	}
}
