package git

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/provost-dev/provost/projects"
)

// What real git makes of links, submodules, modes and large files.
func TestTreeRefusals(t *testing.T) {
	everyWay(t, func(t *testing.T, c *campus, cfg Config) {
		files := map[string]string{
			"plain.yaml":    "a: 1\n",
			"run.sh":        "#!/bin/sh\n",
			"full":          strings.Repeat("x", maxFile),
			"over":          strings.Repeat("x", maxFile+1),
			"élèves/é.yaml": "b: 1\n",
		}
		commit := c.commit("files", files)
		link := run(t, c.work, []byte("/etc/passwd"), "git", "hash-object", "-w", "--stdin")
		c.git("update-index", "--add", "--cacheinfo", "120000,"+link+",keys/link")
		c.git("update-index", "--add", "--cacheinfo", "160000,"+commit+",vendor/module")
		c.git("update-index", "--chmod=+x", "run.sh")
		c.git("commit", "-q", "-m", "link and submodule")
		c.git("push", "-q", "origin", "HEAD:main")

		_, got := latest(t, open(t, cfg))
		files["over"] = "is larger than 1 MiB"
		files["keys/link"] = "is a symbolic link"
		files["vendor/module"] = "is a submodule"
		if !maps.Equal(got, files) {
			t.Errorf("files %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(files)))
		}
		snap, err := open(t, cfg).Latest(t.Context())
		c.must(err)
		for _, name := range []string{"over", "keys/link", "vendor/module"} {
			if f := snap.Tree[name]; f.Refused == "" || f.Data != nil {
				t.Errorf("%s is handed over", name)
			}
		}
	})
}

// forge is a store with trees that git would not make.
type forge struct {
	t *testing.T
	store
}

func newForge(t *testing.T) forge { return forge{t, memory.NewStorage()} }

func (f forge) blob(data string) plumbing.Hash {
	w := writer{st: f}
	return w.blob([]byte(data))
}

// tree writes entries in the order given, sorted or not.
func (f forge) tree(entries ...object.TreeEntry) plumbing.Hash {
	f.t.Helper()
	obj := f.NewEncodedObject()
	obj.SetType(plumbing.TreeObject)
	out, err := obj.Writer()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, e := range entries {
		fmt.Fprintf(out, "%o %s\x00", uint32(e.Mode), e.Name)
		_, _ = out.Write(e.Hash[:])
	}
	hash, err := f.SetEncodedObject(obj)
	if err != nil {
		f.t.Fatal(err)
	}
	return hash
}

func (f forge) read(root plumbing.Hash) (projects.Tree, error) {
	found, err := list(context.Background(), f, root)
	if err != nil {
		return nil, err
	}
	return blobs{}.read(context.Background(), f, found, nil)
}

func TestInvalidNames(t *testing.T) {
	f := newForge(t)
	b := f.blob("a: 1\n")
	file := func(name string) object.TreeEntry {
		return object.TreeEntry{Name: name, Mode: filemode.Regular, Hash: b}
	}
	inner := f.tree(file("config"))
	bad := []string{".", "..", ".git", ".GIT", "a/b", `a\b`, "a\nb", "\x1b[31m", "\xff"}
	entries := []object.TreeEntry{file("good.yaml"), {Name: "..", Mode: filemode.Dir, Hash: inner}}
	for _, name := range bad {
		entries = append(entries, file(name))
	}
	tree, err := f.read(f.tree(entries...))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(tree["good.yaml"].Data); got != "a: 1\n" {
		t.Errorf("good.yaml is %q", got)
	}
	if len(tree) != 1+len(bad) {
		t.Errorf("%d files: %q", len(tree), slices.Sorted(maps.Keys(tree)))
	}
	for name, file := range tree {
		if name != "good.yaml" && (file.Refused == "" || file.Data != nil || !strings.HasPrefix(name, `"`)) {
			t.Errorf("%q is handed over: %+v", name, file)
		}
	}
}

func TestFileThatStandsTwice(t *testing.T) {
	f := newForge(t)
	one, two := f.blob("1"), f.blob("2")
	tree, err := f.read(f.tree(
		object.TreeEntry{Name: "a", Mode: filemode.Regular, Hash: one},
		object.TreeEntry{Name: "a", Mode: filemode.Regular, Hash: two},
		object.TreeEntry{Name: "a", Mode: filemode.Dir, Hash: f.tree(object.TreeEntry{Name: "b", Mode: filemode.Regular, Hash: two})},
	))
	if err != nil {
		t.Fatal(err)
	}
	if tree[`"a"`].Refused == "" || len(tree) != 2 {
		t.Errorf("tree %+v", tree)
	}
}

// Ten trees that hold the next one ten times are ten billion files.
func TestTreeThatUnfolds(t *testing.T) {
	f := newForge(t)
	hash, mode := f.blob("x"), filemode.Regular
	for range 10 {
		var entries []object.TreeEntry
		for i := range 10 {
			entries = append(entries, object.TreeEntry{Name: fmt.Sprint(i), Mode: mode, Hash: hash})
		}
		hash, mode = f.tree(entries...), filemode.Dir
	}
	_, err := f.read(hash)
	wantError(t, err, "more than 100000 files")

	hash, mode = f.blob("x"), filemode.Regular
	for range maxDepth + 2 {
		hash, mode = f.tree(object.TreeEntry{Name: "d", Mode: mode, Hash: hash}), filemode.Dir
	}
	_, err = f.read(hash)
	wantError(t, err, "nested deeper")

	// One file of a megabyte that stands a thousand times.
	big := f.blob(strings.Repeat("x", maxFile))
	var entries []object.TreeEntry
	for i := range 300 {
		entries = append(entries, object.TreeEntry{Name: fmt.Sprintf("%04d", i), Mode: filemode.Regular, Hash: big})
	}
	_, err = f.read(f.tree(entries...))
	wantError(t, err, "more than 256 MiB together")
}

func TestDamageIsCalledSo(t *testing.T) {
	f := newForge(t)
	_, err := f.read(f.tree(object.TreeEntry{Name: "a", Mode: filemode.Regular, Hash: plumbing.Hash{1}}))
	wantError(t, err, "cannot read a", "not found")
	_, err = f.read(plumbing.Hash{2})
	wantError(t, err, "cannot read folder /", "not found")
}
