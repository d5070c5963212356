package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/provost-dev/provost/cmd/internal/world"
)

// outputFile gathers all that the provosts of a story print, and the pages that
// the story looked at.
const outputFile = "all-output"

// overheardMain is main with a copy of its output kept for [wantNoSecrets].
func overheardMain() {
	out, err := os.OpenFile(os.Getenv("STORY_OUTPUT"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitError)
	}
	os.Exit(runUntilSignal(&terminal{in: os.Stdin, out: io.MultiWriter(os.Stdout, out), err: io.MultiWriter(os.Stderr, out)}, os.Args[1:]))
}

func overhear(ts *testscript.TestScript, text string) {
	out, err := os.OpenFile(ts.Getenv("STORY_OUTPUT"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	defer out.Close()
	_, err = io.WriteString(out, text)
	ts.Check(err)
}

// wantNoSecrets ends every story: no secret of the campus may stand in what was
// printed, in a page, in a status, or in the state directory.
func wantNoSecrets(t testscript.T, w *world.World, output string) {
	secrets, err := secretsOf(filepath.Join(w.Dir, "secrets"))
	if err != nil || len(secrets) < 5 {
		t.Fatal("cannot tell the secrets of the campus", len(secrets), err)
	}
	if leak := findSecret(secrets, output, filepath.Join(w.Dir, "state")); leak != "" {
		t.Fatal(leak)
	}
	commits, err := world.Git(w.GitLab.RepoDir(world.Project), "rev-list", "--all")
	if err != nil {
		t.Fatal(err)
	}
	for commit := range strings.FieldsSeq(commits) {
		for _, s := range w.GitLab.Statuses(world.Project, commit) {
			if leak := leakIn(secrets, []byte(s.Description+" "+s.TargetURL)); leak != "" {
				t.Fatal("a commit status shows the secret in " + leak)
			}
		}
	}
}

// secretsOf are the telling parts of the secret files, by file.
func secretsOf(dir string) (map[string][]byte, error) {
	secrets := map[string][]byte{}
	for _, name := range []string{"gitlab-token", "webhook-secret", "windows-password", "pve-token", "pve-ssh-key"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		secret := lines[len(lines)/2]
		if name == "pve-token" {
			// The part before "=" is a name and no secret.
			_, secret, _ = strings.Cut(secret, "=")
		}
		secrets[name] = []byte(secret)
	}
	return secrets, nil
}

// findSecret looks into files and everything below directories.
func findSecret(secrets map[string][]byte, paths ...string) (leak string) {
	for _, path := range paths {
		filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error { //nolint:errcheck // what is gone holds nothing
			if err != nil || !entry.Type().IsRegular() {
				return nil
			}
			if data, err := os.ReadFile(file); err == nil {
				if name := leakIn(secrets, data); name != "" {
					leak = file + " holds the secret in " + name
				}
			}
			return nil
		})
	}
	return leak
}

func leakIn(secrets map[string][]byte, data []byte) string {
	for name, secret := range secrets {
		if bytes.Contains(data, secret) {
			return name
		}
	}
	return ""
}

func TestSecretsAreFound(t *testing.T) {
	dir := t.TempDir()
	secrets := map[string][]byte{"token": []byte("s3cret")}
	if leak := findSecret(secrets, dir, filepath.Join(dir, "none")); leak != "" {
		t.Error(leak)
	}
	if err := os.WriteFile(filepath.Join(dir, "log"), []byte("login with s3cret failed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if leak := findSecret(secrets, dir); !strings.Contains(leak, "the secret in token") {
		t.Errorf("the secret was not found: %q", leak)
	}
}
