// A case makes some hundred connections, and what these cost is not what is tested.
//
//go:debug tlsmlkem=0
package faults

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// TestMain makes storms few where nobody asks for many: one takes half a second, and
// five times that under the race detector. The heap of a case is small, and collected
// less often than it might be.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if !asked && !all {
		storms := 25
		if underRace {
			storms = 10
		}
		_ = flag.Set("rapid.checks", strconv.Itoa(storms)) // the flag is there
	}
	os.Exit(m.Run())
}

// step is one thing that happens in a storm.
type step struct {
	what string
	n    int
}

func (s step) String() string { return fmt.Sprintf("%s %d", s.what, s.n) }

// steps are what a storm is drawn from, each as often as it is here.
var steps = []string{"pass", "pass", "pass", "both", "commit", "commit", "meddle", "meddle", "meddle", "restart", "kill", "kill", "lose"}

func drawStep(t *rapid.T) step {
	return step{rapid.SampledFrom(steps).Draw(t, "what"), rapid.IntRange(0, 799).Draw(t, "n")}
}

// TestStorms lets commits, people at work on the live side, faults at a tenth of all
// calls, restarts, kills, a lost state directory and a second daemon come together
// in any order, while a window opens. One storm of four knows no lease.
func TestStorms(t *testing.T) {
	repo, commits := repositoryOf(t, ages...)
	storms := 0
	rapid.Check(t, func(rt *rapid.T) {
		storms++
		script := rapid.SliceOfN(rapid.Custom(drawStep), 1, 12).Draw(rt, "steps")
		seed := rapid.Uint64().Draw(rt, "seed")
		var err error
		synctest.Test(t, func(t *testing.T) { err = weatherThrough(t, repo, commits, script, seed) })
		if err != nil {
			rt.Fatal(err)
		}
	})
	t.Logf("storms: %d, broken=0", storms)
}
