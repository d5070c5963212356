package git

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"pgregory.net/rapid"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
)

func TestMerge(t *testing.T) {
	base := map[string]string{"campus.yaml": "name: cri\n", "projects/a.yaml": "a: 1\n", "projects/b.yaml": "b: 1\n"}
	tests := []struct {
		name    string
		ours    map[string]string // what the branch does after the request was begun
		theirs  map[string]string
		changed []string
		problem string
		want    map[string]string // the merged tree beside base; "" where a file is gone
	}{
		{
			name:    "added",
			theirs:  map[string]string{"projects/c.yaml": "c: 1\n"},
			changed: []string{"projects/c.yaml"},
			want:    map[string]string{"projects/c.yaml": "c: 1\n"},
		},
		{
			name:    "the branch gained a file meanwhile",
			ours:    map[string]string{"projects/d.yaml": "d: 1\n"},
			theirs:  map[string]string{"projects/b.yaml": "b: 2\n"},
			changed: []string{"projects/b.yaml"},
			want:    map[string]string{"projects/b.yaml": "b: 2\n", "projects/d.yaml": "d: 1\n"},
		},
		{
			name:    "removed",
			ours:    map[string]string{"projects/d.yaml": "d: 1\n"},
			theirs:  map[string]string{"projects/a.yaml": ""},
			changed: []string{"projects/a.yaml"},
			want:    map[string]string{"projects/a.yaml": "", "projects/d.yaml": "d: 1\n"},
		},
		{
			name:    "the same on both sides",
			ours:    map[string]string{"projects/a.yaml": "a: 2\n"},
			theirs:  map[string]string{"projects/a.yaml": "a: 2\n", "projects/c.yaml": "c: 1\n"},
			changed: []string{"projects/a.yaml", "projects/c.yaml"},
			want:    map[string]string{"projects/a.yaml": "a: 2\n", "projects/c.yaml": "c: 1\n"},
		},
		{
			name:    "changed on both sides",
			ours:    map[string]string{"projects/a.yaml": "a: 2\n"},
			theirs:  map[string]string{"projects/a.yaml": "a: 3\n"},
			changed: []string{"projects/a.yaml"},
			problem: "rebase: projects/a.yaml changed on both sides",
		},
		{
			name:    "several changed on both sides",
			ours:    map[string]string{"projects/a.yaml": "a: 2\n", "projects/b.yaml": ""},
			theirs:  map[string]string{"projects/a.yaml": "", "projects/b.yaml": "b: 2\n"},
			changed: []string{"projects/a.yaml", "projects/b.yaml"},
			problem: "rebase: projects/a.yaml and 1 more changed on both sides",
		},
		{
			name:    "removed here, changed there",
			ours:    map[string]string{"projects/a.yaml": ""},
			theirs:  map[string]string{"projects/a.yaml": "a: 3\n"},
			changed: []string{"projects/a.yaml"},
			problem: "rebase: projects/a.yaml changed on both sides",
		},
		{
			name:    "a file here, a folder there",
			ours:    map[string]string{"keys": "a file\n"},
			theirs:  map[string]string{"keys/ada": "ssh-ed25519\n"},
			changed: []string{"keys/ada"},
			problem: "rebase: keys/ada changed on both sides",
		},
	}
	c := newCampus(t)
	cfg := c.https()
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c.t = t
			c.git("checkout", "-q", "--orphan", "base")
			c.git("rm", "-rfq", "--ignore-unmatch", ".")
			c.commit("base", base)
			c.git("checkout", "-q", "-B", "request")
			head := c.commit("request", test.theirs)
			ref := "refs/merge-requests/" + string(rune('1'+i)) + "/head"
			c.git("push", "-q", "origin", "HEAD:"+ref)
			c.git("checkout", "-q", "base")
			c.push("branch", test.ours)
			c.git("checkout", "-q", "--detach")
			c.git("branch", "-q", "-D", "base")

			r := open(t, cfg)
			snap, err := r.Latest(t.Context())
			c.must(err)
			tree, changed, problem, err := r.Merge(t.Context(), snap, ref, head)
			c.must(err)
			if problem != test.problem || !slices.Equal(changed, test.changed) {
				t.Fatalf("problem %q, changed %q; want %q, %q", problem, changed, test.problem, test.changed)
			}
			got := map[string]string{}
			for name, f := range tree {
				got[name] = string(f.Data)
			}
			want := map[string]string{}
			if test.problem == "" {
				maps.Copy(want, base)
				maps.Copy(want, test.want)
				maps.DeleteFunc(want, func(_, data string) bool { return data == "" })
			}
			if !maps.Equal(got, want) {
				t.Errorf("tree %q, want %q", got, want)
			}
		})
	}
}

func TestMergeOfWhatCannotBe(t *testing.T) {
	everyWay(t, func(t *testing.T, c *campus, cfg Config) {
		c.push("first", map[string]string{"a": "1"})
		r := open(t, cfg)
		snap, err := r.Latest(t.Context())
		c.must(err)

		gone := "0123456789012345678901234567890123456789"
		_, _, _, err = r.Merge(t.Context(), snap, "refs/pull/1/head", gone)
		wantError(t, err, gone, "refs/pull/1/head", "next pass")
		_, _, _, err = r.Merge(t.Context(), snap, "--upload-pack=sh", gone)
		wantError(t, err, "not a reference and a commit")

		c.push("second", map[string]string{"a": "2"})
		newer, err := r.Latest(t.Context())
		c.must(err)
		for _, head := range []string{newer.Commit, snap.Commit} { // merged, or nothing was ever pushed to it
			if _, _, _, err = r.Merge(t.Context(), newer, "refs/pull/2/head", head); !errors.Is(err, sources.ErrMerged) {
				t.Errorf("a head that the branch holds: %v", err)
			}
		}

		c.git("checkout", "-q", "--orphan", "unrelated")
		head := c.commit("unrelated", map[string]string{"b": "1"})
		c.git("push", "-q", "origin", "HEAD:refs/pull/3/head")
		_, _, problem, err := r.Merge(t.Context(), snap, "refs/pull/3/head", head)
		if err != nil || problem != "rebase: it has no history in common with main" {
			t.Errorf("problem %q, error %v", problem, err)
		}
		if _, _, _, err = r.Merge(t.Context(), reconciler.Snapshot{Commit: gone}, "refs/pull/3/head", head); err == nil {
			t.Error("a base that is not there is no error")
		}
	})
}

// Against every pair of sides, merge says of each path what the table says.
func TestMergeIsThreeWay(t *testing.T) {
	side := rapid.MapOf(rapid.SampledFrom([]string{"a", "b", "c", "d"}), rapid.SampledFrom([]byte{1, 2, 3}))
	rapid.Check(t, func(t *rapid.T) {
		make := func(name string) entries {
			out := entries{}
			for path, b := range side.Draw(t, name) {
				out[path] = entry{hash: plumbing.Hash{b}}
			}
			return out
		}
		fork, ours, theirs := make("fork"), make("ours"), make("theirs")
		m := merge(fork, ours, theirs)
		for _, name := range []string{"a", "b", "c", "d"} {
			f, o, h := fork[name], ours[name], theirs[name] // the zero entry is absence
			if got, want := slices.Contains(m.paths(), name), h != f; got != want {
				t.Errorf("%s changed: %v, want %v", name, got, want)
			}
			if got, want := slices.Contains(m.conflicts, name), h != f && o != f && o != h; got != want {
				t.Errorf("%s in conflict: %v, want %v", name, got, want)
			}
			if got := m.written()[name]; h != f && got != h {
				t.Errorf("%s becomes %v, want %v", name, got, h)
			}
		}
	})
}
