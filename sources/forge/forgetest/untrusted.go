package forgetest

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/provost-dev/provost/inventory/untrusted"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge"
)

// Untrusted writes every hostile text as a description, and into an address, on one
// commit: each must come to stand equal, or shortened to what one line holds, and
// must be known again by a daemon that remembers nothing, or it would be written in
// every pass. longest is how many characters the forge keeps of a description.
func Untrusted(t *testing.T, commit string, longest int, start func() sources.Forge, standing func() []reconciler.Status, writes func() int) {
	t.Helper()
	var wanted []reconciler.Status
	for i, u := range untrusted.Texts() {
		wanted = append(wanted, reconciler.Status{
			Context: fmt.Sprint("provost/", i), State: reconciler.StatusFailed,
			Description: u.Text, TargetURL: "https://provost.example.org/passes/" + u.Text,
		})
	}
	set := func() {
		t.Helper()
		f := start()
		for i, s := range wanted {
			if err := f.SetStatus(t.Context(), commit, "main", s); err != nil {
				t.Errorf("%s: %v", untrusted.Texts()[i].Name, err)
			}
		}
	}
	set()
	before := writes()
	set()
	if more := writes() - before; more != 0 {
		t.Errorf("%d statuses were written again: they do not come back as they were written", more)
	}
	byContext := map[string]reconciler.Status{}
	for _, s := range standing() {
		byContext[s.Context] = s
	}
	for i, u := range untrusted.Texts() {
		s, ok := byContext[fmt.Sprint("provost/", i)]
		if !ok || s.State != reconciler.StatusFailed {
			t.Errorf("%s: stands as %+v", u.Name, s)
			continue
		}
		if plain := oneLine(u.Text); s.Description != u.Text && plain || s.Description != forge.Shorten(u.Text, longest) {
			t.Errorf("%s: came back as %q", u.Name, s.Description)
		}
		if r := untrusted.Obeyed(s.Description + s.TargetURL); r >= 0 || utf8.RuneCountInString(s.Description) > longest {
			t.Errorf("%s: %U, or too much of it, stands in %q", u.Name, r, s.Description)
		}
		if s.TargetURL != "" && s.TargetURL != wanted[i].TargetURL {
			t.Errorf("%s: leads to %q", u.Name, s.TargetURL)
		}
	}
}

// oneLine reports whether a text fits into every forge's line as it is.
func oneLine(text string) bool {
	return utf8.ValidString(text) && len(text) <= 140 && strings.TrimSpace(text) == text && !strings.Contains(text, "  ") &&
		!strings.ContainsFunc(text, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) })
}
