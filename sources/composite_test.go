package sources

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
)

// stubRepo merges a request into a tree that names both sides.
type stubRepo struct {
	mu     sync.Mutex
	snap   reconciler.Snapshot
	merges []string
	fail   map[string]error // by head
	hang   map[string]bool  // by head
}

func (r *stubRepo) Latest(context.Context) (reconciler.Snapshot, error) {
	if r.snap.Commit == "" {
		return reconciler.Snapshot{}, errors.New("no answer")
	}
	return r.snap, nil
}

func (r *stubRepo) Merge(ctx context.Context, base reconciler.Snapshot, ref, head string) (projects.Tree, []string, string, error) {
	if r.hang[head] {
		<-ctx.Done()
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.merges = append(r.merges, base.Commit+"+"+head)
	if err := r.fail[head]; err != nil {
		return nil, nil, "", err
	}
	if strings.HasPrefix(head, "conflict") {
		return nil, []string{"a.yaml"}, "rebase: a.yaml changed on both sides", nil
	}
	return projects.Tree{ref: {Data: []byte(base.Commit + "+" + head)}}, []string{"a.yaml"}, "", nil
}

// stubForge has requests, and remembers on which branch each status came.
type stubForge struct {
	mu       sync.Mutex
	requests []Request
	down     error
	endless  bool // its list has always one more page
	branches map[string]string
}

func (f *stubForge) Requests(ctx context.Context) ([]Request, error) {
	if f.endless {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return f.requests, f.down
}

func (f *stubForge) SetStatus(_ context.Context, commit, branch string, _ reconciler.Status) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.branches[commit] = branch
	return nil
}

func request(n int, head string) Request {
	return Request{
		ID: fmt.Sprint("!", n), Title: "title", Author: "ada", URL: "https://git.example.org/!",
		Ref: fmt.Sprintf("refs/merge-requests/%d/head", n), Head: head,
		SourceBranch: "feature", TargetBranch: "main",
	}
}

func TestCompositeProposals(t *testing.T) {
	base := reconciler.Snapshot{Commit: "base1", Branch: "main"}
	repo := &stubRepo{snap: base, fail: map[string]error{"moved": errors.New("not there any more")}}
	forge := &stubForge{branches: map[string]string{}}
	elsewhere, fork := request(4, "h4"), request(5, "h5")
	elsewhere.TargetBranch = "staging"
	fork.Fork = true
	forge.requests = []Request{request(1, "h1"), request(2, "conflict2"), request(3, "moved"), elsewhere, fork, request(6, "base1")}
	repo.fail["base1"] = fmt.Errorf("as git says it: %w", ErrMerged)
	c := New(repo, forge, quiet)

	if _, err := c.Latest(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := c.Proposals(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, p := range got {
		text := p.ID + " " + p.Commit + " " + p.Problem
		if p.Unread {
			text += "unread"
		}
		ids = append(ids, text)
	}
	if text, want := strings.Join(ids, ", "), "!1 h1 , !2 conflict2 rebase: a.yaml changed on both sides, !3 moved unread, !5 h5 "; text != want {
		t.Errorf("proposals %q, want %q", text, want)
	}
	if p := got[0]; p.Title != "title" || p.Author != "ada" || p.URL == "" || len(p.Changed) != 1 || string(p.Tree["refs/merge-requests/1/head"].Data) != "base1+h1" {
		t.Errorf("proposal %+v", p)
	}

	// The same again asks the repository only for the one that failed.
	repo.merges = nil
	if _, err := c.Proposals(t.Context(), base); err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(repo.merges, ", "); text != "base1+moved" {
		t.Errorf("merges %q", text)
	}
	// A new base, and a new head, are worked out anew.
	base.Commit = "base2"
	repo.merges = nil
	forge.requests = []Request{request(1, "h1"), request(2, "h2")}
	if _, err := c.Proposals(t.Context(), base); err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(repo.merges, ", "); text != "base2+h1, base2+h2" {
		t.Errorf("merges %q", text)
	}

	for _, commit := range []string{"base1", "h1", "h5", "unheard"} {
		if err := c.SetStatus(t.Context(), commit, status("plan", "text")); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.Backlog() != 0 {
		t.Errorf("%d statuses wait after Close", c.Backlog())
	}
	want := map[string]string{"base1": "main", "h1": "feature", "h5": "refs/merge-requests/5/head", "unheard": ""}
	if !maps.Equal(forge.branches, want) {
		t.Errorf("statuses on %q, want %q", forge.branches, want)
	}
}

func TestCompositeErrors(t *testing.T) {
	forge := &stubForge{down: errors.New("connection refused")}
	c := New(&stubRepo{}, forge, quiet)
	defer c.Close(t.Context())
	if _, err := c.Latest(t.Context()); err == nil || err.Error() != "no answer" {
		t.Errorf("error %v", err)
	}
	if _, err := c.Proposals(t.Context(), reconciler.Snapshot{}); err == nil || !strings.Contains(err.Error(), "cannot list the open requests: connection refused") {
		t.Errorf("error %v", err)
	}
	forge.down = nil
	forge.requests = []Request{request(1, "h1")}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := c.Proposals(ctx, reconciler.Snapshot{Branch: "main"}); !errors.Is(err, context.Canceled) {
		t.Errorf("proposals %v, error %v", got, err)
	}
}

// readOf are those that could be read.
func readOf(proposals []reconciler.Proposal) []reconciler.Proposal {
	return slices.DeleteFunc(slices.Clone(proposals), func(p reconciler.Proposal) bool { return p.Unread })
}

func TestTooManyRequests(t *testing.T) {
	forge := &stubForge{}
	for i := range 2 * maxRequests {
		forge.requests = append(forge.requests, request(i, fmt.Sprint("h", i)))
	}
	c := New(&stubRepo{}, forge, quiet)
	defer c.Close(t.Context())
	got, err := c.Proposals(t.Context(), reconciler.Snapshot{Branch: "main"})
	if err != nil || len(readOf(got)) != maxRequests || len(got) != 2*maxRequests {
		t.Errorf("%d proposals, %d read, %v", len(got), len(readOf(got)), err)
	}
}

// Requests that cannot be read cost something too.
func TestTooManyRequestsThatFail(t *testing.T) {
	forge, repo := &stubForge{}, &stubRepo{fail: map[string]error{}}
	for i := range 2 * maxRequests {
		head := fmt.Sprint("h", i)
		forge.requests = append(forge.requests, request(i, head))
		repo.fail[head] = errors.New("not there")
	}
	c := New(repo, forge, quiet)
	defer c.Close(t.Context())
	if got, err := c.Proposals(t.Context(), reconciler.Snapshot{Branch: "main"}); err != nil || len(readOf(got)) > 0 || len(repo.merges) > maxRequests {
		t.Errorf("%d proposals, %d asked for, error %v", len(got), len(repo.merges), err)
	}
}

// A server that hangs over one request delays a pass by so much and no more, and
// keeps no other request from being answered.
func TestARequestThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forge, repo := &stubForge{}, &stubRepo{hang: map[string]bool{"h0": true, "h2": true}}
		for i := range 5 {
			forge.requests = append(forge.requests, request(i, fmt.Sprint("h", i)))
		}
		c := New(repo, forge, quiet)
		answered := map[string]bool{}
		for range 3 {
			begun := time.Now()
			got, err := c.Proposals(t.Context(), reconciler.Snapshot{Commit: "base", Branch: "main"})
			if took := time.Since(begun); err != nil || took > 30*time.Second {
				t.Errorf("it took %s, error %v", took, err)
			}
			for _, p := range readOf(got) {
				answered[p.Commit] = true
			}
		}
		if len(answered) != 3 {
			t.Errorf("only %v were answered", answered)
		}
		c.Close(t.Context())
	})
}

func TestAnEndlessListOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(&stubRepo{}, &stubForge{endless: true}, quiet)
		begun := time.Now()
		if _, err := c.Proposals(t.Context(), reconciler.Snapshot{Branch: "main"}); err == nil || time.Since(begun) > readLimit {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
		c.Close(t.Context())
	})
}

type stubNotes map[string]reconciler.Status

func (n stubNotes) SetStatus(_ context.Context, commit string, s reconciler.Status) error {
	n[commit] = s
	return nil
}

func TestWithoutForge(t *testing.T) {
	notes := stubNotes{}
	for _, f := range []Forge{WithoutForge(notes), WithoutForge(nil)} {
		c := New(&stubRepo{}, f, quiet)
		if got, err := c.Proposals(t.Context(), reconciler.Snapshot{}); got != nil || err != nil {
			t.Errorf("proposals %v, %v", got, err)
		}
		if err := c.SetStatus(t.Context(), "c1", status("plan", "text")); err != nil {
			t.Error(err)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if notes["c1"] != status("plan", "text") {
		t.Errorf("notes %v", notes)
	}
}
