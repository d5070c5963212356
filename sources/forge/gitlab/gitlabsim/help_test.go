package gitlabsim

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// start starts a server with the project campus/infra, the bot with the scope
// api and alice, who may push.
func start(t *testing.T, o Options) *Server {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not on PATH (Debian package git)")
	}
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.CreateProject("campus/infra", "main"); err != nil {
		t.Fatal(err)
	}
	s.AddUser("bot", "glpat-bot", "api")
	s.AddUser("alice", "glpat-alice", "write_repository", "read_api")
	return s
}

// work is a clone that a person works in.
type work struct {
	t   *testing.T
	dir string
	env []string
}

// clone clones a project by the real git.
func clone(t *testing.T, s *Server, project, user string) work {
	t.Helper()
	w := work{t: t, dir: t.TempDir()}
	w.env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Alice", "GIT_AUTHOR_EMAIL=alice@campus.example", "GIT_COMMITTER_NAME=Alice", "GIT_COMMITTER_EMAIL=alice@campus.example")
	if ca := s.CACert(); ca != nil {
		file := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(file, ca, 0o600); err != nil {
			t.Fatal(err)
		}
		w.env = append(w.env, "GIT_SSL_CAINFO="+file)
	}
	w.git("clone", "-q", s.CloneURL(project, user), ".")
	w.git("checkout", "-q", "-B", "main")
	return w
}

// try runs git and gives all it wrote.
func (w work) try(args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = w.dir, w.env
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (w work) git(args ...string) string {
	w.t.Helper()
	out, err := w.try(args...)
	if err != nil {
		w.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// commit writes a file, commits it and gives the commit's hash.
func (w work) commit(file, content, subject string) string {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, file), []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
	w.git("add", file)
	w.git("commit", "-q", "-m", subject)
	return w.git("rev-parse", "HEAD")
}

// reply is an answer of the API.
type reply struct {
	status int
	header http.Header
	text   string
}

func (r reply) decode(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.text), into); err != nil {
		t.Fatalf("%v in %s", err, r.text)
	}
}

// ask asks the API as a user with that token.
func ask(t *testing.T, s *Server, token, method, path, body string) reply {
	t.Helper()
	r, err := http.NewRequest(method, s.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	} else if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if token != "" {
		r.Header.Set("PRIVATE-TOKEN", token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{answer.StatusCode, answer.Header, strings.TrimSpace(string(text))}
}
