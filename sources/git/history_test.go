package git

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/provost-dev/provost/policies/trust"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/sources"
)

// onDisk is a campus whose repository is read where it lies.
func onDisk(t *testing.T) (*campus, *Repository) {
	t.Helper()
	c := newCampus(t)
	return c, open(t, Config{URL: c.bare})
}

func hashes(commits []sources.Commit) string {
	var out []string
	for _, c := range commits {
		out = append(out, c.Hash[:7])
	}
	return strings.Join(out, " ")
}

func TestCommitsGoTheWayOfTheBranch(t *testing.T) {
	c, r := onDisk(t)
	a := c.push("a", map[string]string{"x": "1"})
	b := c.push("b", map[string]string{"policies/p": "1"})
	c.git("checkout", "-q", "-b", "side", a)
	side := c.commit("side", map[string]string{"y": "1"})
	c.git("checkout", "-q", "main")
	c.git("merge", "-q", "--no-ff", "-m", "merge", "side")
	merge := c.git("rev-parse", "HEAD")
	c.git("push", "-q", "origin", "main")
	if commit, _ := latest(t, r); commit != merge {
		t.Fatalf("the head is %s", commit)
	}
	short := func(all ...string) string {
		for i := range all {
			all[i] = all[i][:7]
		}
		return strings.Join(all, " ")
	}
	for _, q := range []struct{ from, want string }{
		{"", short(a, b, merge)},
		{a, short(b, merge)},
		{b, short(merge)},
		{merge, ""},
		{side, short(merge)}, // not on the way, though the merge took it in
	} {
		got, err := r.Commits(t.Context(), q.from, merge)
		if err != nil || hashes(got) != q.want {
			t.Errorf("from %q: %s, %v; want %s", q.from, hashes(got), err, q.want)
		}
	}
	for _, stranger := range []string{strings.Repeat("0", 39) + "1", merge} {
		if _, err := r.Commits(t.Context(), stranger, a); !errors.Is(err, sources.ErrNoDescent) {
			t.Errorf("from %s to %s: %v", stranger, a, err)
		}
	}
	all, _ := r.Commits(t.Context(), "", merge)
	if all[0].Rules != "" || all[1].Rules == "" || all[1].Rules != all[2].Rules {
		t.Errorf("folders of rules %q %q %q", all[0].Rules, all[1].Rules, all[2].Rules)
	}
	folder, err := r.Folder(t.Context(), merge, trust.Folder)
	if err != nil || len(folder) != 1 || string(folder["policies/p"].Data) != "1" {
		t.Errorf("folder %v, %v", folder, err)
	}
	if folder, err := r.Folder(t.Context(), a, trust.Folder); err != nil || len(folder) != 0 {
		t.Errorf("no folder: %v, %v", folder, err)
	}
	if snap, err := r.At(t.Context(), a); err != nil || snap.Commit != a || len(snap.Tree) != 1 {
		t.Errorf("snapshot %+v, %v", snap, err)
	}
}

func TestChanges(t *testing.T) {
	c, r := onDisk(t)
	a := c.push("a", map[string]string{"same/s": "1", "gone": "1", "deep/er/x": "1", "folder/f": "1", "file": "1"})
	c.git("rm", "-rq", "folder", "file", "gone")
	b := c.push("b", map[string]string{"new": "2", "deep/er/x": "2", "folder": "now a file", "file/f": "now a folder"})
	latest(t, r)
	got, err := r.Changes(t.Context(), a, b)
	if err != nil {
		t.Fatal(err)
	}
	if want := "deep/er/x file file/f folder folder/f gone new"; strings.Join(got.Paths, " ") != want {
		t.Errorf("paths %v, want %s", got.Paths, want)
	}
	text := func(tree projects.Tree) string {
		var out []string
		for name, f := range tree {
			out = append(out, name+"="+string(f.Data))
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	if want := "deep/er/x=1 file=1 folder/f=1 gone=1"; text(got.Before) != want {
		t.Errorf("before %s, want %s", text(got.Before), want)
	}
	if want := "deep/er/x=2 file/f=now a folder folder=now a file new=2"; text(got.After) != want {
		t.Errorf("after %s, want %s", text(got.After), want)
	}
	if same, err := r.Changes(t.Context(), a, a); err != nil || len(same.Paths) != 0 {
		t.Errorf("%v, %v", same, err)
	}
	// A mode is a change: a link has the content of a file.
	if err := os.Symlink("1", filepath.Join(c.work, "link")); err != nil {
		t.Fatal(err)
	}
	d := c.push("link", map[string]string{})
	latest(t, r)
	if got, err := r.Changes(t.Context(), b, d); err != nil || len(got.Paths) != 1 || got.After["link"].Refused == "" {
		t.Errorf("%+v, %v", got, err)
	}
}

// What git and ssh-keygen or gpg sign is what we take for signed, whatever
// headers a commit has.
func TestCommitsSignedByGit(t *testing.T) {
	for _, kind := range []string{"ssh", "openpgp"} {
		t.Run(kind, func(t *testing.T) {
			tool := map[string]string{"ssh": "ssh-keygen", "openpgp": "gpg"}[kind]
			if _, err := exec.LookPath(tool); err != nil {
				t.Skipf("%s is not installed (Debian packages openssh-client and gnupg)", tool)
			}
			c, r := onDisk(t)
			keys := signWith(t, c, kind)
			first := c.push("a\n\nwith a body\n\n gpgsig in it\n", map[string]string{"projects/a.yaml": "a: 1"})
			c.git("-c", "i18n.commitEncoding=ISO-8859-1", "commit", "-q", "--allow-empty", "-m", "an encoding")
			c.git("tag", "-s", "-m", "signed, too", "v1")
			c.git("checkout", "-q", "-b", "side", first)
			c.commit("side", map[string]string{"y": "1"})
			c.git("tag", "-s", "-m", "for a mergetag header", "v2")
			c.git("checkout", "-q", "main")
			c.git("merge", "-q", "--no-ff", "-m", "merge a tag", "v2")
			c.git("push", "-q", "origin", "main")
			head, _ := latest(t, r)
			commits, err := r.Commits(t.Context(), "", head)
			if err != nil || len(commits) != 3 {
				t.Fatalf("%d commits, %v", len(commits), err)
			}
			rules, problems := trust.Read(keys)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			for i, commit := range commits {
				asked := trust.Commit{Signed: commit.Signed, Signature: commit.Signature, Changed: []string{"projects/a.yaml"}, At: commit.When}
				if reason := rules.Signers.Object(asked); reason != "" {
					t.Errorf("commit %d: %s\n%s", i, reason, commit.Signed)
				}
				asked.Signed = append(bytes.Clone(commit.Signed), '.')
				if rules.Signers.Object(asked) == "" {
					t.Errorf("commit %d is believed with a letter more", i)
				}
			}
		})
	}
}

// signWith makes a key and has the campus sign with it; it gives the rules that
// trust it.
func signWith(t *testing.T, c *campus, kind string) projects.Tree {
	t.Helper()
	rules := projects.Tree{"policies/signers.yaml": {Data: []byte("apiVersion: provost/v1\nkind: Signers\nrules: [{paths: '**', signers: ada}]\n")}}
	dir := t.TempDir()
	c.git("config", "gpg.format", kind)
	c.git("config", "commit.gpgsign", "true")
	if kind == "ssh" {
		key := filepath.Join(dir, "key")
		run(t, dir, nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
		c.git("config", "user.signingkey", key+".pub")
		public, err := os.ReadFile(key + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		rules["policies/keys/allowed_signers"] = projects.File{Data: fmt.Appendf(nil, "ada %s", public)}
		return rules
	}
	// gpg's agent listens in its home, and a socket's path must be short.
	home, err := os.MkdirTemp("", "gnupg")
	if err != nil {
		t.Fatal(err)
	}
	gpg := func(args ...string) []byte {
		cmd := exec.Command("gpg", append([]string{"--homedir", home, "--batch", "--quiet"}, args...)...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("gpg %s: %v", args, err)
		}
		return out
	}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() //nolint:errcheck // it ends by itself, later
		os.RemoveAll(home)
	})
	gpg("--passphrase", "", "--quick-gen-key", "Ada <ada@example.org>", "ed25519", "sign")
	program := filepath.Join(dir, "gpg")
	if err := os.WriteFile(program, fmt.Appendf(nil, "#!/bin/sh\nexec gpg --homedir %s \"$@\"\n", home), 0o755); err != nil {
		t.Fatal(err)
	}
	c.git("config", "gpg.program", program)
	c.git("config", "user.signingkey", "ada@example.org")
	rules["policies/keys/ada.asc"] = projects.File{Data: gpg("--armor", "--export", "ada@example.org")}
	return rules
}

const (
	someTree = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
	someone  = "author A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n"
	someSig  = "gpgsig -----BEGIN SSH SIGNATURE-----\n U1NI\n -----END SSH SIGNATURE-----\n"
)

func decode(raw string) (*object.Commit, error) {
	obj := new(plumbing.MemoryObject)
	obj.SetType(plumbing.CommitObject)
	if _, err := obj.Write([]byte(raw)); err != nil {
		return nil, err
	}
	return object.DecodeCommit(nil, obj)
}

// A commit that two readers could read in two ways has no signature.
func TestSignedPart(t *testing.T) {
	const armor = "-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----\n"
	const other = "tree 1b825dc642cb6eb9a060e54bf8d69288fbee4904\n"
	for _, c := range []struct{ name, raw, signed, signature string }{
		{"signed", someTree + someone + someSig + "\nmessage\n", someTree + someone + "\nmessage\n", armor},
		{"unsigned", someTree + someone + "\nmessage\n", someTree + someone + "\nmessage\n", ""},
		{"a header after it", someTree + someone + someSig + "encoding x\n\nm", someTree + someone + "encoding x\n\nm", armor},
		{"the word in the message", someTree + someone + "\n" + someSig, someTree + someone + "\n" + someSig, ""},
		{"two signatures", someTree + someone + someSig + someSig + "\nm", "", ""},
		{"two trees", other + someTree + someone + someSig + "\nm", "", ""},
		{"a tree after it", someTree + someone + someSig + other + "\nm", "", ""},
		{"a parent after it", someTree + someone + someSig + "parent 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nm", "", ""},
		{"two authors", someTree + someone + "author B <b@b> 1 +0000\n" + someSig + "\nm", "", ""},
		{"another hash's signature", someTree + someone + "gpgsig-sha256 x\n" + someSig + "\nm", "", ""},
	} {
		read, err := decode(c.raw)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		signed, signature := signedPart([]byte(c.raw), read)
		if string(signed) != c.signed || signature != c.signature {
			t.Errorf("%s: signed %q, signature %q", c.name, signed, signature)
		}
	}
}

// What is taken apart has lost nothing but the signature.
func FuzzSignedPart(f *testing.F) {
	f.Add(someTree + someone + someSig + "\nmessage\n")
	f.Add(someTree + "parent 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n" + someone + "mergetag object x\n type commit\n" + someSig + "\nm")
	f.Add(someTree + someone + someSig)
	f.Add("\n\n")
	f.Fuzz(func(t *testing.T, raw string) {
		read, err := decode(raw)
		if err != nil {
			return
		}
		signed, signature := signedPart([]byte(raw), read)
		if signature == "" && signed != nil && string(signed) != raw && string(signed) != raw+"\n" && !strings.Contains(raw, "gpgsig") {
			t.Fatalf("unsigned %q became %q", raw, signed)
		}
		if signature == "" {
			return
		}
		again, err := decode(string(signed))
		if err != nil || again.TreeHash != read.TreeHash || !slices.Equal(again.ParentHashes, read.ParentHashes) || again.Message != read.Message {
			t.Fatalf("%q says something else when %q is taken out: %v", raw, signature, err)
		}
	})
}
