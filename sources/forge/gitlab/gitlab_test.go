package gitlab

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge"
	"github.com/provost-dev/provost/sources/forge/forgetest"
	"github.com/provost-dev/provost/sources/forge/gitlab/gitlabsim"
)

const project = "campus/deep/infra"

func TestForge(t *testing.T) {
	forgetest.Run(t, true, func(t *testing.T) forgetest.Server { return newServer(t, gitlabsim.Options{}) })
}

// server is gitlabsim as forgetest sees it.
type server struct {
	*gitlabsim.Server
	config Config

	mu    sync.Mutex
	waits []time.Duration
}

func newServer(t *testing.T, o gitlabsim.Options) *server {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not on PATH (Debian package git)")
	}
	sim, err := gitlabsim.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	if err := sim.CreateProject(project, "main"); err != nil {
		t.Fatal(err)
	}
	sim.AddUser("bot", forgetest.Token, "api")
	s := &server{Server: sim}
	s.config = Config{URL: sim.URL(), Project: project, Branch: "main", TokenFile: file(t, "token", forgetest.Token+"\n"), Timeout: 5 * time.Second}
	if o.TLS {
		s.config.CAFile = file(t, "ca.pem", string(sim.CACert()))
	}
	return s
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s *server) forge(t *testing.T) *Forge {
	t.Helper()
	f, err := New(s.config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	f.journal.Wait = func(_ context.Context, d time.Duration) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.waits = append(s.waits, d)
		return nil
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func (s *server) Forge(t *testing.T) sources.Forge { return s.forge(t) }

func (s *server) Waits() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waits
}

// Commit makes a commit in the repository itself, without a push.
func (s *server) Commit(t *testing.T) string { return s.commitOn(t, project, "main") }

func (s *server) commitOn(t *testing.T, path, branch string) string {
	t.Helper()
	ref := "refs/heads/" + branch
	git := func(args ...string) string {
		cmd := exec.Command("git", append([]string{"-C", s.RepoDir(path)}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull,
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
		cmd.Stdin = strings.NewReader("")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("git %s: %v", args[0], err)
		}
		return strings.TrimSpace(string(out))
	}
	arguments := []string{"commit-tree", git("hash-object", "-w", "-t", "tree", "--stdin"), "-m", fmt.Sprint(t.Name(), time.Now())}
	if parent := git("for-each-ref", "--format=%(objectname)", ref); parent != "" {
		arguments = append(arguments, "-p", parent)
	}
	commit := git(arguments...)
	git("update-ref", ref, commit)
	return commit
}

func (s *server) OpenRequests(t *testing.T, n int) []sources.Request {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	head := s.commitOn(t, project, "course")
	s.commitOn(t, project, "other")
	must(s.Fork(project, "alice/infra"))
	var want []sources.Request
	for i := range n {
		from := project
		if i%3 == 0 {
			from = "alice/infra"
		}
		iid, err := s.OpenForkMR(project, from, "course", "main", fmt.Sprint("course ", i))
		must(err)
		want = append(want, sources.Request{
			ID: fmt.Sprintf("!%d", iid), Title: fmt.Sprint("course ", i), Author: "root", Head: head,
			URL: fmt.Sprintf("%s/%s/-/merge_requests/%d", s.URL(), project, iid),
			Ref: fmt.Sprintf("refs/merge-requests/%d/head", iid), SourceBranch: "course", TargetBranch: "main",
			Fork: i%3 == 0,
		})
	}
	closed, err := s.OpenMR(project, "course", "main", "closed")
	must(err)
	must(s.CloseMR(project, closed))
	_, err = s.OpenMR(project, "course", "other", "into another branch")
	must(err)
	return want
}

func (s *server) Standing(commit string) []reconciler.Status {
	newest := map[string]gitlabsim.Status{}
	for _, st := range s.Statuses(project, commit) {
		newest[st.Name] = st
	}
	var list []reconciler.Status
	for _, st := range newest {
		list = append(list, reconciler.Status{
			Context: st.Name, State: reconciler.StatusState(st.State), Description: st.Description, TargetURL: st.TargetURL,
		})
	}
	return list
}

func (s *server) Writes() int {
	n := 0
	for _, r := range s.Requests() {
		if r.Method == "POST" && (r.Status == 201 || r.Status == 0) {
			n++
		}
	}
	return n
}

func (s *server) Asked() int { return len(s.Requests()) }

func (s *server) Answer(status int, after time.Duration) {
	s.Inject(gitlabsim.Fault{Status: status, RetryAfter: after})
}
func (s *server) DropWrite() {
	s.Inject(gitlabsim.Fault{Method: "POST", Path: "/statuses/", DropAnswer: true})
}
func (s *server) Hang()   { s.Inject(gitlabsim.Fault{Hang: true}) }
func (s *server) Revoke() { s.AddUser("bot", "another-token", "api") }

var success = reconciler.Status{Context: reconciler.ContextPlan, State: reconciler.StatusSuccess, Description: "done"}

func with(s reconciler.Status, state reconciler.StatusState) reconciler.Status {
	s.State = state
	return s
}

func TestOverTLS(t *testing.T) {
	s := newServer(t, gitlabsim.Options{TLS: true})
	commit := s.Commit(t)
	if err := s.forge(t).SetStatus(t.Context(), commit, "main", success); err != nil {
		t.Error(err)
	}
	s.config.CAFile = ""
	if err := s.forge(t).SetStatus(t.Context(), commit, "main", success); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority gave %v", err)
	}
}

func TestConflictIsWaitedFor(t *testing.T) {
	s := newServer(t, gitlabsim.Options{})
	commit, f := s.Commit(t), s.forge(t)
	s.Inject(gitlabsim.Fault{Method: "POST", Path: "/statuses/", Status: 409, Times: 3})
	if err := f.SetStatus(t.Context(), commit, "main", success); err != nil {
		t.Fatal(err)
	}
	if got := len(s.Waits()); got != 3 {
		t.Errorf("it waited %d times, want 3", got)
	}
}

func TestTwoHundredIsGoodToo(t *testing.T) {
	s := newServer(t, gitlabsim.Options{})
	commit := s.Commit(t)
	s.Inject(gitlabsim.Fault{Method: "POST", Path: "/statuses/", Status: 200, Body: `{"id":1,"pipeline_id":2,"status":"success"}`})
	if err := s.forge(t).SetStatus(t.Context(), commit, "main", success); err != nil {
		t.Error(err)
	}
}

func TestRefusalsAreFinal(t *testing.T) {
	for status, body := range map[int]string{
		400: `{"message":{"name":["has already been taken"]}}`,
		403: `{"message":"403 Forbidden"}`,
		404: `{"message":"404 Commit Not Found"}`,
		405: `{"message":"Non GET methods are not allowed for moved projects"}`,
		422: `{"message":"The number of jobs has exceeded the limit"}`,
	} {
		s := newServer(t, gitlabsim.Options{})
		commit := s.Commit(t)
		s.Inject(gitlabsim.Fault{Method: "POST", Path: "/statuses/", Status: status, Body: body})
		if err := s.forge(t).SetStatus(t.Context(), commit, "main", success); !forge.Permanent(err) {
			t.Errorf("%d gave %v, want a permanent error", status, err)
		}
	}
}

func TestJobOfTheSameNameIsAnError(t *testing.T) {
	s := newServer(t, gitlabsim.Options{})
	commit := s.Commit(t)
	if _, err := s.StartCI(project, commit, "main", success.Context); err != nil {
		t.Fatal(err)
	}
	err := s.forge(t).SetStatus(t.Context(), commit, "main", success)
	if !forge.Permanent(err) || !strings.Contains(err.Error(), "already been taken") {
		t.Errorf("error is %v", err)
	}
}

// refs tells on which refs statuses of provost stand, and in which state.
func (s *server) refs(commit string) []string {
	var list []string
	for _, st := range s.Statuses(project, commit) {
		if strings.HasPrefix(st.Name, "provost/") {
			list = append(list, st.Ref+" "+st.State)
		}
	}
	slices.Sort(list)
	return list
}

func TestWhereAStatusGoes(t *testing.T) {
	for _, c := range []struct {
		name      string
		pipelines []string // refs of GitLab's own, oldest first
		branch    string
		want      string
	}{
		{"no pipeline", nil, "main", "main success"},
		{"no pipeline, branch not known", nil, "", "main success"},
		{"no pipeline, request", nil, "course", "course success"},
		{"branch pipeline", []string{"course"}, "course", "course success"},
		{"pipelines of the request", []string{"refs/merge-requests/1/head"}, "course", "refs/merge-requests/1/head success"},
		{"both", []string{"refs/merge-requests/1/head", "course"}, "course", "course success"},
		{"merged by fast-forward", []string{"course", "refs/merge-requests/1/head"}, "main", "main success"},
		{"newest, branch not known", []string{"course", "other"}, "", "other success"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t, gitlabsim.Options{})
			commit := s.Commit(t)
			for _, ref := range c.pipelines {
				if _, err := s.StartCI(project, commit, ref, "build"); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.forge(t).SetStatus(t.Context(), commit, c.branch, success); err != nil {
				t.Fatal(err)
			}
			if got := s.refs(commit); !slices.Equal(got, []string{c.want}) {
				t.Errorf("statuses stand on %q, want %q", got, c.want)
			}
		})
	}
}

func TestVerdictSettlesWhatWasLeftOpen(t *testing.T) {
	s := newServer(t, gitlabsim.Options{})
	commit := s.Commit(t)
	if err := s.forge(t).SetStatus(t.Context(), commit, "course", with(success, reconciler.StatusRunning)); err != nil {
		t.Fatal(err)
	}
	// GitLab's own pipeline appears late, and the daemon starts anew.
	if _, err := s.StartCI(project, commit, "course", "build"); err != nil {
		t.Fatal(err)
	}
	f := s.forge(t)
	if err := f.SetStatus(t.Context(), commit, "course", success); err != nil {
		t.Fatal(err)
	}
	if got, want := s.refs(commit), []string{"course success", "course success"}; !slices.Equal(got, want) {
		t.Errorf("statuses are %q, want %q: the older one blocks the merge", got, want)
	}
}

func TestProjectIsFoundByPathOnce(t *testing.T) {
	s := newServer(t, gitlabsim.Options{})
	commit, f := s.Commit(t), s.forge(t)
	for range 3 {
		if _, err := f.Requests(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.SetStatus(t.Context(), commit, "main", success); err != nil {
		t.Fatal(err)
	}
	byPath := 0
	for _, r := range s.Requests() {
		if strings.Contains(r.Path, "%2F") {
			byPath++
		}
	}
	if byPath != 1 || s.Requests()[0].Path != "/api/v4/projects/campus%2Fdeep%2Finfra" {
		t.Errorf("the project was asked for by path %d times: %+v", byPath, s.Requests())
	}
}

func TestRotatedToken(t *testing.T) {
	s := newServer(t, gitlabsim.Options{})
	commit, f := s.Commit(t), s.forge(t)
	s.AddUser("bot", "fresh-token", "api")
	if err := f.SetStatus(t.Context(), commit, "main", success); !forge.Permanent(err) {
		t.Errorf("the old token gave %v", err)
	}
	if err := os.WriteFile(s.config.TokenFile, []byte("fresh-token"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.SetStatus(t.Context(), commit, "main", success); err != nil {
		t.Error(err)
	}
}

func TestScopeIsNamed(t *testing.T) {
	s := newServer(t, gitlabsim.Options{})
	s.AddUser("bot", forgetest.Token, "read_api")
	err := s.forge(t).SetStatus(t.Context(), s.Commit(t), "main", success)
	if !forge.Permanent(err) || !strings.Contains(err.Error(), "insufficient_scope") {
		t.Errorf("error is %v", err)
	}
}

func TestNothingIsLoggedThatIsSecret(t *testing.T) {
	s := newServer(t, gitlabsim.Options{})
	var logged bytes.Buffer
	f, err := New(s.config, slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	commit := s.Commit(t)
	for _, state := range []reconciler.StatusState{"running", "pending", "success"} {
		if err := f.SetStatus(t.Context(), commit, "main", with(success, state)); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(logged.String(), "open already") || strings.Contains(logged.String(), forgetest.Token) {
		t.Errorf("log is %s", logged.String())
	}
}

// GitLab cannot change the text of a status that stays open.
func TestOpenStatusWithAnotherText(t *testing.T) {
	s := newServer(t, gitlabsim.Options{})
	for _, state := range []reconciler.StatusState{reconciler.StatusPending, reconciler.StatusRunning} {
		commit, f := s.Commit(t), s.forge(t)
		for _, text := range []string{"1 of 2", "2 of 2"} {
			progress := with(success, state)
			progress.Description = text
			if err := f.SetStatus(t.Context(), commit, "main", progress); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.refs(commit); !slices.Equal(got, []string{"main " + string(state)}) {
			t.Errorf("statuses are %q", got)
		}
		if err := f.SetStatus(t.Context(), commit, "main", success); err != nil {
			t.Fatal(err)
		}
		if got := s.refs(commit); !slices.Equal(got, []string{"main success"}) {
			t.Errorf("statuses are %q", got)
		}
	}
}

// Hostile texts in a status come back equal, or shortened, and once.
func TestUntrustedTextsInStatuses(t *testing.T) {
	s := newServer(t, gitlabsim.Options{})
	commit := s.Commit(t)
	forgetest.Untrusted(t, commit, longest, func() sources.Forge { return s.Forge(t) }, func() []reconciler.Status { return s.Standing(commit) }, s.Writes)
}
