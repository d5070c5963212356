package projects

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// TestMemory edits a tree at random: what is remembered must never show where
// something else is declared.
func TestMemory(t *testing.T) {
	campus := testCampus(t)
	rapid.Check(t, func(t *rapid.T) {
		var memory Memory
		var before Tree
		var known *Campus
		for range rapid.IntRange(1, 8).Draw(t, "passes") {
			tree := Tree{campusFile: campus}
			if rapid.Bool().Draw(t, "a project") {
				tree["projects/a.yaml"] = File{Data: []byte(rapid.SampledFrom([]string{
					"cluster: cri\n", "cluster: cri\nct: []\n", "cluster: nowhere\n", "",
				}).Draw(t, "content"))}
			}
			if rapid.Bool().Draw(t, "refused") {
				tree["projects/b.yaml"] = File{Refused: "is a symbolic link"}
			}
			got := memory.Load(tree)
			if want := Load(tree); !reflect.DeepEqual(got.Desired(nil), want.Desired(nil)) || !reflect.DeepEqual(got.Problems(), want.Problems()) {
				t.Fatalf("remembered %v, want %v", got.Problems(), want.Problems())
			}
			if reflect.DeepEqual(before, tree) && got != known {
				t.Fatal("the same tree was read again")
			}
			before, known = tree, got
		}
	})
}
