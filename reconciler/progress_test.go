package reconciler

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler/plan"
)

// eloquent is a fake that has words for its claims.
type eloquent struct{ *fake }

func (eloquent) Explain(claim string) (changes, what string) {
	return "clones", "template 9000: fan-out 1/4"
}

// watched applies a plan and returns all that its watcher was told.
func watched(ctx context.Context, system System, f *fake, p plan.Plan) []Progress {
	r := quiet(f)
	r.Systems["sys"] = Managed{System: system}
	var seen []Progress
	r.Watch = func(p Progress) { seen = append(seen, p) }
	r.apply(ctx, p, nil)
	return seen
}

// says reports whether the watcher was told of a wait in these words.
func says(seen []Progress, want string) bool {
	return slices.ContainsFunc(seen, func(p Progress) bool {
		return slices.ContainsFunc(p.Waiting, func(w Wait) bool { return w.String() == want })
	})
}

func TestProgressNamesWhatIsWaitedFor(t *testing.T) {
	template := map[inventory.Key][]inventory.Claim{}
	for _, n := range []string{"a", "b", "c"} {
		template[key(n)] = []inventory.Claim{{Name: "sys/template/9000", Limit: 1}}
	}
	needs := plan.Plan{Steps: []plan.Step{
		{Change: inventory.Change{Key: "sys/filter/a"}}, {Change: inventory.Change{Key: "sys/guest/a"}}, {Change: inventory.Change{Key: "sys/guest/b"}},
		{Change: inventory.Change{Key: "sys/power/a", Needs: []inventory.Key{"sys/filter/a", "sys/guest/a"}}},
		{Change: inventory.Change{Key: "sys/power/b", Needs: []inventory.Key{"sys/guest/b"}}},
	}}
	for want, c := range map[string]struct {
		fake *fake
		mute bool
		plan plan.Plan
	}{
		"2 clones wait for template 9000: fan-out 1/4": {fake: &fake{claims: template}, plan: steps("a", "b", "c")},
		"1 clone waits for template 9000: fan-out 1/4": {fake: &fake{claims: template}, plan: steps("a", "b", "c")},
		"2 changes wait for sys/template/9000":         {fake: &fake{claims: template}, mute: true, plan: steps("a", "b", "c")},
		"1 start waits for its guest and filter":       {fake: &fake{}, plan: needs},
		"1 start waits for its guest":                  {fake: &fake{}, plan: needs},
		"2 changes wait for other changes":             {fake: &fake{}, plan: steps("a", "b a", "c a")},
		"1 change will be tried again":                 {fake: &fake{answers: map[inventory.Key][]inventory.State{key("a"): {inventory.StateRetry}}}, plan: steps("a")},
	} {
		synctest.Test(t, func(t *testing.T) {
			var system System = eloquent{c.fake}
			if c.mute {
				system = c.fake
			}
			seen := watched(t.Context(), system, c.fake, c.plan)
			if !says(seen, want) {
				t.Errorf("nobody was told that %s: %+v", want, seen)
			}
		})
	}
}

func TestProgressCountsEachSystem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answers: map[inventory.Key][]inventory.State{key("b"): {inventory.StateFailed}}}
		seen := watched(t.Context(), f, f, steps("a", "b", "c b"))
		last, share := seen[len(seen)-1], Share{System: "sys", Tally: Tally{Total: 3, Done: 1, Failed: 1, Blocked: 1}}
		if last.Tally != share.Tally || !slices.Equal(last.Systems, []Share{share}) || last.Ended() != 3 || len(last.Waiting) > 0 {
			t.Errorf("the last word is %+v, want %+v", last, share)
		}
	})
}

// Between an end and what begins in its place nothing seems to be left over.
func TestNothingWaitsForTheNextPassInAHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{claims: map[inventory.Key][]inventory.Claim{}}
		for _, n := range []string{"a", "b", "c", "d", "e"} {
			f.claims[key(n)] = []inventory.Claim{{Name: "sys/template/9000", Limit: 2}}
		}
		seen := watched(t.Context(), f, f, steps("a", "b", "c", "d", "e"))
		for _, p := range seen {
			if says([]Progress{p}, "3 changes wait for the next pass") || says([]Progress{p}, "1 change waits for the next pass") {
				t.Errorf("%+v", p)
			}
		}
		if !says(seen, "1 change waits for sys/template/9000") {
			t.Errorf("%+v", seen)
		}
	})
}

func TestWhatAStopLeavesWaitsForTheNextPass(t *testing.T) {
	w := newWalk(quiet(&fake{}), 1)
	w.add(&inventory.Change{Key: key("a")}, "")
	if got := w.progress(time.Now()).Waiting; len(got) != 1 || got[0].String() != "1 change waits for the next pass" {
		t.Errorf("%v", got)
	}
}

func TestWatchersAreToldOfAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(500*time.Millisecond, stop)
		f := &fake{}
		seen := watched(ctx, f, f, steps("a", "b a"))
		for i, want := range []bool{false, true} {
			at := []int{0, len(seen) - 1}[i]
			if seen[at].Stopping != want {
				t.Errorf("word %d of %d: %+v", at, len(seen), seen[at])
			}
		}
		if !says(seen, "1 change waits for other changes") {
			t.Errorf("%+v", seen)
		}
	})
}

// However many events there are, a watcher is told ten times a second at most,
// and in the end of all of them.
func TestWatchersAreNotFlooded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &chatty{n: 1000, pause: time.Millisecond}
		r := quiet(nil)
		r.Systems["sys"] = Managed{System: c}
		words, events := 0, 0
		var last Progress
		r.Watch = func(p Progress) { words, events, last = words+1, events+len(p.Events), p }
		r.apply(t.Context(), steps("a"), nil)
		if words > 13 || words < 9 || events != c.n+1 || last.Done != 1 {
			t.Errorf("%d words with %d events in a second, in the end %+v", words, events, last)
		}
	})
}

// chatty is a system that tells a lot.
type chatty struct {
	fake
	n     int
	pause time.Duration
}

func (c *chatty) Apply(_ context.Context, changes []inventory.Change, tell func(inventory.Event)) []inventory.Outcome {
	for range c.n {
		time.Sleep(c.pause)
		tell(inventory.Event{Key: changes[0].Key, Text: "still at it"})
	}
	return []inventory.Outcome{{Key: changes[0].Key, State: inventory.StateDone}}
}

// What was done in one call is tried again in one call, too.
func TestABatchIsTriedAgainTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{batch: 10, answers: map[inventory.Key][]inventory.State{}}
		for _, n := range []string{"a", "b", "c"} {
			f.answers[key(n)] = []inventory.State{inventory.StateRetry, inventory.StateRetry}
		}
		r := quiet(f)
		r.Retry = DefaultBackoff
		r.apply(t.Context(), steps("a", "b", "c", "d"), nil)
		if want := []string{"a+b+c+d", "a+b+c", "a+b+c"}; !slices.Equal(f.calls, want) {
			t.Errorf("calls %q, want %q", f.calls, want)
		}
	})
}
