package reconciler

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler/plan"
)

// office is a fake that would rather be called seldom.
type office struct{ fake }

func (*office) Patient(inventory.Change) bool { return true }

// yard is a fake with room for one change at a time.
type yard struct{ fake }

func (*yard) Claims(inventory.Change) []inventory.Claim {
	return []inventory.Claim{{Name: "yard", Limit: 1}}
}

// moving is a plan whose changes in the yard, one after another, each make one
// change of the office ready, and some of these make another one of the yard ready.
func moving(n, needed int) plan.Plan {
	var p plan.Plan
	add := func(key inventory.Key, needs ...inventory.Key) {
		p.Steps = append(p.Steps, plan.Step{Change: inventory.Change{Key: key, Action: inventory.Create, Needs: needs}})
	}
	for i := range n {
		add(inventory.Key(fmt.Sprintf("yard/guest/%03d", i)))
		add(inventory.Key(fmt.Sprintf("office/record/%03d", i)), inventory.Key(fmt.Sprintf("yard/guest/%03d", i)))
		if i < needed {
			add(inventory.Key(fmt.Sprintf("yard/power/%03d", i)), inventory.Key(fmt.Sprintf("office/record/%03d", i)))
		}
	}
	return p
}

func TestWhatNobodyWaitsForTravelsTogether(t *testing.T) {
	for _, c := range []struct{ n, batch, needed, calls int }{
		{n: 50, batch: 20, calls: 3},
		{n: 50, batch: 100, calls: 1},
		{n: 1, batch: 20, calls: 1},
		{n: 20, batch: 100, needed: 20, calls: 20}, // others wait for them
		{n: 20, batch: 100, needed: 1, calls: 2},   // one waits, and has the rest go along that are ready
	} {
		synctest.Test(t, func(t *testing.T) {
			o, y := &office{fake{batch: c.batch}}, &yard{}
			r := quiet(nil)
			r.Systems = map[string]Managed{"office": {System: o}, "yard": {System: y}}
			waited := false
			r.Watch = func(p Progress) {
				waited = waited || slices.ContainsFunc(p.Waiting, func(w Wait) bool { return w.For == "others to travel with" })
			}
			for _, result := range r.apply(t.Context(), moving(c.n, c.needed), nil) {
				if result.State != inventory.StateDone {
					t.Errorf("%+v: %+v", c, result)
				}
			}
			if len(o.calls) != c.calls || waited != (c.n > 1 && c.needed < c.n) {
				t.Errorf("%+v: %d calls, waiting told of: %v: %q", c, len(o.calls), waited, o.calls)
			}
		})
	}
}

// A stop leaves nobody behind who was held back, and what failed ends the wait.
func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, y := &office{fake{batch: 100}}, &yard{fake{answers: map[inventory.Key][]inventory.State{"yard/guest/001": {inventory.StateFailed}}}}
		r := quiet(nil)
		r.Systems = map[string]Managed{"office": {System: o}, "yard": {System: y}}
		r.apply(t.Context(), moving(2, 0), nil)
		if !slices.Equal(o.calls, []string{"000"}) {
			t.Errorf("calls %q", o.calls)
		}
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(5500*time.Millisecond, stop)
		for _, result := range r.apply(ctx, moving(10, 0), nil) {
			if result.State == inventory.StateUnknown {
				t.Errorf("%+v", result)
			}
		}
		if len(o.calls) != 1 {
			t.Errorf("after a stop: %q", o.calls)
		}
	})
}
