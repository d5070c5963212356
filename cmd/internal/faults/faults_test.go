package faults

import (
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
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
	cases := casesOf(ref.Points, 1)
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
	if missed.Load() > int64(3+len(cases)/20) {
		t.Errorf("%d of %d faults met no call: the points do not tell calls apart", missed.Load(), len(cases))
	}
}

// mostCases are all faults at all points, and as many pairs as there is room for.
const mostCases = 2000

// casesOf are one case for each point and fault, and pairs of them, all in an order
// that seed gives. Without PROVOST_FAULTS=all there is one case for each point, each
// with the fault whose turn it is; in short mode a part of these.
func casesOf(points []Point, seed uint64) (cases [][]Strike) {
	for i, p := range points {
		for k, f := range Faults {
			one := Strike{p, f}
			mine := all || (i+k)%len(Faults) == 0 && !(testing.Short() && i%8 != 0)
			if *only != "" {
				mine = regexp.MustCompile(*only).MatchString(one.String())
			}
			if mine && f.Fits(p) {
				cases = append(cases, []Strike{one})
			}
		}
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	for n := len(cases); all && *only == "" && len(cases) < mostCases; {
		cases = append(cases, slices.Concat(cases[rng.IntN(n)], cases[rng.IntN(n)]))
	}
	rng.Shuffle(len(cases), func(i, k int) { cases[i], cases[k] = cases[k], cases[i] })
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
