package git

import (
	"fmt"
	"strings"
	"testing"
)

// request pushes a request on top of the branch, and gives its reference and head.
func (c *campus) request(n int, files map[string]string) (ref, head string) {
	c.t.Helper()
	ref = fmt.Sprintf("refs/pull/%d/head", n)
	head = c.commit("request", files)
	c.git("push", "-q", "origin", "HEAD:"+ref)
	c.git("reset", "-q", "--hard", "HEAD~1")
	return ref, head
}

// What a request brings in too large is its author's problem, told once: to
// fetch it again in each pass would cost the same each time.
func TestRequestsThatBringTooMuch(t *testing.T) {
	c := newCampus(t)
	c.push("base", map[string]string{"a": "1"})
	n := 0
	for name, files := range map[string]map[string]string{
		"nested deeper than": {strings.Repeat("d/", maxDepth+1) + "x": "1"},
		"pack has an object": {"zeros": strings.Repeat("\x00", maxObject+1)},
	} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			n++
			r := open(t, c.https())
			snap, err := r.Latest(t.Context())
			c.must(err)
			ref, head := c.request(n, files)
			tree, _, problem, err := r.Merge(t.Context(), snap, ref, head)
			if err != nil || tree != nil || !strings.Contains(problem, name) {
				t.Errorf("problem %q, error %v", problem, err)
			}
		})
	}
}

// Requests come and go while the branch stays: what they bring is not kept.
func TestRequestsAreNotRemembered(t *testing.T) {
	c := newCampus(t)
	c.push("base", map[string]string{"a": "1"})
	r := open(t, c.https())
	snap, err := r.Latest(t.Context())
	c.must(err)
	for n := range 3 {
		ref, head := c.request(n, map[string]string{"b": fmt.Sprint(n)})
		tree, _, _, err := r.Merge(t.Context(), snap, ref, head)
		if err != nil || string(tree["b"].Data) != fmt.Sprint(n) {
			t.Fatalf("tree %v, error %v", tree, err)
		}
	}
	if len(r.blobs) != 1 {
		t.Errorf("%d files are remembered, the branch has 1", len(r.blobs))
	}
}
