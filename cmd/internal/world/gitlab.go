package world

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/sources/forge/gitlab/gitlabsim"
)

// startGitLab starts the forge and pushes the sample campus to it.
func (w *World) startGitLab(o Options) error {
	if _, err := exec.LookPath("git"); err != nil {
		return errors.New("git is not installed: the repository of the sample campus needs it")
	}
	server, err := gitlabsim.Start(gitlabsim.Options{Dir: w.path("gitlab"), Logger: o.Log})
	if err != nil {
		return err
	}
	w.GitLab = server
	w.stops = append(w.stops, func() { server.Close() })
	server.AddUser(Bot, botToken, "api", "read_repository")
	server.AddUser(Teacher, teacherToken, "api", "read_repository", "write_repository")
	if err := server.CreateProject(Project, "main"); err != nil {
		return err
	}
	if err := w.secret("gitlab-token", []byte(botToken+"\n")); err != nil {
		return err
	}
	return w.firstCommit(o.Tree)
}

const botToken, teacherToken = "glpat-demo-provost", "glpat-demo-teacher"

// CloneURL is where the teacher clones the campus from.
func (w *World) CloneURL() string { return w.GitLab.CloneURL(Project, Teacher) }

// firstCommit pushes tree as the first commit of main, with git itself.
func (w *World) firstCommit(tree projects.Tree) error {
	dir := w.path("campus")
	for path, file := range tree {
		target := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, file.Data, 0o644); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=main"},
		{"config", "user.name", "Camille Roux"},
		{"config", "user.email", "camille.roux@isima.fr"},
		{"add", "--all"},
		{"commit", "--quiet", "--message", "Open the campus"},
		{"remote", "add", "origin", w.CloneURL()},
		{"push", "--quiet", "--set-upstream", "origin", "main"},
	} {
		if _, err := Git(dir, args...); err != nil {
			return err
		}
	}
	commit, err := Git(dir, "rev-parse", "HEAD")
	w.Commit = strings.TrimSpace(commit)
	return err
}

// Git runs git in a directory, undisturbed by the configuration of whoever
// runs this program, and returns what it printed.
func Git(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"HOME="+filepath.Dir(dir))
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(complaint.String()))
	}
	return out.String(), nil
}

// CommitsURL is a page of commits and their statuses.
func (w *World) CommitsURL() string { return w.GitLab.URL() + "/" + Project + "/-/commits/main" }

// RequestsURL is a page of merge requests and their statuses.
func (w *World) RequestsURL() string { return w.GitLab.URL() + "/" + Project + "/-/merge_requests" }
