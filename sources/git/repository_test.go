package git

import (
	"context"
	"maps"
	"strings"
	"sync"
	"testing"
)

func TestLatestFollowsTheBranch(t *testing.T) {
	everyWay(t, func(t *testing.T, c *campus, cfg Config) {
		r := open(t, cfg)
		first := c.push("the first\n\nwith a body", map[string]string{"campus.yaml": "name: cri\n", "projects/a.yaml": "a: 1\n"})
		snap, err := r.Latest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if snap.Commit != first || snap.Branch != "main" || snap.Author != "Ada <ada@example.org>" || snap.Subject != "the first" || snap.Time.IsZero() {
			t.Errorf("snapshot %+v", snap)
		}
		if _, files := latest(t, r); !maps.Equal(files, map[string]string{"campus.yaml": "name: cri\n", "projects/a.yaml": "a: 1\n"}) {
			t.Errorf("files %q", files)
		}

		second := c.push("the second", map[string]string{"projects/a.yaml": "", "projects/b.yaml": "b: 2\n"})
		commit, files := latest(t, r)
		if commit != second || !maps.Equal(files, map[string]string{"campus.yaml": "name: cri\n", "projects/b.yaml": "b: 2\n"}) {
			t.Errorf("commit %s (want %s), files %q", commit, second, files)
		}
	})
}

func TestForcePushIsFollowedAndLogged(t *testing.T) {
	everyWay(t, func(t *testing.T, c *campus, cfg Config) {
		log := new(journal)
		r := openIn(t, cfg, t.TempDir(), log)
		c.push("one", map[string]string{"a": "1"})
		old := c.push("two", map[string]string{"a": "2"})
		latest(t, r)
		if strings.Contains(log.String(), "rewritten") {
			t.Fatal("an ordinary push was called a rewrite")
		}
		c.git("reset", "-q", "--hard", "HEAD~1")
		rewritten := c.push("another two", map[string]string{"a": "3"})
		commit, files := latest(t, r)
		if commit != rewritten || files["a"] != "3" {
			t.Errorf("commit %s (want %s), files %q", commit, rewritten, files)
		}
		for _, word := range []string{"rewritten", "old=" + old, "new=" + rewritten} {
			if !strings.Contains(log.String(), word) {
				t.Errorf("the log does not say %q: %s", word, log)
			}
		}
		// Back to a commit that is known already: nothing needs to be fetched.
		c.git("reset", "-q", "--hard", "HEAD~1")
		c.git("push", "-q", "-f", "origin", "HEAD:main")
		if _, files := latest(t, r); files["a"] != "1" {
			t.Errorf("files %q", files)
		}
	})
}

func TestEmptyRepository(t *testing.T) {
	everyWay(t, func(t *testing.T, c *campus, cfg Config) {
		r := open(t, cfg)
		_, err := r.Latest(t.Context())
		wantError(t, err, "empty", "push a first commit", "main")
		want := c.push("first", map[string]string{"a": "1"})
		if commit, _ := latest(t, r); commit != want {
			t.Errorf("commit %s, want %s", commit, want)
		}
	})
}

func TestVanishedBranch(t *testing.T) {
	everyWay(t, func(t *testing.T, c *campus, cfg Config) {
		r := open(t, cfg)
		commit := c.push("first", map[string]string{"a": "1"})
		latest(t, r)
		c.git("push", "-q", "origin", "HEAD:trunk")
		run(t, c.bare, nil, "git", "update-ref", "-d", "refs/heads/main")
		_, err := r.Latest(t.Context())
		wantError(t, err, `no branch "main"`, "trunk", commit[:10], "stands")
		c.git("push", "-q", "origin", "HEAD:main")
		if got, _ := latest(t, r); got != commit {
			t.Errorf("commit %s, want %s", got, commit)
		}
	})
}

func TestUnchangedBranchSharesTheTree(t *testing.T) {
	c := newCampus(t)
	r := open(t, c.https())
	c.push("first", map[string]string{"a": "1", "b": "1"})
	first, err := r.Latest(t.Context())
	c.must(err)
	again, err := r.Latest(t.Context())
	c.must(err)
	if &first.Tree["a"].Data[0] != &again.Tree["a"].Data[0] {
		t.Error("the tree was read twice")
	}
	c.push("second", map[string]string{"b": "2"})
	next, err := r.Latest(t.Context())
	c.must(err)
	if &first.Tree["a"].Data[0] != &next.Tree["a"].Data[0] {
		t.Error("a file that did not change was read again")
	}
}

func TestAnotherBranch(t *testing.T) {
	c := newCampus(t)
	cfg := c.https()
	cfg.Branch = "campus/production"
	want := c.push("first", map[string]string{"a": "1"})
	c.git("push", "-q", "origin", "HEAD:campus/production")
	c.push("second", map[string]string{"a": "2"})
	for url, path := range map[string]string{cfg.URL: "", c.bare: c.bare, "file://" + c.bare: c.bare} {
		cfg.URL = url
		r := open(t, cfg)
		if r.Path() != path {
			t.Errorf("%s: path %q, want %q", url, r.Path(), path)
		}
		if got, files := latest(t, r); got != want || files["a"] != "1" {
			t.Errorf("%s: commit %s, files %q", url, got, files)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	c := newCampus(t)
	cfg := c.https()
	base := c.push("base", map[string]string{"a": "1"})
	head := c.commit("request", map[string]string{"b": "1"})
	c.git("push", "-q", "origin", "HEAD:refs/pull/1/head")
	r := open(t, cfg)
	snap, err := r.Latest(t.Context())
	c.must(err)
	if snap.Commit != base {
		t.Fatalf("commit %s, want %s", snap.Commit, base)
	}
	notes := NewNotes(r)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if _, err := r.Latest(context.Background()); err != nil {
				t.Error(err)
			}
		})
		wait.Go(func() {
			if tree, _, problem, err := r.Merge(context.Background(), snap, "refs/pull/1/head", head); err != nil || problem != "" || len(tree) != 2 {
				t.Errorf("%d files, %q, %v", len(tree), problem, err)
			}
		})
		wait.Go(func() {
			if err := notes.SetStatus(context.Background(), base, applied); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	r := open(t, Config{URL: t.TempDir()})
	r.turn <- struct{}{} // somebody else is at it
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Latest(ctx); err != context.Canceled {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}
