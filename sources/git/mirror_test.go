package git

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A mirror is a cache: whatever was done to it, the next read is right.
func TestDamagedMirrorIsClonedAgain(t *testing.T) {
	damages := map[string]func(c *campus, mirror string){
		"none":                 func(*campus, string) {},
		"removed":              func(c *campus, m string) { c.must(os.RemoveAll(m)) },
		"emptied pack":         overwrite("objects/pack/*.pack", ""),
		"garbled pack":         overwrite("objects/pack/*.pack", "PACK but not really one"),
		"pack without index":   remove("objects/pack/*.idx"),
		"emptied index":        overwrite("objects/pack/*.idx", ""),
		"index without pack":   remove("objects/pack/*.pack"),
		"empty reference":      overwrite("refs/remotes/origin/main", ""),
		"reference to nowhere": overwrite("refs/remotes/origin/main", strings.Repeat("1", 40)+"\n"),
		"lock left over": func(c *campus, m string) {
			c.must(os.WriteFile(filepath.Join(m, "refs/remotes/origin/main.lock"), nil, 0o600))
		},
		"empty HEAD":     overwrite("HEAD", ""),
		"no HEAD":        remove("HEAD"),
		"garbled config": overwrite("config", "[core\nbare = perhaps"),
	}
	c := newCampus(t)
	cfg := c.https()
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			c.t = t
			dir := t.TempDir()
			c.push("one", map[string]string{"a": "1 " + name, "dir/b": "1"})
			latest(t, openIn(t, cfg, dir, new(journal)))
			damage(c, filepath.Join(dir, "mirror.git"))
			log := new(journal)
			r := openIn(t, cfg, dir, log)
			if _, files := latest(t, r); files["a"] != "1 "+name {
				t.Fatalf("files %q", files)
			}
			want := c.push("two", map[string]string{"a": "2 " + name})
			if commit, files := latest(t, r); commit != want || files["a"] != "2 "+name || files["dir/b"] != "1" {
				t.Errorf("commit %s (want %s), files %q\n%s", commit, want, files, log)
			}
		})
	}
}

func overwrite(pattern, data string) func(*campus, string) {
	return func(c *campus, mirror string) {
		for _, file := range c.glob(mirror, pattern) {
			c.must(os.Chmod(file, 0o600))
			c.must(os.WriteFile(file, []byte(data), 0o600))
		}
	}
}

func remove(pattern string) func(*campus, string) {
	return func(c *campus, mirror string) {
		for _, file := range c.glob(mirror, pattern) {
			c.must(os.Remove(file))
		}
	}
}

func (c *campus) glob(dir, pattern string) []string {
	c.t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
	if err != nil || len(files) == 0 {
		c.t.Fatalf("no %s in the mirror: this damage is none (%v)", pattern, err)
	}
	return files
}

// The mirror is damaged while it is open, as by a gc that somebody runs on it.
func TestMirrorDamagedWhileOpen(t *testing.T) {
	c := newCampus(t)
	cfg := c.https()
	dir, log := t.TempDir(), new(journal)
	c.push("one", map[string]string{"a": "1", "b": "1"})
	r := openIn(t, cfg, dir, log)
	latest(t, r)
	remove("objects/pack/*")(c, filepath.Join(dir, "mirror.git"))
	c.push("two", map[string]string{"a": "2"})
	if _, files := latest(t, r); files["a"] != "2" || files["b"] != "1" {
		t.Errorf("files %q\n%s", files, log)
	}
	if !strings.Contains(log.String(), "cloning again") {
		t.Errorf("the log does not tell of it: %s", log)
	}
}

// The mirror is lost between Latest and Merge.
func TestMergeInALostMirror(t *testing.T) {
	c := newCampus(t)
	cfg := c.https()
	c.push("base", map[string]string{"a": "1"})
	head := c.commit("request", map[string]string{"b": "1"})
	c.git("push", "-q", "origin", "HEAD:refs/pull/1/head")
	c.git("reset", "-q", "--hard", "HEAD~1")
	c.push("more", map[string]string{"c": "1"})
	snap, err := open(t, cfg).Latest(t.Context())
	c.must(err)
	tree, changed, problem, err := open(t, cfg).Merge(t.Context(), snap, "refs/pull/1/head", head)
	if err != nil || problem != "" || len(tree) != 3 || len(changed) != 1 {
		t.Errorf("tree %v, changed %q, problem %q, error %v", tree, changed, problem, err)
	}
}

func TestManyPacksAreClonedAgain(t *testing.T) {
	c := newCampus(t)
	cfg := c.https()
	dir, log := t.TempDir(), new(journal)
	c.push("one", map[string]string{"a": "1"})
	r := openIn(t, cfg, dir, log)
	latest(t, r)
	packs := filepath.Join(dir, "mirror.git", "objects", "pack")
	for i := range maxPacks {
		c.must(os.WriteFile(filepath.Join(packs, fmt.Sprintf("pack-%040x.pack", i)), nil, 0o600))
	}
	c.push("two", map[string]string{"a": "2"})
	if _, files := latest(t, r); files["a"] != "2" {
		t.Errorf("files %q", files)
	}
	left, err := os.ReadDir(packs)
	c.must(err)
	if len(left) > 2 {
		t.Errorf("%d files are left", len(left))
	}
}

// Only what is new is sent: fetches after the first are small.
func TestFetchesAreIncremental(t *testing.T) {
	c := newCampus(t)
	cfg := c.ssh()
	dir := t.TempDir()
	files := map[string]string{}
	for i := range 200 {
		files[fmt.Sprintf("projects/%03d.yaml", i)] = strings.Repeat(fmt.Sprintf("key%d: value\n", i), 50)
	}
	c.push("one", files)
	r := openIn(t, cfg, dir, new(journal))
	latest(t, r)
	for i := range 5 {
		c.push("more", map[string]string{"projects/000.yaml": fmt.Sprint("n: ", i, "\n")})
		latest(t, r)
	}
	var sizes []int64
	for _, pack := range c.glob(dir, "mirror.git/objects/pack/*.pack") {
		info, err := os.Stat(pack)
		c.must(err)
		sizes = append(sizes, info.Size())
	}
	big := 0
	for _, size := range sizes {
		if size > 8000 { // a changed folder of 200 files is 5 KB by itself
			big++
		}
	}
	if len(sizes) != 6 || big != 1 {
		t.Errorf("packs of %d bytes: want one large and five small", sizes)
	}
}

func TestLeftoversAreSwept(t *testing.T) {
	c := newCampus(t)
	cfg := c.https()
	dir := t.TempDir()
	c.push("one", map[string]string{"a": "1"})
	latest(t, openIn(t, cfg, dir, new(journal)))
	half := []string{filepath.Join(dir, "incoming-123.pack"), filepath.Join(dir, "mirror.git/objects/pack/tmp_pack_123")}
	for _, file := range half {
		c.must(os.WriteFile(file, []byte("half"), 0o600))
	}
	latest(t, openIn(t, cfg, dir, new(journal)))
	for _, file := range half {
		if _, err := os.Stat(file); !os.IsNotExist(err) {
			t.Errorf("%s is still there", file)
		}
	}
}

// A gc beside us on a local repository takes nothing away from us.
func TestLocalRepositoryIsRepacked(t *testing.T) {
	c := newCampus(t)
	r := open(t, Config{URL: c.bare})
	for i := range 3 {
		c.push("more", map[string]string{"a": fmt.Sprint(i)})
		run(t, c.bare, nil, "git", "gc", "-q", "--prune=now")
		if _, files := latest(t, r); files["a"] != fmt.Sprint(i) {
			t.Errorf("files %q, want %d", files, i)
		}
	}
}

// A clone with a work tree, and a linked worktree, are local repositories too.
func TestLocalWorkTrees(t *testing.T) {
	c := newCampus(t)
	want := c.commit("first", map[string]string{"a": "1"})
	linked := filepath.Join(t.TempDir(), "linked")
	c.git("worktree", "add", "-q", "-b", "aside", linked)
	for _, path := range []string{c.work, filepath.Join(c.work, ".git"), linked} {
		if got, _ := latest(t, open(t, Config{URL: path})); got != want {
			t.Errorf("%s: commit %s, want %s", path, got, want)
		}
	}
}

// A push that is under way has its lock beside the branch, empty or half
// written; a poll that fsnotify hurried on sees it.
func TestLocalRepositoryDuringAPush(t *testing.T) {
	c := newCampus(t)
	want := c.push("one", map[string]string{"a": "1"})
	for _, text := range []string{"", "0123", want + "\n"} {
		c.must(os.WriteFile(filepath.Join(c.bare, "refs", "heads", "main.lock"), []byte(text), 0o600))
		r := open(t, Config{URL: c.bare})
		if got, _ := latest(t, r); got != want {
			t.Errorf("commit %s, want %s", got, want)
		}
		if text != "" {
			r.cfg.Branch = "lost"
			_, err := r.Latest(t.Context())
			wantError(t, err, "it has main)")
		}
	}
}
