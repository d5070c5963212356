package gitea

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge/forgetest"
)

func TestForge(t *testing.T) {
	forgetest.Run(t, false, func(t *testing.T) forgetest.Server { return newServer(t) })
}

// server is a double of Gitea as far as its API's description and source tell
// of the endpoints used; it refuses what they refuse.
type server struct {
	*forgetest.Front
	config Config

	mu       sync.Mutex
	commits  map[string][]status // oldest first
	requests []pull
}

type status struct {
	ID          int    `json:"id"`
	State       string `json:"status"`
	Context     string `json:"context"`
	Description string `json:"description"`
	TargetURL   string `json:"target_url"`
}

type pull struct {
	Number int    `json:"number"`
	State  string `json:"state"`
	Title  string `json:"title"`
	URL    string `json:"html_url"`
	User   user   `json:"user"`
	Head   *end   `json:"head"`
	Base   *end   `json:"base"`
}

type user struct {
	Login string `json:"login"`
}

type end struct {
	Ref  string `json:"ref"`
	SHA  string `json:"sha"`
	Repo int    `json:"repo_id"`
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{commits: map[string][]status{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/repos/campus/infra/pulls", s.listPulls)
	mux.HandleFunc("GET /api/v1/repos/campus/infra/commits/{sha}/statuses", s.listStatuses)
	mux.HandleFunc("POST /api/v1/repos/campus/infra/statuses/{sha}", s.postStatus)
	s.Front = forgetest.NewFront(t, "token ", mux)
	s.config = Config{URL: s.URL, Project: "campus/infra", Branch: "main", TokenFile: filepath.Join(t.TempDir(), "token")}
	if err := os.WriteFile(s.config.TokenFile, []byte(forgetest.Token), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *server) Forge(t *testing.T) sources.Forge {
	t.Helper()
	f, err := New(s.config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	f.journal.Wait = func(_ context.Context, d time.Duration) error {
		s.Wait(d)
		return nil
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func (s *server) Commit(*testing.T) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	sha := fmt.Sprintf("%040x", len(s.commits)+1)
	s.commits[sha] = nil
	return sha
}

func (s *server) OpenRequests(_ *testing.T, n int) []sources.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var want []sources.Request
	for i := 1; i <= n; i++ {
		p := pull{
			Number: i, State: "open", Title: fmt.Sprint("course ", i), URL: fmt.Sprint("https://gitea.test/", i), User: user{"alice"},
			Head: &end{"course", fmt.Sprintf("%040x", i), 1}, Base: &end{"main", "", 1},
		}
		if i%3 == 0 {
			p.Head.Repo = 2
		}
		s.requests = append(s.requests, p)
		want = append(want, sources.Request{
			ID: fmt.Sprint("#", i), Title: p.Title, Author: "alice", URL: p.URL, Ref: fmt.Sprintf("refs/pull/%d/head", i),
			Head: p.Head.SHA, SourceBranch: "course", TargetBranch: "main", Fork: i%3 == 0,
		})
	}
	closed, elsewhere, broken := s.requests[0], s.requests[0], s.requests[0]
	closed.State, elsewhere.Base, broken.Head = "closed", &end{"other", "", 1}, nil
	s.requests = append(s.requests, closed, elsewhere, broken)
	return want
}

func (s *server) Standing(commit string) []reconciler.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	newest := map[string]status{}
	for _, st := range s.commits[commit] {
		newest[st.Context] = st
	}
	known := map[string]reconciler.StatusState{"pending": "pending", "success": "success", "failure": "failed", "error": "canceled"}
	var list []reconciler.Status
	for _, st := range newest {
		list = append(list, reconciler.Status{
			Context: st.Context, State: known[st.State], Description: st.Description, TargetURL: st.TargetURL,
		})
	}
	return list
}

func (s *server) listPulls(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []pull
	for _, p := range s.requests {
		if p.State == r.URL.Query().Get("state") {
			list = append(list, p)
		}
	}
	if r.URL.Query().Get("sort") != "oldest" {
		slices.Reverse(list)
	}
	forgetest.WriteJSON(w, 200, forgetest.Page(w, r, list, "limit", 50))
}

// listStatuses sorts by the second of creation, which is the same for all in a
// test: any order is right, so this one gives the worst.
func (s *server) listStatuses(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, ok := s.commits[r.PathValue("sha")]
	if !ok {
		forgetest.WriteJSON(w, 404, map[string]string{"message": "The target couldn't be found."})
		return
	}
	forgetest.WriteJSON(w, 200, forgetest.Page(w, r, all, "limit", 50))
}

func (s *server) postStatus(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var given struct {
		State       string `json:"state"`
		Context     string `json:"context"`
		Description string `json:"description"`
		TargetURL   string `json:"target_url"`
	}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&given)
	all, ok := s.commits[r.PathValue("sha")]
	switch {
	case !ok:
		forgetest.WriteJSON(w, 404, map[string]string{"message": "object does not exist"})
	case err != nil || !slices.Contains([]string{"pending", "success", "error", "failure", "warning", "skipped"}, given.State):
		forgetest.WriteJSON(w, 422, map[string]string{"message": "invalid state"})
	default:
		st := status{len(all) + 1, given.State, given.Context, given.Description, given.TargetURL}
		s.commits[r.PathValue("sha")] = append(all, st)
		forgetest.WriteJSON(w, 201, st)
	}
}

func TestNewestOfManyPages(t *testing.T) {
	s := newServer(t)
	commit := s.Commit(t)
	want := reconciler.Status{Context: reconciler.ContextPlan, State: reconciler.StatusSuccess, Description: "the newest"}
	for i := range 70 {
		s.commits[commit] = append(s.commits[commit], status{ID: i + 1, State: "failure", Context: want.Context, Description: "old"})
	}
	f := s.Forge(t)
	if err := f.SetStatus(t.Context(), commit, "", want); err != nil {
		t.Fatal(err)
	}
	if err := s.Forge(t).SetStatus(t.Context(), commit, "", want); err != nil || s.Writes() != 1 {
		t.Errorf("setting it again gave %v, %d writes", err, s.Writes())
	}
}

func TestStatesThatProvostDoesNotWrite(t *testing.T) {
	for state, writes := range map[string]int{"error": 1, "failure": 0, "warning": 1, "skipped": 1, "pending": 1} {
		s := newServer(t)
		commit := s.Commit(t)
		s.commits[commit] = []status{{ID: 1, State: state, Context: reconciler.ContextPlan, Description: "no"}}
		failed := reconciler.Status{Context: reconciler.ContextPlan, State: reconciler.StatusFailed, Description: "no"}
		if err := s.Forge(t).SetStatus(t.Context(), commit, "", failed); err != nil || s.Writes() != writes {
			t.Errorf("over %s: %v, %d writes, want %d", state, err, s.Writes(), writes)
		}
	}
}

// Hostile texts in a status come back equal, or shortened, and once.
func TestUntrustedTextsInStatuses(t *testing.T) {
	s := newServer(t)
	commit := s.Commit(t)
	forgetest.Untrusted(t, commit, longest, func() sources.Forge { return s.Forge(t) }, func() []reconciler.Status { return s.Standing(commit) }, s.Writes)
}
