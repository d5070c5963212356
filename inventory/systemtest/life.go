package systemtest

import (
	"slices"
	"testing"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler/plan"
)

// drifted: what somebody changed by hand is listed as it is now, field by field, and
// nothing else is; it is put right once, and then stands.
func (f Fixture) drifted(t *testing.T) {
	if f.Meddle == nil {
		t.Fatal("the fixture has no Meddle")
	}
	f.converge(t, f.Wanted)
	drifted := f.Meddle()
	changes := f.diff(t, f.Wanted)
	if len(changes) == 0 {
		t.Fatal("Meddle changed nothing that is listed")
	}
	for _, c := range changes {
		want := slices.Sorted(slices.Values(drifted[c.Key]))
		have := slices.Sorted(slices.Values(c.Fields))
		have = slices.DeleteFunc(have, func(f string) bool { return f == "boot" }) // which is what is owed, and no field of anybody's
		if c.Action != inventory.Update || !slices.Equal(have, want) {
			t.Errorf("%s %s differs in %q, want an update of %q", c.Action, c.Key, have, want)
		}
		delete(drifted, c.Key)
	}
	for key, fields := range drifted {
		t.Errorf("%s: that %q drifted is not seen", key, fields)
	}
	f.converge(t, f.Wanted)
	f.unchanged(t, func() { f.attempt(t, changes) })
}

// day and days are when guests are retired here, and for how long they are kept.
const (
	day  = "2026-01-31"
	days = 30
)

// retired: a guest that nothing declares is stopped and remembers since when; the
// next look has nothing to do, the days of somebody else do not change its own, and
// declaring it again brings back the same one.
func (f Fixture) retired(t *testing.T) {
	f.converge(t, f.Wanted)
	was := f.guests(t)
	if len(was) == 0 {
		t.Log("this system has no guests")
		return
	}
	before := f.Foreign()
	f.apply(t, f.retain(t, nil, day, days))
	kept := f.list(t).Items
	for key := range was {
		guest, power := find(kept, key), find(kept, powerOf(key))
		switch {
		case guest == nil || power == nil:
			t.Fatalf("%s is not kept", key)
		case guest.Attrs[inventory.AttrRetired] != day || guest.Attrs[inventory.AttrRetain] != "30":
			t.Errorf("%s was retired as %v", key, guest.Attrs)
		case power.Attrs["state"] != "stopped":
			t.Errorf("%s is %s, though it is retired", key, power.Attrs["state"])
		}
	}
	for _, c := range f.retain(t, nil, "2026-02-15", 7) {
		t.Errorf("while they are kept: %s %s %v", c.Action, c.Key, c.Fields)
	}
	f.converge(t, f.inUse())
	for key, old := range was {
		switch now := find(f.list(t).Items, key); {
		case now == nil || now.Attrs["vmid"] != old.Attrs["vmid"] || now.Attrs["net0.mac"] != old.Attrs["net0.mac"]:
			t.Errorf("%s is not the same any more", key)
		case now.Attrs[inventory.AttrRetired] != "":
			t.Errorf("%s is back and still retired: %v", key, now.Attrs)
		}
	}
	f.sparesForeign(t, before)
}

// restarted: what waits for a guest's next start is listed, taken by its reboot, and
// the same reboot again restarts nothing.
func (f Fixture) restarted(t *testing.T) {
	f.converge(t, f.Wanted)
	if f.Restart == nil {
		t.Log("this system restarts nothing")
		return
	}
	reboot := f.Restart()
	guest := inventory.MakeKey(reboot.Key.System(), inventory.KindGuest, reboot.Key.Name())
	if waiting := find(f.list(t).Items, guest); waiting == nil || waiting.Attrs["pending"] != reboot.Before.Attrs["pending"] {
		t.Fatalf("what waits for the next start is not listed: %s", attrs(waiting))
	}
	before := f.Foreign()
	f.apply(t, []inventory.Change{reboot})
	items := f.list(t).Items
	if g, power := find(items, guest), find(items, powerOf(guest)); g.Attrs["pending"] != "" || power.Attrs["state"] != "running" {
		t.Errorf("after its restart %q waits, and it is %s", g.Attrs["pending"], power.Attrs["state"])
	}
	f.unchanged(t, func() { f.apply(t, []inventory.Change{reboot}) })
	f.sparesForeign(t, before)
}

// restartedAfterAll: a restart that was planned before the guest was given away is not
// made.
func (f Fixture) restartedAfterAll(t *testing.T) {
	if f.Restart == nil {
		t.Log("this system restarts nothing")
		return
	}
	f.converge(t, f.Wanted)
	reboot := f.Restart()
	f.Disown()
	before, writes := f.Foreign(), f.Writes()
	f.attempt(t, []inventory.Change{reboot})
	f.wroteNothing(t, writes)
	f.sparesForeign(t, before)
}

// retain is what is to be done on a day when only desired is declared and what is not
// is kept.
func (f Fixture) retain(t *testing.T, desired []inventory.Resource, day string, days int) []inventory.Change {
	t.Helper()
	live := f.list(t).Items
	p := plan.Diff(plan.Input{Desired: desired, Live: live})
	p = plan.Retain(p, live, plan.Retention{Day: day, Days: func(inventory.Owner) int { return days }})
	return p.Ready()
}

// inUse is what is wanted, of guests that may have been retired.
func (f Fixture) inUse() []inventory.Resource {
	desired := slices.Clone(f.Wanted)
	for i, r := range desired {
		if r.Key.Kind() == inventory.KindGuest {
			desired[i] = r.Clone()
			desired[i].Attrs[inventory.AttrRetired], desired[i].Attrs[inventory.AttrRetain] = "", ""
		}
	}
	return desired
}

// guests are those of ours, by key.
func (f Fixture) guests(t *testing.T) map[inventory.Key]inventory.Resource {
	t.Helper()
	all := map[inventory.Key]inventory.Resource{}
	for _, r := range f.list(t).Items {
		if r.Key.Kind() == inventory.KindGuest && !r.Owner.IsZero() {
			all[r.Key] = r
		}
	}
	return all
}

func find(items []inventory.Resource, key inventory.Key) *inventory.Resource {
	i := slices.IndexFunc(items, func(r inventory.Resource) bool { return r.Key == key })
	if i < 0 {
		return nil
	}
	return &items[i]
}

func powerOf(guest inventory.Key) inventory.Key {
	return inventory.MakeKey(guest.System(), inventory.KindPower, guest.Name())
}
