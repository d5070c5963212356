package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
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

// environmentSecret stands in the environment of every provost of the stories.
const environmentSecret = "canary-of-the-environment-5e1d"

// wantNoSecrets ends every story: no secret of the campus may stand in what was
// printed, in a page, in a status, in a note or anything else that was pushed, nor
// in the state directory, packed or not.
func wantNoSecrets(t testscript.T, w *world.World, output string) {
	secrets, err := secretsOf(filepath.Join(w.Dir, "secrets"))
	if err != nil || len(secrets) < 9 {
		t.Fatal("cannot tell the secrets of the campus", len(secrets), err)
	}
	if leak := findSecret(secrets, output, filepath.Join(w.Dir, "state")); leak != "" {
		t.Fatal(leak)
	}
	repo := w.GitLab.RepoDir(world.Project)
	pushed, err := world.Git(repo, "log", "--all", "--patch", "--no-color")
	if err != nil {
		t.Fatal(err)
	}
	if leak := leakIn(secrets, []byte(pushed)); leak != "" {
		t.Fatal("a commit or note shows the secret in " + leak)
	}
	commits, err := world.Git(repo, "rev-list", "--all")
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

// secretsOf are the telling parts of all secret files, by file, and those that
// stand elsewhere: in the environment, and in the live systems.
func secretsOf(dir string) (map[string][]byte, error) {
	secrets := map[string][]byte{
		"the environment": []byte(environmentSecret), "cloud-init": []byte(world.CloudInitPassword),
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasSuffix(name, "ca.pem") || strings.HasSuffix(name, "known-hosts") {
			continue // for everybody to see
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		secret := lines[len(lines)/2] // of a key, its middle
		if name == "pve-token" {
			// The part before "=" is a name and no secret.
			_, secret, _ = strings.Cut(secret, "=")
		}
		if len(secret) < 8 {
			return nil, fmt.Errorf("the secret in %s is too short to be looked for", name)
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

// leakIn looks for secrets as they are, as an address, JSON or base64 spells them,
// and inside of what is packed: passes are kept so.
func leakIn(secrets map[string][]byte, data []byte) string {
	for name, secret := range secrets {
		quoted := strconv.Quote(string(secret))
		for _, spelled := range []string{
			string(secret), quoted[1 : len(quoted)-1], url.QueryEscape(string(secret)), url.PathEscape(string(secret)),
			base64.StdEncoding.EncodeToString(secret),
		} {
			if bytes.Contains(data, []byte(spelled)) {
				return name
			}
		}
	}
	for {
		at := bytes.Index(data, []byte("\x1f\x8b\x08"))
		if at < 0 {
			return ""
		}
		if r, err := gzip.NewReader(bytes.NewReader(data[at:])); err == nil {
			r.Multistream(false)
			inner, _ := io.ReadAll(r) // as far as it goes: the file goes on with something else
			if name := leakIn(secrets, inner); name != "" {
				return name
			}
		}
		data = data[at+3:]
	}
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
	var packed bytes.Buffer
	packed.WriteString("pages of a database \x1f\x8b\x08 and ")
	w := gzip.NewWriter(&packed)
	io.WriteString(w, `{"error":"login with s3cret failed"}`) //nolint:errcheck // into memory
	w.Close()
	packed.WriteString(" more")
	for _, text := range []string{packed.String(), "https://x/?token=s3cret", "czNjcmV0"} {
		if leakIn(secrets, []byte(text)) != "token" {
			t.Errorf("the secret was not found in %q", text)
		}
	}
}
