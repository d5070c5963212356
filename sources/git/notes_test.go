package git

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/provost-dev/provost/reconciler"
)

var (
	applied = reconciler.Status{Context: reconciler.ContextApply, State: reconciler.StatusSuccess, Description: "62 guests, 124 records: applied", TargetURL: "https://provost.example.org/passes/1?a=1&b=2"}
	planned = reconciler.Status{Context: reconciler.ContextPlan, State: reconciler.StatusRunning, Description: "3 changes > 0"}
)

func (c *campus) note(commit string) string {
	c.t.Helper()
	c.git("fetch", "-q", "origin", "+refs/notes/provost:refs/notes/provost")
	return c.git("notes", "--ref=provost", "show", commit)
}

func TestNotesAreReadByGit(t *testing.T) {
	everyWay(t, func(t *testing.T, c *campus, cfg Config) {
		commit := c.push("first", map[string]string{"a": "1"})
		notes := NewNotes(open(t, cfg))
		for _, s := range []reconciler.Status{planned, applied} {
			if err := notes.SetStatus(t.Context(), commit, s); err != nil {
				t.Fatal(err)
			}
		}
		want := `{"context":"provost/plan","state":"running","description":"3 changes > 0"}
{"context":"provost/apply","state":"success","description":"62 guests, 124 records: applied","target_url":"https://provost.example.org/passes/1?a=1&b=2"}`
		if got := c.note(commit); got != want {
			t.Errorf("git notes show:\n%s\nwant:\n%s", got, want)
		}
		run(t, c.bare, nil, "git", "fsck", "--strict", "--no-dangling")

		tip := c.git("rev-parse", "refs/notes/provost")
		if err := notes.SetStatus(t.Context(), commit, planned); err != nil {
			t.Fatal(err)
		}
		c.note(commit)
		if now := c.git("rev-parse", "refs/notes/provost"); now != tip {
			t.Error("an equal status was pushed again")
		}
		done := planned
		done.State = reconciler.StatusSuccess
		if err := notes.SetStatus(t.Context(), commit, done); err != nil {
			t.Fatal(err)
		}
		got, err := NewNotes(open(t, cfg)).Statuses(t.Context(), commit)
		if err != nil || !slices.Equal(got, []reconciler.Status{done, applied}) {
			t.Errorf("statuses %v, %v", got, err)
		}
		if got, err := notes.Statuses(t.Context(), strings.Repeat("0", 40)); err != nil || got != nil {
			t.Errorf("statuses of another commit: %v, %v", got, err)
		}
	})
}

func TestNotesOfOthersStay(t *testing.T) {
	c := newCampus(t)
	commit := c.push("first", map[string]string{"a": "1"})
	c.git("notes", "--ref=provost", "add", "-m", "seen by Ada", commit)
	c.git("push", "-q", "origin", "refs/notes/provost")
	c.must(NewNotes(open(t, c.https())).SetStatus(t.Context(), commit, planned))
	if got := c.note(commit); !strings.HasPrefix(got, "seen by Ada\n{") {
		t.Errorf("note %q", got)
	}
}

// With some hundred notes git spreads them over folders; a status goes into the
// folder where git looks for it, and all other notes stay.
func TestNotesKeepTheFanOut(t *testing.T) {
	c := newCampus(t)
	commit := c.push("first", map[string]string{"a": "1"})
	blob := run(t, c.work, []byte("x"), "git", "hash-object", "-w", "--stdin")
	var in strings.Builder
	fmt.Fprintf(&in, "commit refs/notes/provost\ncommitter Ada <ada@example.org> 1700000000 +0000\ndata 0\n")
	for i := range 600 {
		name := madeUp(i)
		fmt.Fprintf(&in, "M 100644 %s %s/%s\n", blob, name[:2], name[2:])
	}
	run(t, c.work, []byte(in.String()), "git", "fast-import", "--quiet")
	c.git("push", "-q", "origin", "refs/notes/provost")

	notes := NewNotes(open(t, c.ssh()))
	others := []string{commit, madeUp(3), "fe" + strings.Repeat("1", 38), "fe" + strings.Repeat("2", 38)}
	for _, id := range others {
		c.must(notes.SetStatus(t.Context(), id, planned))
	}
	if got := c.note(commit); !strings.Contains(got, "3 changes") {
		t.Errorf("note %q", got)
	}
	paths := strings.Fields(c.git("ls-tree", "-r", "--name-only", "refs/notes/provost"))
	if len(paths) != 603 {
		t.Errorf("%d notes, want 603", len(paths))
	}
	for _, id := range others {
		if !slices.Contains(paths, id[:2]+"/"+id[2:]) {
			t.Errorf("no note at %s/%s", id[:2], id[2:])
		}
	}
	run(t, c.bare, nil, "git", "fsck", "--strict", "--no-dangling")
}

// madeUp is a made-up commit.
func madeUp(i int) string { return fmt.Sprintf("%02x%038x", i%200, i) }

// A push by somebody else between our reading and our writing is merged with.
func TestNotesMovedMeanwhile(t *testing.T) {
	everyWay(t, func(t *testing.T, c *campus, cfg Config) {
		commit := c.push("first", map[string]string{"a": "1"})
		other := c.push("second", map[string]string{"a": "2"})
		r := open(t, cfg)
		r.origin = &rival{origin: r.origin, times: 2, push: func(i int) {
			c.git("fetch", "-q", "origin", "+refs/notes/*:refs/notes/*")
			c.git("notes", "--ref=provost", "append", "-m", fmt.Sprint("rival ", i), other)
			c.git("push", "-q", "origin", "refs/notes/provost")
		}}
		if err := NewNotes(r).SetStatus(t.Context(), commit, planned); err != nil {
			t.Fatal(err)
		}
		if got := c.note(commit); !strings.Contains(got, "3 changes") {
			t.Errorf("our note: %q", got)
		}
		if got := c.note(other); !strings.Contains(got, "rival 1") || !strings.Contains(got, "rival 2") {
			t.Errorf("the rival's note: %q", got)
		}
		// A rival who never rests wins; the caller tries again later.
		r.origin.(*rival).times = 100
		err := NewNotes(r).SetStatus(t.Context(), commit, applied)
		wantError(t, err, "moved it meanwhile")
	})
}

func TestNotesWithoutTheRight(t *testing.T) {
	c := newCampus(t)
	commit := c.push("first", map[string]string{"a": "1"})
	hook := filepath.Join(c.bare, "hooks", "pre-receive")
	c.must(os.WriteFile(hook, []byte("#!/bin/sh\necho no right; exit 1\n"), 0o755))
	err := NewNotes(open(t, c.https())).SetStatus(t.Context(), commit, planned)
	wantError(t, err, "cannot write a note to", "pre-receive hook declined")
}

func FuzzNote(f *testing.F) {
	f.Add([]byte(`{"context":"provost/plan","state":"running","description":"x"}` + "\nseen by Ada\n"))
	f.Add([]byte("\n\n{\"context\":\"\"}\n{}{}\r\n\x00"))
	f.Add([]byte(`{"context":"provost/plan"`))
	f.Fuzz(func(t *testing.T, data []byte) {
		n := parseNote(data)
		before := n.statuses()
		n.set(planned)
		if n.set(planned) {
			t.Fatal("an equal status was a change")
		}
		again := parseNote(n.bytes())
		if !slices.Equal(again.statuses(), n.statuses()) {
			t.Fatalf("statuses %v became %v", n.statuses(), again.statuses())
		}
		if !slices.Contains(again.statuses(), planned) || len(again.statuses()) < len(before) {
			t.Fatalf("statuses %v, before %v", again.statuses(), before)
		}
	})
}

// rival is an origin where somebody else pushes first.
type rival struct {
	origin
	times int
	done  int
	push  func(i int)
}

func (r *rival) write(ctx context.Context, st store, ref plumbing.ReferenceName, old, new plumbing.Hash, objects []plumbing.Hash) error {
	if r.done < r.times {
		r.done++
		r.push(r.done)
	}
	return r.origin.write(ctx, st, ref, old, new, objects)
}
