package github

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge"
	"github.com/provost-dev/provost/sources/forge/forgetest"
)

func TestForge(t *testing.T) {
	forgetest.Run(t, false, func(t *testing.T) forgetest.Server { return newServer(t) })
}

// server is a double of GitHub as far as its REST reference tells of the
// endpoints used; it refuses what the reference refuses.
type server struct {
	*forgetest.Front
	config Config

	mu       sync.Mutex
	commits  map[string][]status // oldest first
	requests []pull
}

type status struct {
	ID          int     `json:"id"`
	State       string  `json:"state"`
	Context     string  `json:"context"`
	Description *string `json:"description"`
	TargetURL   *string `json:"target_url"`
}

type pull struct {
	Number int    `json:"number"`
	State  string `json:"state"`
	Title  string `json:"title"`
	URL    string `json:"html_url"`
	User   user   `json:"user"`
	Head   end    `json:"head"`
	Base   end    `json:"base"`
}

type user struct {
	Login string `json:"login"`
}

type end struct {
	Ref  string `json:"ref"`
	SHA  string `json:"sha"`
	Repo *repo  `json:"repo"`
}

type repo struct {
	ID int `json:"id"`
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{commits: map[string][]status{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v3/repos/campus/infra/pulls", s.listPulls)
	mux.HandleFunc("GET /api/v3/repos/campus/infra/commits/{sha}/status", s.getStatus)
	mux.HandleFunc("POST /api/v3/repos/campus/infra/statuses/{sha}", s.postStatus)
	s.Front = forgetest.NewFront(t, "Bearer ", mux)
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
			Number: i, State: "open", Title: fmt.Sprint("course ", i), URL: fmt.Sprint("https://github.test/", i), User: user{"alice"},
			Head: end{"course", fmt.Sprintf("%040x", i), &repo{1}}, Base: end{"main", "", &repo{1}},
		}
		switch i % 6 {
		case 3:
			p.Head.Repo = &repo{2}
		case 0:
			p.Head.Repo = nil // the fork was deleted
		}
		s.requests = append(s.requests, p)
		want = append(want, sources.Request{
			ID: fmt.Sprint("#", i), Title: p.Title, Author: "alice", URL: p.URL, Ref: fmt.Sprintf("refs/pull/%d/head", i),
			Head: p.Head.SHA, SourceBranch: "course", TargetBranch: "main", Fork: i%3 == 0,
		})
	}
	closed, elsewhere := s.requests[0], s.requests[0]
	closed.State, elsewhere.Base.Ref = "closed", "other"
	s.requests = append(s.requests, closed, elsewhere)
	return want
}

func (s *server) Standing(commit string) []reconciler.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []reconciler.Status
	for _, st := range latest(s.commits[commit]) {
		known := map[string]reconciler.StatusState{"pending": "pending", "success": "success", "failure": "failed", "error": "canceled"}
		told := reconciler.Status{Context: st.Context, State: known[st.State], Description: *st.Description}
		if st.TargetURL != nil {
			told.TargetURL = *st.TargetURL
		}
		list = append(list, told)
	}
	return list
}

// latest are the newest statuses of each context, without regard to capitals.
func latest(all []status) []status {
	seen := map[string]bool{}
	var list []status
	for i := len(all) - 1; i >= 0; i-- {
		if key := strings.ToLower(all[i].Context); !seen[key] {
			seen[key] = true
			list = append(list, all[i])
		}
	}
	return list
}

func (s *server) listPulls(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	query := r.URL.Query()
	var list []pull
	for _, p := range s.requests {
		if p.State == query.Get("state") && p.Base.Ref == query.Get("base") {
			list = append(list, p)
		}
	}
	if query.Get("direction") != "asc" {
		forgetest.WriteJSON(w, 500, map[string]string{"message": "this double sorts one way only"})
		return
	}
	forgetest.WriteJSON(w, 200, forgetest.Page(w, r, list, "per_page", 100))
}

func (s *server) getStatus(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, ok := s.commits[r.PathValue("sha")]
	if !ok {
		forgetest.WriteJSON(w, 422, map[string]string{"message": "No commit found for SHA: " + r.PathValue("sha")})
		return
	}
	list := latest(all)
	shown := forgetest.Page(w, r, list, "per_page", 100)
	forgetest.WriteJSON(w, 200, map[string]any{"state": "pending", "sha": r.PathValue("sha"), "total_count": len(list), "statuses": shown})
}

func (s *server) postStatus(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sha := r.PathValue("sha")
	all, ok := s.commits[sha]
	var st status
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	known := map[string]bool{"error": true, "failure": true, "pending": true, "success": true}
	switch err := decoder.Decode(&st); {
	case !ok:
		forgetest.WriteJSON(w, 422, map[string]string{"message": "No commit found for SHA: " + sha})
	case err != nil || !known[st.State]:
		forgetest.WriteJSON(w, 422, map[string]string{"message": "Validation Failed: state is not included in the list"})
	case st.Description != nil && utf8.RuneCountInString(*st.Description) > 140:
		forgetest.WriteJSON(w, 422, map[string]string{"message": "Validation Failed: description is too long (maximum is 140 characters)"})
	case len(all) >= 1000:
		forgetest.WriteJSON(w, 422, map[string]string{"message": "Validation Failed: This SHA and context has reached the maximum number of statuses."})
	default:
		st.ID = len(all) + 1
		s.commits[sha] = append(all, st)
		forgetest.WriteJSON(w, 201, st)
	}
}

var success = reconciler.Status{
	Context: "Provost/Plan", State: reconciler.StatusSuccess, Description: "done", TargetURL: "https://provost.example.org/",
}

func TestLimitsSaidBy403(t *testing.T) {
	secondary := map[string]string{
		"message":           "You have exceeded a secondary rate limit.",
		"documentation_url": "https://docs.github.com/rest/overview/resources-in-the-rest-api#secondary-rate-limits",
	}
	for _, c := range []struct {
		name   string
		header map[string]string
		body   map[string]string
		atOnce bool // whether it is worth waiting for
	}{
		{"first limit", map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": fmt.Sprint(time.Now().Add(time.Hour).Unix())}, nil, false},
		{"first limit, about to end", map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": fmt.Sprint(time.Now().Unix())}, nil, true},
		{"second limit", nil, secondary, false},
		{"second limit with a time", map[string]string{"Retry-After": "5"}, secondary, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t)
			met := false
			s.Front = forgetest.NewFront(t, "Bearer ", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case !met:
					met = true
					for name, value := range c.header {
						w.Header().Set(name, value)
					}
					forgetest.WriteJSON(w, 403, c.body)
				case r.Method == http.MethodGet:
					forgetest.WriteJSON(w, 200, map[string]any{})
				default:
					forgetest.WriteJSON(w, 201, map[string]any{})
				}
			}))
			s.config.URL = s.Front.URL
			err := s.Forge(t).SetStatus(t.Context(), s.Commit(t), "main", success)
			if (err == nil) != c.atOnce || forge.Permanent(err) {
				t.Errorf("SetStatus gave %v after waiting %v", err, s.Waits())
			}
			if (len(s.Waits()) > 0) != c.atOnce {
				t.Errorf("it waited %v", s.Waits())
			}
		})
	}
}

func TestCapitalsDoNotMatter(t *testing.T) {
	s := newServer(t)
	commit := s.Commit(t)
	s.commits[commit] = []status{{Context: "PROVOST/plan", State: "success", Description: &success.Description, TargetURL: &success.TargetURL}}
	if err := s.Forge(t).SetStatus(t.Context(), commit, "main", success); err != nil || s.Writes() != 0 {
		t.Errorf("an equal status in capitals: %v, %d writes", err, s.Writes())
	}
}

func TestWhereGitHubIs(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{
		"":                          "https://api.github.com/",
		"https://github.com":        "https://api.github.com/",
		"https://github.campus.edu": "https://github.campus.edu/api/v3/",
	} {
		f, err := New(Config{URL: given, Project: "a/b", TokenFile: token}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.api.BaseURL.String(); got != want {
			t.Errorf("for %q it asks %s, want %s", given, got, want)
		}
	}
}

// Hostile texts in a status come back equal, or shortened, and once.
func TestUntrustedTextsInStatuses(t *testing.T) {
	s := newServer(t)
	commit := s.Commit(t)
	forgetest.Untrusted(t, commit, longest, func() sources.Forge { return s.Forge(t) }, func() []reconciler.Status { return s.Standing(commit) }, s.Writes)
}
