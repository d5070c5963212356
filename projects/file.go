package projects

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/provost-dev/provost/inventory"
)

// file is one declaration file while it is being read: its text, and what is
// wrong with it.
type file struct {
	path     string
	owner    inventory.Owner // whom its problems concern
	text     string          // what positions count in; for CSV the decoded text
	split    sync.Once
	lines    []string // text split, once somebody asks
	problems []Problem
	values   room // for what is being read
}

// place is a position in a file. The zero line is the file as a whole.
type place struct {
	file         *file
	line, column int
}

// Limits keep what is shown readable in a terminal and a merge request, however
// long the texts are that it quotes.
const (
	excerptLimit = 160
	messageLimit = 400
)

// line is the text of a line counted from 1, or "" where there is none.
func (f *file) line(n int) string {
	f.split.Do(func() { f.lines = strings.Split(f.text, "\n") })
	if n < 1 || n > len(f.lines) {
		return ""
	}
	return strings.TrimSuffix(f.lines[n-1], "\r")
}

// excerpt is a line as it is shown: short, and nothing in it that a terminal
// would obey.
func (f *file) excerpt(n int) string { return shown(f.line(n), excerptLimit) }

// shown is a text with as much of it as can be shown, one letter for each.
func shown(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if obeyed(r) && r != '\t' {
			return utf8.RuneError
		}
		return r
	}, s)
	if len(s) > limit && utf8.RuneCountInString(s) > limit {
		s = string([]rune(s)[:limit]) + "…"
	}
	return s
}

// problem makes a problem at a place.
func (p place) problem(owner inventory.Owner, hint, format string, args ...any) Problem {
	return Problem{
		File: p.file.path, Line: p.line, Column: p.column, Excerpt: p.file.excerpt(p.line),
		Message: shown(fmt.Sprintf(format, args...), messageLimit), Hint: shown(hint, messageLimit), Owner: owner,
	}
}

// refuse notes a problem at a place of the file; the file is then broken.
func (p place) refuse(hint, format string, args ...any) {
	p.file.problems = append(p.file.problems, p.problem(p.file.owner, hint, format, args...))
}

// whole is the place that stands for all of the file.
func (f *file) whole() place { return place{file: f} }

// broken says why nothing of the file can be believed, or "".
func (f *file) broken() string {
	if len(f.problems) == 0 {
		return ""
	}
	errors, first := 0, Problem{}
	for _, p := range sortProblems(slices.Clone(f.problems)) {
		if p.Warning {
			continue
		}
		if errors++; errors == 1 {
			first = p
		}
	}
	switch errors {
	case 0:
		return ""
	case 1:
		return first.String()
	default:
		return fmt.Sprintf("%s (and %d more)", first.String(), errors-1)
	}
}
