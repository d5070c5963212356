package watch

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// sentry watches paths for a test.
type sentry struct {
	t     *testing.T
	w     *watcher
	rings chan struct{}
}

func newSentry(t *testing.T, paths ...string) *sentry {
	t.Helper()
	w, err := start(paths, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := &sentry{t: t, w: w, rings: make(chan struct{}, 100)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.run(ctx, func() { s.rings <- struct{}{} })
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return s
}

// wantRing fails the test when nothing is told for very long.
func (s *sentry) wantRing(what string) {
	s.t.Helper()
	select {
	case <-s.rings:
	case <-time.After(20 * time.Second):
		s.t.Fatalf("%s: nothing was told", what)
	}
}

// drain forgets rings for changes that came in several parts.
func (s *sentry) drain() {
	for len(s.rings) > 0 {
		<-s.rings
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, data string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(data), 0o644))
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org",
		"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.org")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestPushIsTold(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("wants the Debian package git")
	}
	dir := t.TempDir()
	bare, work := filepath.Join(dir, "campus.git"), filepath.Join(dir, "work")
	git(t, dir, "init", "-q", "--bare", "-b", "main", bare)
	git(t, dir, "init", "-q", "-b", "main", work)
	push := func(branch string) {
		git(t, work, "commit", "-q", "--allow-empty", "-m", "more")
		git(t, work, "push", "-q", bare, "HEAD:"+branch)
	}
	s := newSentry(t, bare)
	own := newSentry(t, work) // a repository with a work tree, by its path
	push("main")
	s.wantRing("a first push")
	own.wantRing("a commit")
	push("main")
	s.wantRing("a push")
	push("feature/deep/branch")
	s.wantRing("a push to a branch in new folders")
	push("feature/deep/branch")
	s.wantRing("a second push to it")
	git(t, bare, "pack-refs", "--all")
	s.wantRing("packed references")
	s.drain()
	push("main")
	s.wantRing("a push after packing")
	git(t, work, "push", "-q", bare, ":feature/deep/branch")
	s.wantRing("a removed branch")
}

// Verdicts are written as notes: to take them for news would make a pass of each.
func TestNotesAreNotTold(t *testing.T) {
	bare := t.TempDir()
	for _, name := range []string{"objects", "refs/heads", "refs/notes"} {
		must(t, os.MkdirAll(filepath.Join(bare, name), 0o755))
	}
	repo, err := newTarget(bare)
	must(t, err)
	before := look([]target{repo})
	write(t, filepath.Join(bare, "refs/notes/provost"), "1111\n")
	if look([]target{repo}) != before {
		t.Error("a note counts as a change")
	}
	write(t, filepath.Join(bare, "refs/heads/main"), "1111\n")
	if look([]target{repo}) == before {
		t.Error("a branch does not count as a change")
	}
}

func TestFilesAreTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "provost.yaml")
	write(t, config, "one")
	s := newSentry(t, config)

	write(t, config, "two")
	s.wantRing("a file written in place")
	for _, text := range []string{"three", "four"} { // a watch on the file itself dies at the first
		write(t, config+".new", text)
		must(t, os.Rename(config+".new", config))
		s.wantRing("a file replaced as editors do: " + text)
	}
	must(t, os.Remove(config))
	s.wantRing("a file removed")
	write(t, config, "")
	s.wantRing("an empty file")
}

// Kubernetes mounts a secret as links into a folder that it swaps.
func TestSwappedLinksAreTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	write(t, filepath.Join(dir, "..2026_01", "token"), "one")
	must(t, os.Symlink("..2026_01", filepath.Join(dir, "..data")))
	must(t, os.Symlink("..data/token", token))
	file, tree := newSentry(t, token), newSentry(t, dir)
	for i, name := range []string{"..2026_02", "..2026_03"} {
		write(t, filepath.Join(dir, name, "token"), strings.Repeat("x", i))
		must(t, os.Symlink(name, filepath.Join(dir, "..data_tmp")))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		file.wantRing("a swap to " + name)
		tree.wantRing("a swap to " + name + " below a directory")
	}
}

func TestLinkToAnotherFolderIsTold(t *testing.T) {
	t.Parallel()
	here, there := t.TempDir(), t.TempDir()
	write(t, filepath.Join(there, "ca.pem"), "one")
	link := filepath.Join(here, "ca.pem")
	must(t, os.Symlink(filepath.Join(there, "ca.pem"), link))
	s := newSentry(t, link)
	write(t, filepath.Join(there, "ca.pem"), "two")
	s.wantRing("a change behind a link")
}

func TestDirectoriesAreTold(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "policies")
	write(t, filepath.Join(dir, "quota.rego"), "package quota")
	s := newSentry(t, dir)
	write(t, filepath.Join(dir, "names.rego"), "package names")
	s.wantRing("a new file")
	write(t, filepath.Join(dir, "deep", "er", "more.rego"), "package more")
	s.wantRing("a file in new folders")
	s.drain()
	write(t, filepath.Join(dir, "deep", "er", "more.rego"), "package evermore")
	s.wantRing("a change in a new folder")
	must(t, os.RemoveAll(dir))
	s.wantRing("a removed tree")
	s.drain()
	write(t, filepath.Join(dir, "quota.rego"), "package quota2")
	s.wantRing("a tree that came back")
}

// What looks like a change and is none is not told: the next ring is for the
// change that comes after it.
func TestUnchangedContentIsNotTold(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "provost.yaml")
	write(t, config, "one")
	w, err := start([]string{config}, slog.New(slog.DiscardHandler))
	must(t, err)
	defer w.notify.Close()
	rings := 0
	ring := func() { rings++ }

	write(t, config, "one")
	write(t, filepath.Join(dir, "neighbour"), "noise")
	w.compare(false, ring)
	if rings != 0 {
		t.Error("the same content was told")
	}
	w.compare(true, ring)
	if rings != 1 {
		t.Error("lost events were not told")
	}
	write(t, config, "two")
	w.compare(false, ring)
	w.compare(false, ring)
	if rings != 2 {
		t.Errorf("%d rings, want 2", rings)
	}
}

func TestLostEventsAreTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newSentry(t, dir)
	s.w.notify.Errors <- fsnotify.ErrEventOverflow
	s.wantRing("an overflow")
}

func TestWhatIsNotThere(t *testing.T) {
	err := Watch(t.Context(), []string{filepath.Join(t.TempDir(), "nowhere")}, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "cannot watch") || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Watch(ctx, []string{t.TempDir()}, nil, nil); err != nil {
		t.Errorf("a watch that was ended: %v", err)
	}
}

func TestCovers(t *testing.T) {
	repo := target{files: []string{"/r/HEAD", "/r/packed-refs"}, trees: []string{"/r/refs"}, except: "/r/refs/notes"}
	file := target{files: []string{"/etc/provost.yaml"}}
	tree := target{trees: []string{"/etc/policies"}}
	tests := []struct {
		target target
		path   string
		want   bool
	}{
		{repo, "/r/refs/heads/main", true},
		{repo, "/r/refs/heads/main.lock", false},
		{repo, "/r/refs/notes/provost", false},
		{repo, "/r/packed-refs", true},
		{repo, "/r/objects", false},
		{repo, "/r/refs2/x", false},
		{file, "/etc/provost.yaml", true},
		{file, "/etc/..data", true},
		{file, "/etc/provost.yaml.lock", false},
		{tree, "/etc/policies", true},
		{tree, "/etc/policies/deep/x.rego", true},
		{tree, "/etc/other", false},
	}
	for _, test := range tests {
		if got := test.target.covers(test.path); got != test.want {
			t.Errorf("%v covers %s: %v, want %v", test.target, test.path, got, test.want)
		}
	}
}

func TestGather(t *testing.T) {
	tests := []struct {
		name  string
		hints []time.Duration // pauses before each
		sure  int             // which hint is sure, from 1
		want  []time.Duration // when it fires
		told  []bool
	}{
		{"one", []time.Duration{0}, 0, []time.Duration{300e6}, []bool{false}},
		{"a burst is one", []time.Duration{0, 100e6, 100e6, 100e6}, 0, []time.Duration{600e6}, []bool{false}},
		{"two apart are two", []time.Duration{0, 1e9}, 2, []time.Duration{300e6, 1300e6}, []bool{false, true}},
		{"a long burst is cut", slices.Repeat([]time.Duration{250e6}, 12), 1, []time.Duration{2250e6, 3300e6}, []bool{true, false}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				ctx, cancel := context.WithCancel(t.Context())
				hints := make(chan bool)
				var fired []time.Duration
				var told []bool
				go gather(ctx, hints, func(sure bool) {
					fired = append(fired, time.Since(begin))
					told = append(told, sure)
				})
				for i, pause := range test.hints {
					time.Sleep(pause)
					hints <- i+1 == test.sure
				}
				time.Sleep(time.Minute)
				cancel()
				synctest.Wait()
				if !slices.Equal(fired, test.want) || !slices.Equal(told, test.told) {
					t.Errorf("fired at %v %v, want %v %v", fired, told, test.want, test.told)
				}
			})
		})
	}
}
