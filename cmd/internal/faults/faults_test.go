package faults

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

var (
	only = flag.String("faults.case", "", "run only the cases whose names match this, and log what the daemon logs")
	all  = os.Getenv("PROVOST_FAULTS") == "all"
)

// TestKillItAnywhere repeats an apply once for every call and fault.
func TestKillItAnywhere(t *testing.T) {
	repo, commit := repositoryOf(t, declarations(20))
	var ref Reference
	synctest.Test(t, func(t *testing.T) {
		var err error
		if ref, err = newTrial(t, repo, commit).Record(); err != nil {
			t.Fatal(err)
		}
	})
	cases := casesOf(ref.Points)
	var broken, missed, next atomic.Int64
	t.Run("cases", func(t *testing.T) {
		for worker := range 4 {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				for n := next.Add(1) - 1; n < int64(len(cases)); n = next.Add(1) - 1 {
					strikes := NewStrikes(cases[n]...)
					if err := try(t, repo, commit, ref, n%2 == 0, strikes); err != nil {
						t.Errorf("%v: %v", cases[n], err)
						broken.Add(1)
					}
					missed.Add(int64(strikes.Left()))
				}
			})
		}
	})
	t.Logf("faults: points=%d cases=%d broken=%d", len(ref.Points), len(cases), broken.Load())
	if missed.Load() > int64(len(cases)/20) {
		t.Errorf("%d of %d faults met no call: the points do not tell calls apart", missed.Load(), len(cases))
	}
}

// casesOf are all faults at all points or, without PROVOST_FAULTS=all, one at
// each in turn.
func casesOf(points []Point) (cases [][]Strike) {
	for i, p := range points {
		for k, f := range Faults {
			one := []Strike{{p, f}}
			switch {
			case *only != "":
				if f.Fits(p) && regexp.MustCompile(*only).MatchString(one[0].String()) {
					cases = append(cases, one)
				}
			case f.Fits(p) && (all || (i+k)%len(Faults) == 0):
				cases = append(cases, one)
			}
		}
	}
	return cases
}

func try(t *testing.T, repo, commit string, ref Reference, restart bool, strikes *Strikes) (err error) {
	synctest.Test(t, func(t *testing.T) {
		trial := newTrial(t, repo, commit)
		trial.Reference, trial.Restart = ref, restart
		err = trial.Run(strikes)
	})
	return err
}

func newTrial(t *testing.T, repo, commit string) *Trial {
	c, err := Open(t.TempDir(), repo)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	log := slog.New(slog.DiscardHandler)
	if *only != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return &Trial{Campus: c, Commit: commit, Dir: t.TempDir(), Log: log}
}
