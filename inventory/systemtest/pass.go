package systemtest

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

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
	f.sparesForeign(t, before)
}

func (f Fixture) empty(t *testing.T, desired []inventory.Resource) {
	t.Helper()
	for _, c := range f.diff(t, desired) {
		t.Errorf("second pass: %s %s %v\nbefore %s\nafter  %s", c.Action, c.Key, c.Fields, attrs(c.Before), attrs(c.After))
	}
}

// sparesForeign demands that what is not ours is as it was before.
func (f Fixture) sparesForeign(t *testing.T, before string) {
	t.Helper()
	if after := f.Foreign(); after != before {
		t.Errorf("foreign things changed:\nbefore %s\nafter  %s", before, after)
	}
}

// wroteNothing demands that the system took no writing request but those before.
func (f Fixture) wroteNothing(t *testing.T, before int) {
	t.Helper()
	if now := f.Writes(); now != before {
		t.Errorf("%d writing requests, want none", now-before)
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
