package git

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// "provost plan" reads the mirror of a daemon that is at work.
func TestTwoProcessesShareAMirror(t *testing.T) {
	c := newCampus(t)
	cfg := c.https()
	dir, log := t.TempDir(), new(journal)
	c.push("one", map[string]string{"a": "1"})
	daemon := openIn(t, cfg, dir, log)
	latest(t, daemon)
	for i := range 3 { // the other is first to see what is new
		text := fmt.Sprint("by turns ", i)
		c.push(text, map[string]string{"a": text})
		for _, r := range []*Repository{openIn(t, cfg, dir, log), daemon} {
			if _, files := latest(t, r); files["a"] != text {
				t.Errorf("files %q", files)
			}
		}
	}
	for i := range 5 { // both at once
		text := fmt.Sprint("at once ", i)
		c.push(text, map[string]string{"a": text})
		var wg sync.WaitGroup
		for _, r := range []*Repository{openIn(t, cfg, dir, log), daemon} {
			wg.Go(func() {
				if snap, err := r.Latest(t.Context()); err != nil || string(snap.Tree["a"].Data) != text {
					t.Errorf("files %q, %v", snap.Tree, err)
				}
			})
		}
		wg.Wait()
	}
	if strings.Contains(log.String(), "cloning again") {
		t.Errorf("one took the other's work for damage: %s", log)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "mirror.git", "objects", "pack", "*.pack")); len(left) != 9 {
		t.Errorf("%d packs for 9 commits: something was fetched twice", len(left))
	}
}
