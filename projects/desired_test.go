package projects

import (
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/provost-dev/provost/inventory"
)

// exampleTree reads the sample campus. The package example cannot be imported
// here, as it imports this one.
func exampleTree(t testing.TB) Tree {
	t.Helper()
	tree, err := ReadDir(os.DirFS("example/campus"))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestExampleResources(t *testing.T) {
	d := Load(exampleTree(t)).Desired(nil)
	noProblems(t, d)
	golden(t, "testdata/example.golden", show(d.Resources))
	if d.Units["cohort/zz2-2026-s1"] != 50 || d.Units["project/tp-cloud"] != 3 {
		t.Errorf("units: %v", d.Units)
	}
}

// TestFastStackFile holds the file that people have today to what it means.
func TestFastStackFile(t *testing.T) {
	d := Load(exampleTree(t)).Desired(nil)
	const host = "cloud.prod.pft.cri.local.isima.fr"
	guest := find(t, d, "cri/guest/"+host)
	for name, want := range map[string]string{
		"type": "lxc", "name": host, "node": "pve2", "cores": "4", "memory": "4096", "disk": "300", "storage": "vol-ceph-1",
		"description": "Profan - Cloud - PROD", "create.base": "ostemplate:dirs-nfs:debian-11-standard", "nets": "net0",
		"net0.bridge": "vibr279", "net0.name": "eth0", "net0.ip": "192.168.79.170/24", "net0.gw": "192.168.79.254",
		"tags": "project-profan;provost", "create.workspace": "projects", "create.boot": "new",
	} {
		if guest.Attrs[name] != want {
			t.Errorf("%s = %q, want %q", name, guest.Attrs[name], want)
		}
	}
	if n := strings.Count(guest.Attrs["create.sshkeys"], "ssh-ed25519 "); n != 2 {
		t.Errorf("%d keys", n)
	}
	if owner := (inventory.Owner{Campus: "isima", File: "projects/profan.yaml", Unit: "project/profan"}); guest.Owner != owner {
		t.Errorf("owner %+v", guest.Owner)
	}
	power := find(t, d, "cri/power/"+host)
	want := []inventory.Key{"ad/record/170.79.168.192.in-addr.arpa/PTR", inventory.Key("ad/record/" + host + "/A"), "cri/guest/" + host}
	if !slices.Equal(power.Needs, want) {
		t.Errorf("power needs %v", power.Needs)
	}
	if len(guest.Needs) != 0 {
		t.Errorf("guest needs %v: DNS must be written while it is made", guest.Needs)
	}
}

func TestSecondPassIsEmpty(t *testing.T) {
	c := Load(exampleTree(t))
	first := c.Desired(nil)
	live := apply(first)
	second := c.Desired(live)
	noProblems(t, second)
	byKey := map[inventory.Key]inventory.Resource{}
	for _, r := range live {
		byKey[r.Key] = r
	}
	for _, r := range second.Resources {
		have, ok := byKey[r.Key]
		if !ok {
			t.Errorf("%s would be made", r.Key)
		}
		for name, want := range r.Attrs {
			if !inventory.CreateOnly(name) && have.Attrs[name] != want {
				t.Errorf("%s: %s would become %q from %q", r.Key, name, want, have.Attrs[name])
			}
		}
		delete(byKey, r.Key)
	}
	for key := range byKey {
		t.Errorf("%s would be deleted", key)
	}
}

func TestReadDirRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, size int) {
		if err := os.WriteFile(dir+"/"+name, make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, sub := range []string{"projects", ".git"} {
		if err := os.Mkdir(dir+"/"+sub, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("projects/small.yaml", 10)
	write("projects/exact.yaml", maxFile)
	write("projects/large.yaml", maxFile+1)
	write(".git/config", 1)
	if err := os.Symlink("/etc/passwd", dir+"/projects/link.yaml"); err != nil {
		t.Fatal(err)
	}
	tree, err := ReadDir(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	for path, refused := range map[string]string{
		"projects/small.yaml": "", "projects/exact.yaml": "",
		"projects/large.yaml": "is larger than 1 MiB", "projects/link.yaml": "is a symbolic link",
	} {
		if f, ok := tree[path]; !ok || f.Refused != refused || (refused != "") != (f.Data == nil) {
			t.Errorf("%s: there %v, refused %q, %d bytes", path, ok, f.Refused, len(f.Data))
		}
	}
	if len(tree) != 4 {
		t.Errorf("%d files", len(tree))
	}
	if _, err := ReadDir(os.DirFS(dir + "/nowhere")); err == nil {
		t.Error("a folder that is not there was read")
	}
}

// TestLargeFilesAreRefused holds Load to the limit by itself: a source may hand
// anything over.
func TestLargeFilesAreRefused(t *testing.T) {
	c := Load(tree(t, "projects/a.yaml", "cluster: cri\n#"+strings.Repeat("x", maxFile)))
	if p := c.Problems(); len(p) != 1 || p[0].Message != "the file is larger than 1 MiB" {
		t.Errorf("%v", p)
	}
}

// TestConcurrentUse is for the race detector: a campus is read by the pass and by
// the pages at once.
func TestConcurrentUse(t *testing.T) {
	c := Load(tree(t, "projects/a.yaml", project("hostname: m", "hostname: m2, vmid: 20001"), "projects/b.yaml", project("hostname: m")))
	live := []inventory.Resource{resource("cri/foreign/20001", foreign)}
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if n := len(c.Desired(live).Problems) + len(c.Problems()); n != 5 {
				t.Errorf("%d problems", n)
			}
		})
	}
	wait.Wait()
}
