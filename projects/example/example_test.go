package example

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
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

// TestFastStackFileIsUntouched: the file that people have today is an example
// because it works unchanged, to the byte.
func TestFastStackFileIsUntouched(t *testing.T) {
	sum := sha256.Sum256(Tree(1, 1)["projects/profan.yaml"].Data)
	if got := hex.EncodeToString(sum[:]); got != "907ad6f70f81e338dcb624dfe0be5e3d212d384c2da82d6683a57f1931120500" {
		t.Errorf("projects/profan.yaml was edited: SHA-256 %s", got)
	}
}

func TestSeedsDiffer(t *testing.T) {
	a, b := Tree(20, 1)["cohorts/"+Roster].Data, Tree(20, 2)["cohorts/"+Roster].Data
	if bytes.Equal(a, b) {
		t.Error("two seeds drew the same students")
	}
}
