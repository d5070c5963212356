package example

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/provost-dev/provost/projects"
)

var update = flag.Bool("update", false, "write the rosters anew")

// TestRostersAreDrawn holds the embedded rosters to the generator.
func TestRostersAreDrawn(t *testing.T) {
	tree := Tree(Students, 1)
	for _, name := range []string{Roster, Registrar} {
		path := "campus/cohorts/" + name
		if *update {
			if err := os.WriteFile(path, tree["cohorts/"+name].Data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, tree["cohorts/"+name].Data) {
			t.Errorf("%s is not what Tree draws (go test ./projects/example -update writes it): %v", path, err)
		}
	}
}

func TestEverySizeIsSound(t *testing.T) {
	for _, n := range []int{1, 2, 4, 6, 60, 220} {
		for seed := range uint64(3) {
			campus := projects.Load(Tree(n, seed))
			for _, p := range campus.Problems() {
				t.Errorf("%d students, seed %d: %s (%s)\n%s", n, seed, p, p.Hint, p.Excerpt)
			}
			units := campus.Desired(nil).Units
			if got := units["cohort/zz2-2026-s1"] + units["cohort/zz3-2026-s1"]; got != n {
				t.Errorf("%d students, seed %d: %d machines", n, seed, got)
			}
		}
	}
}

func TestSeedsDiffer(t *testing.T) {
	a, b := Tree(20, 1)["cohorts/"+Roster].Data, Tree(20, 2)["cohorts/"+Roster].Data
	if bytes.Equal(a, b) {
		t.Error("two seeds drew the same students")
	}
}
