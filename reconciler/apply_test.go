package reconciler

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler/plan"
)

// fake is a System whose changes take a second each and end as told.
type fake struct {
	mu      sync.Mutex
	answers map[inventory.Key][]inventory.State // what each attempt ends as; done after that
	claims  map[inventory.Key][]inventory.Claim
	batch   int
	calls   []string // "key+key" in the order in which they began
	now     int      // running
	most    int      // at once
	lists   func() (inventory.Listing, error)
}

func (f *fake) List(context.Context) (inventory.Listing, error) {
	if f.lists == nil {
		return inventory.Listing{}, nil
	}
	return f.lists()
}

func (f *fake) Apply(ctx context.Context, changes []inventory.Change, tell func(inventory.Event)) []inventory.Outcome {
	f.begin(changes)
	tell(inventory.Event{Key: changes[0].Key, Text: "working"})
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now--
	var out []inventory.Outcome
	for _, c := range changes {
		o := inventory.Outcome{Key: c.Key, State: inventory.StateDone}
		if ctx.Err() != nil {
			o.State, o.Error = inventory.StateUnknown, "stopped"
		} else if states := f.answers[c.Key]; len(states) > 0 {
			o.State, o.Error = states[0], "as told"
			f.answers[c.Key] = states[1:]
		}
		if o.State != "silent" {
			out = append(out, o)
		}
	}
	return out
}

func (f *fake) begin(changes []inventory.Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var keys []string
	for _, c := range changes {
		keys = append(keys, c.Key.Name())
	}
	f.calls = append(f.calls, strings.Join(keys, "+"))
	f.now++
	f.most = max(f.most, f.now)
}

func (f *fake) Claims(c inventory.Change) []inventory.Claim { return f.claims[c.Key] }
func (f *fake) MaxBatch(inventory.Change) int               { return max(f.batch, 1) }

// steps makes a plan from lines such as "c a b": c needs a and b.
func steps(lines ...string) plan.Plan {
	var p plan.Plan
	for _, l := range lines {
		names := strings.Fields(l)
		s := plan.Step{Change: inventory.Change{Key: key(names[0]), Action: inventory.Create}}
		for _, n := range names[1:] {
			s.Needs = append(s.Needs, key(n))
		}
		p.Steps = append(p.Steps, s)
	}
	return p
}

func key(name string) inventory.Key { return inventory.MakeKey("sys", "thing", name) }

func quiet(f *fake) *Reconciler {
	return &Reconciler{
		Systems: map[string]Managed{"sys": {System: f, Apply: ApplyAuto, Prune: true}},
		Log:     slog.New(slog.DiscardHandler),
		Retry: func(n int) Backoff {
			return Backoff{Wait: time.Duration(n) * time.Second, Stop: n >= 3}
		},
	}
}

// show reads "a done×1 b -waits for sys/thing/a".
func show(results []Result) string {
	var parts []string
	for _, r := range results {
		text := r.Key.Name() + " "
		if r.Blocked != "" {
			text += "-" + r.Blocked
		} else {
			text += fmt.Sprintf("%s×%d", r.State, r.Attempts)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

func TestApply(t *testing.T) {
	for name, c := range map[string]struct {
		fake  *fake
		plan  plan.Plan
		want  string
		calls string // in order
		took  time.Duration
	}{
		"everything at once, in key order": {
			plan: steps("a", "b", "c"), want: "a done×1, b done×1, c done×1", took: time.Second,
		},
		"needs come first": {
			plan: steps("a b", "b c", "c"), want: "a done×1, b done×1, c done×1", calls: "c b a", took: 3 * time.Second,
		},
		"a failed change blocks what needs it, however far, and nothing else": {
			fake: &fake{answers: map[inventory.Key][]inventory.State{key("a"): {inventory.StateFailed}}},
			plan: steps("a", "b a", "c b", "d"), took: time.Second,
			want: "a failed×1, b -waits for sys/thing/a, c -waits for sys/thing/b, d done×1",
		},
		"retried with a growing pause": {
			fake: &fake{answers: map[inventory.Key][]inventory.State{key("a"): {inventory.StateRetry, inventory.StateRetry}}},
			plan: steps("a", "b a"), want: "a done×3, b done×1", took: (1 + 1 + 1 + 2 + 1 + 1) * time.Second,
		},
		"given up in the end": {
			fake: &fake{answers: map[inventory.Key][]inventory.State{key("a"): {inventory.StateRetry, inventory.StateRetry, inventory.StateRetry}}},
			plan: steps("a"), want: "a retry×3", took: 6 * time.Second,
		},
		"no answer is unknown": {
			fake: &fake{answers: map[inventory.Key][]inventory.State{key("a"): {"silent"}}},
			plan: steps("a", "b a"), want: "a unknown×1, b -waits for sys/thing/a", took: time.Second,
		},
		"a claim lets so many in": {
			fake: &fake{claims: map[inventory.Key][]inventory.Claim{
				key("a"): {{Name: "t", Limit: 2}}, key("b"): {{Name: "t", Limit: 2}}, key("c"): {{Name: "t", Limit: 2}},
			}},
			plan: steps("a", "b", "c", "d"), want: "a done×1, b done×1, c done×1, d done×1", took: 2 * time.Second,
		},
		"a batch takes what is ready": {
			fake: &fake{batch: 3}, plan: steps("a", "b", "c", "d a"), calls: "a+b+c d", took: 2 * time.Second,
			want: "a done×1, b done×1, c done×1, d done×1",
		},
		"a circle ends": {
			plan: steps("a b", "b a", "c"), took: time.Second,
			want: "a -it needs itself, through other changes, b -it needs itself, through other changes, c done×1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.fake == nil {
				c.fake = &fake{}
			}
			synctest.Test(t, func(t *testing.T) {
				started := time.Now()
				got := quiet(c.fake).apply(t.Context(), c.plan, nil)
				if show(got) != c.want {
					t.Errorf("got  %s\nwant %s", show(got), c.want)
				}
				if took := time.Since(started); took != c.took {
					t.Errorf("took %s, want %s", took, c.took)
				}
				if calls := strings.Join(c.fake.calls, " "); c.calls != "" && calls != c.calls {
					t.Errorf("calls %q, want %q", calls, c.calls)
				}
			})
		})
	}
}

func TestStopStartsNothingNewAndWaitsForWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		f := &fake{}
		time.AfterFunc(500*time.Millisecond, stop)
		got := show(quiet(f).apply(ctx, steps("a", "b a"), nil))
		if want := "a done×1, b -stopped before it was started"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestStopDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		r := quiet(&fake{})
		r.Grace = 200 * time.Millisecond
		time.AfterFunc(500*time.Millisecond, stop)
		started := time.Now()
		got := show(r.apply(ctx, steps("a"), nil))
		if want := "a unknown×1"; got != want || time.Since(started) != 700*time.Millisecond {
			t.Errorf("got %s after %s, want %s after 700ms", got, time.Since(started), want)
		}
	})
}

// deaf is a system that neither ends with its context nor keeps quiet after it.
type deaf struct {
	fake
	free chan struct{}
}

func (d *deaf) Apply(_ context.Context, changes []inventory.Change, tell func(inventory.Event)) []inventory.Outcome {
	<-d.free
	tell(inventory.Event{Key: changes[0].Key, Text: "late"})
	return nil
}

func TestStopDoesNotWaitForTheDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		d := &deaf{free: make(chan struct{})}
		r := quiet(nil)
		r.Systems["sys"] = Managed{System: d}
		r.Grace = time.Second
		time.AfterFunc(time.Second, stop)
		time.AfterFunc(time.Hour, func() { close(d.free) })
		started := time.Now()
		got := show(r.apply(ctx, steps("a", "b a"), nil))
		if want := "a unknown×1, b -stopped before it was started"; got != want || time.Since(started) > time.Minute {
			t.Errorf("got %s after %s, want %s", got, time.Since(started), want)
		}
		time.Sleep(2 * time.Hour) // nothing may be left waiting
	})
}

func TestPausedAppliesNothing(t *testing.T) {
	f := &fake{}
	r := quiet(f)
	r.Paused = func() string { return "exams" }
	if got := show(r.apply(t.Context(), steps("a"), nil)); got != "a -paused: exams" || len(f.calls) > 0 {
		t.Errorf("got %s, %d calls", got, len(f.calls))
	}
}

func TestDefaultBackoffGrowsAndEnds(t *testing.T) {
	var last time.Duration
	for n := 1; n < 7; n++ {
		b := DefaultBackoff(n)
		if b.Stop || b.Wait <= last/2 {
			t.Errorf("attempt %d: %+v after %s", n, b, last)
		}
		last = b.Wait
	}
	if !DefaultBackoff(7).Stop {
		t.Error("it never ends")
	}
}

// wide is a fake whose template can be used by as many as there are copies.
type wide struct {
	*fake
	copies int
}

func (w *wide) Width(claim string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.copies
}

func (w *wide) Apply(ctx context.Context, changes []inventory.Change, tell func(inventory.Event)) []inventory.Outcome {
	out := w.fake.Apply(ctx, changes, tell)
	if strings.HasPrefix(changes[0].Key.Name(), "copy") {
		w.mu.Lock()
		w.copies++
		w.mu.Unlock()
	}
	return out
}

// Estimate makes copies come first.
func (w *wide) Estimate(c inventory.Change) time.Duration {
	if strings.HasPrefix(c.Key.Name(), "copy") {
		return time.Minute
	}
	return time.Second
}

func (w *wide) Prepare(changes []inventory.Change, _ []inventory.Resource) []inventory.Change {
	return []inventory.Change{{Key: key("copy1"), Action: inventory.Create, Note: "7 clones take 4 s instead of 7"}}
}

func TestAPreparedCopyWidensTheClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wide{fake: &fake{claims: map[inventory.Key][]inventory.Claim{}}, copies: 1}
		names := []string{"a", "b", "c", "d", "e", "f"}
		for _, n := range append(names, "copy1") {
			w.claims[key(n)] = []inventory.Claim{{Name: "template", Limit: 1}}
		}
		r := quiet(w.fake)
		r.Systems = map[string]Managed{"sys": {System: w, Apply: ApplyAuto}}
		p := r.prepare(steps(names...), inventory.Listing{})
		started := time.Now()
		r.apply(t.Context(), p, nil)
		if took := time.Since(started); took != 4*time.Second {
			t.Errorf("one copy and six clones took %s, want 4s: the copy, then three pairs", took)
		}
		if w.calls[0] != "copy1" {
			t.Errorf("it began with %s, not with the copy", w.calls[0])
		}
	})
}

func TestTheLongestPathBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wide{fake: &fake{claims: map[inventory.Key][]inventory.Claim{}}, copies: 1}
		for _, n := range []string{"a", "b", "y", "z"} {
			w.claims[key(n)] = []inventory.Claim{{Name: "worker", Limit: 1}}
		}
		r := quiet(w.fake)
		r.Systems = map[string]Managed{"sys": {System: w, Apply: ApplyAuto}}
		r.apply(t.Context(), steps("a", "b", "y z", "z"), nil)
		if got := strings.Join(w.calls, " "); got != "z a b y" {
			t.Errorf("order %q, want %q: y waits for z, so z begins", got, "z a b y")
		}
	})
}
