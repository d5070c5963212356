package git

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// campus is a repository made by the real git, with a clone to push from.
type campus struct {
	t    *testing.T
	bare string
	work string
}

// newCampus makes an empty bare repository and a clone of it.
func newCampus(t *testing.T) *campus {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("wants the Debian package git")
	}
	dir := t.TempDir()
	c := &campus{t: t, bare: filepath.Join(dir, "campus.git"), work: filepath.Join(dir, "work")}
	run(t, dir, nil, "git", "init", "-q", "--bare", "-b", "main", c.bare)
	run(t, dir, nil, "git", "init", "-q", "-b", "main", c.work)
	c.git("remote", "add", "origin", c.bare)
	return c
}

// git runs git in the clone and gives what it prints.
func (c *campus) git(args ...string) string {
	c.t.Helper()
	return run(c.t, c.work, nil, "git", args...)
}

// commit writes files ("" removes one) and commits them. It gives the commit.
func (c *campus) commit(subject string, files map[string]string) string {
	c.t.Helper()
	for name, data := range files {
		full := filepath.Join(c.work, name)
		if data == "" {
			c.must(os.Remove(full))
			continue
		}
		c.must(os.MkdirAll(filepath.Dir(full), 0o755))
		c.must(os.WriteFile(full, []byte(data), 0o644))
	}
	c.git("add", "-A")
	c.git("commit", "-q", "--allow-empty", "-m", subject)
	return c.git("rev-parse", "HEAD")
}

// push commits and pushes to main.
func (c *campus) push(subject string, files map[string]string) string {
	c.t.Helper()
	commit := c.commit(subject, files)
	c.git("push", "-q", "-f", "origin", "HEAD:main")
	return commit
}

func (c *campus) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func run(t *testing.T, dir string, stdin []byte, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.Env = gitEnv()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// gitEnv keeps the settings of whoever runs the tests out of them, and lets git
// neither wait for the disk nor tidy up in the background.
func gitEnv() []string {
	return append(os.Environ(),
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_TERMINAL_PROMPT=0",
		"GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_0=core.fsync", "GIT_CONFIG_VALUE_0=none",
		"GIT_CONFIG_KEY_1=gc.auto", "GIT_CONFIG_VALUE_1=0",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org",
		"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.org")
}

// open gives a Repository that keeps its mirror in a directory of the test.
func open(t *testing.T, cfg Config) *Repository {
	t.Helper()
	return openIn(t, cfg, t.TempDir(), new(journal))
}

func openIn(t *testing.T, cfg Config, dir string, log *journal) *Repository {
	t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute
	}
	r, err := New(cfg, dir, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// journal is a log that tests read.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

// latest reads the repository, and fails the test where that fails.
func latest(t *testing.T, r *Repository) (commit string, files map[string]string) {
	t.Helper()
	snap, err := r.Latest(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	files = map[string]string{}
	for name, f := range snap.Tree {
		files[name] = string(f.Data) + f.Refused
	}
	return snap.Commit, files
}

// wantError fails the test unless err says all of the words.
func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one that says %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}
