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
	"slices"
	"sync"
	"testing"
	"testing/synctest"

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

// unchanged demands that act changes neither what is listed nor sends a write.
func (f Fixture) unchanged(t *testing.T, act func()) {
	t.Helper()
	items, writes := f.list(t).Items, f.Writes()
	act()
	f.wroteNothing(t, writes)
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
	f.sparesForeign(t, before)
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
	f.wroteNothing(t, writes)
	f.sparesForeign(t, before)
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
