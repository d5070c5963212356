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

	"github.com/provost-dev/provost/policies"
)

var (
	only = flag.String("faults.case", "", "run only the cases whose names match this, and log what the daemon logs")

	// all is every fault at every call, calls the fault whose turn it is at every call.
	// Without either it is a sample of the latter.
	all   = os.Getenv("PROVOST_FAULTS") == "all"
	calls = os.Getenv("PROVOST_FAULTS") == "calls"
)

// rules judge for all processes. They are made once, for that takes longer than a case.
var rules = policies.New(slog.New(slog.DiscardHandler))

// act is an apply that is repeated.
type act struct {
	repo   string
	past   []string
	commit string
	meddle func(*Campus) error
	Reference
}

// theCase is an act with what goes wrong in it.
type theCase struct {
	act     *act
	strikes []Strike
}

// TestKillItAnywhere repeats two applies once for every call and fault: that of a
// first semester, and of a second one in which some have left and some drifted.
func TestKillItAnywhere(t *testing.T) {
	first, second := firstSemester(t), secondSemester(t)
	for _, a := range []*act{first, second} {
		synctest.Test(t, func(t *testing.T) {
			var err error
			if a.Reference, err = a.trial(t).Record(); err != nil {
				t.Fatal(err)
			}
		})
	}
	cases := casesOf(1, first, second)
	var broken, missed, next atomic.Int64
	t.Run("cases", func(t *testing.T) {
		for worker := range 4 {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				for n := next.Add(1) - 1; n < int64(len(cases)); n = next.Add(1) - 1 {
					strikes := NewStrikes(cases[n].strikes...)
					if err := cases[n].act.try(t, n%2 == 0, strikes); err != nil {
						t.Errorf("%v: %v", cases[n].strikes, err)
						broken.Add(1)
					}
					missed.Add(int64(strikes.Left()))
					if n%250 == 249 {
						t.Logf("%d of %d cases, broken=%d", n+1, len(cases), broken.Load())
					}
				}
			})
		}
	})
	t.Logf("faults: points=%d cases=%d broken=%d", len(first.Points)+len(second.Points), len(cases), broken.Load())
	if missed.Load() > int64(3+len(cases)/20) {
		t.Errorf("%d of %d faults met no call: the points do not tell calls apart", missed.Load(), len(cases))
	}
}

func firstSemester(t *testing.T) *act {
	repo, commits := repositoryOf(t, semester{students: 20})
	return &act{repo: repo, commit: commits[0]}
}

// mostCases are all faults at all points, and as many pairs as there is room for.
const mostCases = 2700

// casesOf are one case for each point and fault, and pairs of them, all in an order
// that seed gives. Without PROVOST_FAULTS=all there is one case for each of three in
// four points, with the fault whose turn it is; in short mode a part of these.
func casesOf(seed uint64, acts ...*act) (cases []theCase) {
	for _, a := range acts {
		cases = append(cases, a.singles()...)
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	for n := len(cases); all && *only == "" && len(cases) < mostCases; {
		one, other := cases[rng.IntN(n)], cases[rng.IntN(n)]
		if one.act == other.act {
			cases = append(cases, theCase{one.act, slices.Concat(one.strikes, other.strikes)})
		}
	}
	rng.Shuffle(len(cases), func(i, k int) { cases[i], cases[k] = cases[k], cases[i] })
	return sample(cases)
}

// sample is all of the cases, or under the race detector one of three. It makes a case
// take five times as long, and looks for goroutines that meet: these do so in one case
// as in the next, whichever of many like calls goes wrong.
func sample(cases []theCase) []theCase {
	if !underRace || all || calls || *only != "" {
		return cases
	}
	return oneOf(3, cases)
}

// oneOf is one of so many of the cases.
func oneOf(n int, cases []theCase) (some []theCase) {
	for i := 0; i < len(cases); i += n {
		some = append(some, cases[i])
	}
	return some
}

// singles are the cases of one fault.
func (a *act) singles() (cases []theCase) {
	for i, p := range a.Points {
		for k, f := range Faults {
			one := Strike{p, f}
			mine := all || (i+k)%len(Faults) == 0 && (calls || i%4 != 3 && !(testing.Short() && i%8 != 0))
			if *only != "" {
				mine = regexp.MustCompile(*only).MatchString(one.String())
			}
			if mine && f.Fits(p) {
				cases = append(cases, theCase{a, []Strike{one}})
			}
		}
	}
	return cases
}

func (a *act) try(t *testing.T, restart bool, strikes *Strikes) (err error) {
	synctest.Test(t, func(t *testing.T) {
		trial := a.trial(t)
		trial.Reference, trial.Restart = a.Reference, restart
		err = trial.Run(strikes)
	})
	return err
}

func (a *act) trial(t *testing.T) *Trial {
	c, err := Open(t.TempDir(), a.repo)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &Trial{Campus: c, Past: a.past, Meddle: a.meddle, Commit: a.commit, Dir: t.TempDir(), Policy: rules, Log: journal()}
}

// journal is where processes log: nowhere, unless a few cases are asked for.
func journal() *slog.Logger {
	if *only == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
