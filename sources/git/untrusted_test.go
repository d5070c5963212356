package git

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/provost-dev/provost/inventory/untrusted"
	"github.com/provost-dev/provost/reconciler"
)

// A status in a note is one line, comes back equal, and forges no other.
func TestUntrustedTextsInNotes(t *testing.T) {
	for _, u := range untrusted.Texts() {
		if !utf8.ValidString(u.Text) {
			continue // package reconciler hands over UTF-8 alone
		}
		n := parseNote([]byte("seen by Ada\n"))
		want := []reconciler.Status{
			{Context: reconciler.ContextPlan, State: reconciler.StatusFailed, Description: u.Text, TargetURL: "https://x/" + u.Text},
			{Context: reconciler.ContextApply, State: reconciler.StatusFailed, Description: "no"},
		}
		for _, s := range want {
			n.set(s)
		}
		text := string(n.bytes())
		if got := parseNote([]byte(text)).statuses(); !slices.Equal(got, want) {
			t.Errorf("%s: became %v", u.Name, got)
		}
		if strings.Count(text, "\n") != 3 || !strings.HasPrefix(text, "seen by Ada\n") {
			t.Errorf("%s: the note is %q", u.Name, text)
		}
	}
}

// A file's name is one part of a path that can be shown, or is spelled out.
func TestUntrustedFileNames(t *testing.T) {
	for _, u := range untrusted.Texts() {
		l := lister{ctx: t.Context(), found: entries{}}
		if err := l.add(object.TreeEntry{Name: u.Text, Mode: filemode.Regular}, "projects", 0); err != nil {
			t.Fatal(err)
		}
		for name, e := range l.found {
			if r := untrusted.Obeyed(name); r >= 0 || strings.Contains(name, "\n") {
				t.Errorf("%s: %U stands in the path %q", u.Name, r, name)
			}
			if e.refused == "" && name != "projects/"+u.Text || e.refused != "" && (strings.Count(name, "/") != 1 || !strings.HasPrefix(name, `projects/"`)) {
				t.Errorf("%s: became %q (%s)", u.Name, name, e.refused)
			}
		}
	}
}
