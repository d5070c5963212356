// Package systemtest is the conformance suite that every live system runs: what
// the reconciler leans on, whatever is behind it.
//
// To put a system through it, describe a fixture and call [Run] from a test of
// the system's package. The suite knows no system, and it refuses to look
// inside one: it sees what List says, what Apply answers, and the fixture's
// digest of everything foreign.
package systemtest

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

// Fixture is one live system in a known state.
type Fixture struct {
	// Open connects anew to the same live system, as a new process would.
	Open func(t *testing.T) reconciler.System
	// Wanted are resources of ours that are not live yet, with their needs.
	Wanted []inventory.Resource
	// Edited are the same keys with attributes that can be changed in place.
	Edited []inventory.Resource
	// Meddle changes by hand what is Wanted and live, behind the system's back, and
	// names the attributes that have then drifted, by key.
	Meddle func() map[inventory.Key][]string
	// Restart has a running guest of those Wanted wait for its next start with
	// something, by hand, and says what its reboot is then: nil where the system has
	// no guests.
	Restart func() inventory.Change
	// Intrusions are changes aimed at things that do not carry our mark. None
	// of them may be done.
	Intrusions []inventory.Change
	// Disown takes our mark off everything that is Wanted and live, by hand, as if
	// it had been given away between a plan and its apply.
	Disown func()
	// Foreign is a digest of everything that is not ours.
	Foreign func() string
	// Writes counts the requests so far that may have changed something.
	Writes func() int
	// BreakPart makes a part unreadable and names what must then be unknown.
	// Nil where a system is read whole or not at all.
	BreakPart func() inventory.Key
}

// Run puts a system through the suite; open makes a fixture of its own for each test.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(open(t), t) })
	}
}

// RunVirtual is [Run] in virtual time, for a double whose network is in memory:
// what the system waits for takes none.
func RunVirtual(t *testing.T, open func(t *testing.T) Fixture) {
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(open(t), t) })
		})
	}
}

var tests = map[string]func(Fixture, *testing.T){
	"making is seen by a new process and then nothing is left to do": func(f Fixture, t *testing.T) {
		f.converge(t, f.Wanted)
	},
	"applying twice changes nothing": func(f Fixture, t *testing.T) {
		changes := f.diff(t, f.Wanted)
		f.apply(t, changes)
		f.unchanged(t, func() { f.attempt(t, changes) })
	},
	"editing in place": func(f Fixture, t *testing.T) {
		f.converge(t, f.Wanted)
		changes := f.diff(t, f.Edited)
		if len(changes) == 0 {
			t.Fatal("the fixture's Edited differs in nothing")
		}
		f.apply(t, changes)
		f.empty(t, f.Edited)
		f.unchanged(t, func() { f.apply(t, changes) })
	},
	"a hand-made change is put right": func(f Fixture, t *testing.T) {
		f.converge(t, f.Edited)
		f.converge(t, f.Wanted)
	},
	"deleting twice": func(f Fixture, t *testing.T) {
		f.converge(t, f.Wanted)
		changes := f.diff(t, nil)
		f.apply(t, changes)
		f.empty(t, nil)
		f.unchanged(t, func() { f.apply(t, changes) })
	},
	"what was changed by hand is seen and put right":     Fixture.drifted,
	"a guest is retired, kept and brought back":          Fixture.retired,
	"a guest is restarted for what waits, once":          Fixture.restarted,
	"a guest that is not ours any more is not restarted": Fixture.restartedAfterAll,
	"what is not ours is left alone":                     Fixture.intrude,
	"what was given away since is not deleted":           Fixture.givenAway,
	"a listing that failed in part says so":              Fixture.partial,
	"concurrent use":                                     Fixture.concurrent,
	"a stop answers for every change":                    Fixture.stopped,
}

func (f Fixture) list(t *testing.T) inventory.Listing {
	t.Helper()
	listing, err := f.Open(t).List(t.Context())
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	return listing
}

// diff is what has to change, in the form in which a pass would ask for it.
func (f Fixture) diff(t *testing.T, desired []inventory.Resource) []inventory.Change {
	t.Helper()
	listing := f.list(t)
	if len(listing.Unknown) > 0 {
		t.Fatalf("List could not read %v", listing.Unknown)
	}
	p := plan.Diff(plan.Input{Desired: desired, Live: listing.Items})
	if blocked := p.BlockedSteps(); len(blocked) > 0 {
		t.Fatalf("blocked: %s: %s", blocked[0].Key, blocked[0].Reason)
	}
	return p.Ready()
}

// converge makes desired true and demands that a second look finds nothing to do.
func (f Fixture) converge(t *testing.T, desired []inventory.Resource) {
	t.Helper()
	before := f.Foreign()
	f.apply(t, f.diff(t, desired))
	f.empty(t, desired)
	if after := f.Foreign(); after != before {
		t.Errorf("foreign things changed:\nbefore %s\nafter  %s", before, after)
	}
}

func (f Fixture) empty(t *testing.T, desired []inventory.Resource) {
	t.Helper()
	for _, c := range f.diff(t, desired) {
		t.Errorf("second pass: %s %s %v\nbefore %s\nafter  %s", c.Action, c.Key, c.Fields, attrs(c.Before), attrs(c.After))
	}
}

// apply makes the changes in the order of their needs and demands that each is done.
func (f Fixture) apply(t *testing.T, changes []inventory.Change) {
	t.Helper()
	for _, o := range f.attempt(t, changes) {
		if o.State != inventory.StateDone {
			t.Errorf("%s: %s: %s", o.Key, o.State, o.Error)
		}
	}
}

// attempt makes the changes wave by wave, each wave as one shuffled batch on a
// connection of its own, with a few more tries for what asks for one.
func (f Fixture) attempt(t *testing.T, changes []inventory.Change) []inventory.Outcome {
	t.Helper()
	var all []inventory.Outcome
	for _, wave := range waves(changes) {
		rand.Shuffle(len(wave), func(i, j int) { wave[i], wave[j] = wave[j], wave[i] })
		all = append(all, tries(t, f.Open(t), wave)...)
	}
	return all
}

func tries(t *testing.T, system reconciler.System, wave []inventory.Change) []inventory.Outcome {
	t.Helper()
	var settled []inventory.Outcome
	for try := 0; len(wave) > 0; try++ {
		outcomes := system.Apply(t.Context(), wave, func(inventory.Event) {})
		complete(t, wave, outcomes)
		var again []inventory.Change
		for _, o := range outcomes {
			if o.State == inventory.StateRetry && try < 5 {
				i := slices.IndexFunc(wave, func(c inventory.Change) bool { return c.Key == o.Key })
				again = append(again, wave[i])
				continue
			}
			settled = append(settled, o)
		}
		if wave = again; len(wave) > 0 {
			time.Sleep(10 * time.Millisecond << try) // a lock may be on its way out
		}
	}
	return settled
}

// complete demands exactly one outcome a change, with a reason where it is not done.
func complete(t *testing.T, changes []inventory.Change, outcomes []inventory.Outcome) {
	t.Helper()
	seen := map[inventory.Key]int{}
	for _, o := range outcomes {
		seen[o.Key]++
		if o.State != inventory.StateDone && o.Error == "" {
			t.Errorf("%s: %s without a reason", o.Key, o.State)
		}
	}
	for _, c := range changes {
		if seen[c.Key] != 1 {
			t.Errorf("%s: %d outcomes, want 1", c.Key, seen[c.Key])
		}
	}
	if len(outcomes) != len(changes) {
		t.Errorf("%d outcomes for %d changes", len(outcomes), len(changes))
	}
}

// waves orders changes by their needs.
func waves(changes []inventory.Change) [][]inventory.Change {
	var out [][]inventory.Change
	done := map[inventory.Key]bool{}
	for rest := slices.Clone(changes); len(rest) > 0; {
		var wave, later []inventory.Change
		for _, c := range rest {
			ready := !slices.ContainsFunc(c.Needs, func(k inventory.Key) bool {
				return !done[k] && slices.ContainsFunc(rest, func(o inventory.Change) bool { return o.Key == k })
			})
			if ready {
				wave = append(wave, c)
			} else {
				later = append(later, c)
			}
		}
		if len(wave) == 0 {
			return append(out, rest) // a circle: let the system refuse it
		}
		for _, c := range wave {
			done[c.Key] = true
		}
		out, rest = append(out, wave), later
	}
	return out
}

// unchanged demands that act changes neither what is listed nor sends a write.
func (f Fixture) unchanged(t *testing.T, act func()) {
	t.Helper()
	items, writes := f.list(t).Items, f.Writes()
	act()
	if now := f.Writes(); now != writes {
		t.Errorf("%d writing requests, want none", now-writes)
	}
	if before, after := text(items), text(f.list(t).Items); before != after {
		t.Errorf("the listing changed:\nbefore %s\nafter  %s", before, after)
	}
}

func (f Fixture) intrude(t *testing.T) {
	f.converge(t, f.Wanted)
	before := f.Foreign()
	if len(f.Intrusions) == 0 {
		t.Fatal("the fixture has no Intrusions")
	}
	for _, c := range f.Intrusions {
		for _, o := range f.Open(t).Apply(t.Context(), []inventory.Change{c}, func(inventory.Event) {}) {
			if o.State == inventory.StateDone {
				t.Errorf("%s %s was done, though it is not ours", c.Action, c.Key)
			}
		}
	}
	if after := f.Foreign(); after != before {
		t.Errorf("foreign things changed:\nbefore %s\nafter  %s", before, after)
	}
	f.empty(t, f.Wanted)
}

// givenAway: each deletion looks at the live thing once more and finds it
// somebody else's. Whether it fails or says that ours is gone, it writes nothing.
func (f Fixture) givenAway(t *testing.T) {
	f.converge(t, f.Wanted)
	changes := f.diff(t, nil)
	if f.Disown == nil || len(changes) == 0 {
		t.Fatal("the fixture has no Disown, or nothing to delete")
	}
	f.Disown()
	before, writes := f.Foreign(), f.Writes()
	for _, c := range changes {
		f.Open(t).Apply(t.Context(), []inventory.Change{c}, func(inventory.Event) {})
	}
	if now := f.Writes(); now != writes {
		t.Errorf("%d writing requests, want none", now-writes)
	}
	if after := f.Foreign(); after != before {
		t.Errorf("foreign things changed:\nbefore %s\nafter  %s", before, after)
	}
}

func (f Fixture) partial(t *testing.T) {
	if f.BreakPart == nil {
		t.Log("this system is read whole or not at all")
		return
	}
	f.converge(t, f.Wanted)
	prefix := f.BreakPart()
	listing := f.list(t)
	if !slices.ContainsFunc(listing.Unknown, func(u inventory.Unknown) bool { return prefix.Under(u.Prefix) && u.Reason != "" }) {
		t.Fatalf("nothing says that %s is unknown: %v", prefix, listing.Unknown)
	}
	p := plan.Diff(plan.Input{Desired: f.Wanted, Live: listing.Items, Unknown: listing.Unknown})
	for _, c := range p.Ready() {
		t.Errorf("an incomplete listing leads to %s %s", c.Action, c.Key)
	}
}

func (f Fixture) concurrent(t *testing.T) {
	system := f.Open(t)
	for _, wave := range waves(f.diff(t, f.Wanted)) {
		var wg sync.WaitGroup
		for _, c := range wave {
			wg.Go(func() {
				for _, o := range tries(t, system, []inventory.Change{c}) {
					if o.State != inventory.StateDone {
						t.Errorf("%s: %s: %s", o.Key, o.State, o.Error)
					}
				}
			})
		}
		wg.Go(func() {
			if _, err := system.List(t.Context()); err != nil {
				t.Errorf("List meanwhile: %v", err)
			}
		})
		wg.Wait()
	}
	f.empty(t, f.Wanted)
}

func (f Fixture) stopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	changes := waves(f.diff(t, f.Wanted))[0]
	outcomes := f.Open(t).Apply(ctx, changes, func(inventory.Event) {})
	complete(t, changes, outcomes)
	for _, o := range outcomes {
		if o.State == inventory.StateDone {
			t.Errorf("%s: done after the stop", o.Key)
		}
	}
	f.converge(t, f.Wanted)
}

func attrs(r *inventory.Resource) string {
	if r == nil {
		return "–"
	}
	return text(r.Attrs) + " " + text(r.Owner)
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
