package projects

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/provost-dev/provost/inventory"
)

var update = flag.Bool("update", false, "write the golden files anew")

// testCampus is testdata/campus.yaml, for tests that bring none.
func testCampus(t testing.TB) File {
	t.Helper()
	data, err := os.ReadFile("testdata/campus.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return File{Data: data}
}

// tree makes a tree of paths and contents in turn, with the test campus.
func tree(t testing.TB, files ...string) Tree {
	t.Helper()
	out := Tree{campusFile: testCampus(t)}
	for pair := range slices.Chunk(files, 2) {
		out[pair[0]] = File{Data: []byte(pair[1])}
	}
	return out
}

// archiveTree is the tree of a txtar file. A file that says "refused: why" is
// one that the source did not hand over.
func archiveTree(t testing.TB, archive *txtar.Archive) Tree {
	t.Helper()
	out := Tree{campusFile: testCampus(t)}
	for _, f := range archive.Files {
		if why, ok := strings.CutPrefix(string(f.Data), "refused: "); ok {
			out[f.Name] = File{Refused: strings.TrimSpace(why)}
			continue
		}
		out[f.Name] = File{Data: f.Data}
		if string(f.Data) == "removed\n" {
			delete(out, f.Name)
		}
	}
	return out
}

// golden compares with a file, or writes it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s differs (-update writes it). Got:\n%s", path, got)
	}
}

// show is resources as people read them, one attribute a line.
func show(list []inventory.Resource) string {
	var b strings.Builder
	for _, r := range list {
		fmt.Fprintf(&b, "%s  %s\n", r.Key, r.Owner)
		for _, name := range slices.Sorted(maps.Keys(r.Attrs)) {
			fmt.Fprintf(&b, "  %s=%q\n", name, r.Attrs[name])
		}
		for _, need := range r.Needs {
			fmt.Fprintf(&b, "  needs %s\n", need)
		}
		if r.Was != "" {
			fmt.Fprintf(&b, "  was %s\n", r.Was)
		}
		if r.Adopts != "" {
			fmt.Fprintf(&b, "  adopts %s\n", r.Adopts)
		}
	}
	return b.String()
}

// find is one resource, or a test that ends here.
func find(t testing.TB, d Desired, key inventory.Key) inventory.Resource {
	t.Helper()
	for _, r := range d.Resources {
		if r.Key == key {
			return r
		}
	}
	t.Fatalf("%s is not desired; problems: %v", key, d.Problems)
	return inventory.Resource{}
}

// has reports whether a key is desired.
func has(d Desired, key inventory.Key) bool {
	return slices.ContainsFunc(d.Resources, func(r inventory.Resource) bool { return r.Key == key })
}

// apply is the live state after everything desired has been done, as the systems
// would list it: nothing that is used at creation only, and a power for each guest.
func apply(d Desired) []inventory.Resource {
	var live []inventory.Resource
	desired := attrsOf(d)
	for _, r := range d.Resources {
		r = r.Clone()
		r.Needs, r.Was, r.Adopts = nil, "", ""
		boot := r.Attrs["create.boot"]
		maps.DeleteFunc(r.Attrs, func(name, _ string) bool { return inventory.CreateOnly(name) })
		live = append(live, r)
		if r.Key.Kind() == inventory.KindGuest && desired[powerKey(r.Key)] == nil {
			if boot == "" {
				boot = "done"
			}
			live = append(live, inventory.Resource{Key: powerKey(r.Key), Owner: r.Owner, Attrs: inventory.Attrs{"state": "stopped", "boot": boot}})
		}
	}
	return live
}

// noProblems ends a test whose declarations should be sound.
func noProblems(t testing.TB, d Desired) {
	t.Helper()
	for _, p := range d.Problems {
		t.Errorf("unexpected problem: %s (%s)", p, p.Hint)
	}
}
