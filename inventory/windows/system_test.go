package windows

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/windows/winsim"
)

func TestRecordsLiveAndDie(t *testing.T) {
	l := newLab(t)
	for _, c := range []struct{ name, zone, kind, one, other string }{
		{"vm-x", forward, "A", "192.168.25.9", "192.168.25.10"},
		{"vm-x", forward, "AAAA", "2001:db8::9", "2001:db8::a"},
		{"9", reverse, "PTR", "vm-x.etu.isima.fr", "vm-y.etu.isima.fr"},
		{"www", forward, "CNAME", "vm-x.etu.isima.fr", "vm-y.etu.isima.fr"},
		{"vm-x", forward, "TXT", "one", `other "quoted" $(text)`},
		{"@", forward, "A", "192.168.25.9", "192.168.25.10"},
	} {
		t.Run(c.kind+" "+c.name, func(t *testing.T) {
			one := record(c.name, c.zone, c.kind, c.one)
			other := with(one, "value", c.other, "ttl", "60")
			l.make(t, inventory.Create, nil, one)
			live := l.live(t, one.Key)
			if live == nil || !maps.Equal(live.Attrs, one.Attrs) || live.Owner != one.Owner {
				t.Fatalf("after creation: %+v", live)
			}
			l.make(t, inventory.Update, live, other)
			live = l.live(t, one.Key)
			if live == nil || !maps.Equal(live.Attrs, other.Attrs) || live.Owner != one.Owner {
				t.Fatalf("after the update: %+v", live)
			}
			l.make(t, inventory.Delete, live, nil)
			if stands, marks := l.stands(), l.marks(); len(stands) > 0 || marks > 0 {
				t.Errorf("after the deletion: %v and %d marks", stands, marks)
			}
		})
	}
}

func TestRecordWithALongMark(t *testing.T) {
	l := newLab(t)
	r := record("vm-x", forward, "A", "192.168.25.9")
	r.Owner.File = "cohorts/" + strings.Repeat("é", 120) + ".yaml"
	l.make(t, inventory.Create, nil, r)
	if l.marks() < 3 {
		t.Fatalf("%d texts: the mark is not long enough for this test", l.marks())
	}
	live := l.live(t, r.Key)
	if live == nil || live.Owner != r.Owner {
		t.Fatalf("%+v", live)
	}
	l.make(t, inventory.Update, live, record("vm-x", forward, "A", "192.168.25.9"))
	if l.marks() != 1 {
		t.Errorf("%d texts after the owner changed", l.marks())
	}
}

// A daemon that is killed between the mark and the record leaves a mark alone.
func TestHalfMadeRecordIsCompletedOrCleared(t *testing.T) {
	for name, finish := range map[string]func(l *lab, half, want *inventory.Resource){
		"completed": func(l *lab, half, want *inventory.Resource) {
			l.make(t, inventory.Update, half, want)
			if live := l.live(t, want.Key); live == nil || live.Attrs["value"] != want.Attrs["value"] || l.marks() != 1 {
				t.Errorf("%+v with %d marks", live, l.marks())
			}
		},
		"cleared": func(l *lab, half, want *inventory.Resource) {
			l.make(t, inventory.Delete, half, nil)
			if l.marks() != 0 {
				t.Error("the mark is still there")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			want := record("vm-x", forward, "A", "192.168.25.9")
			old := markTexts(recordMark(want.Key, want.Owner, "A", "192.168.25.8"))
			must(t, l.dc1.AddRecord(winsim.Record{Zone: forward, Name: "_provost.vm-x", Type: "TXT", Value: old[0]}))
			half := l.live(t, want.Key)
			if half == nil || half.Attrs["value"] != "" || half.Owner != want.Owner {
				t.Fatalf("%+v", half)
			}
			finish(l, half, want)
		})
	}
}

func TestWhatChangedMeanwhileIsLeftAlone(t *testing.T) {
	l := newLab(t)
	r := record("vm-x", forward, "A", "192.168.25.9")
	l.make(t, inventory.Create, nil, r)
	before := l.live(t, r.Key)
	l.dc1.RemoveRecord(forward, "vm-x", "A", "192.168.25.9")
	must(t, l.dc1.AddRecord(winsim.Record{Zone: forward, Name: "vm-x", Type: "A", Value: "192.168.25.77"}))
	if o := l.apply(t, inventory.Update, before, with(r, "value", "192.168.25.10")); o.State != inventory.StateFailed {
		t.Errorf("update: %+v", o)
	}
	must(t, l.dc1.AddRecord(winsim.Record{Zone: forward, Name: "vm-w", Type: "A", Value: "192.168.25.9"}))
	wanted := record("vm-w", forward, "A", "192.168.25.10")
	mark := markTexts(recordMark(wanted.Key, raphael(), "A", "192.168.25.9"))
	must(t, l.dc1.AddRecord(winsim.Record{Zone: forward, Name: "_provost.vm-w", Type: "TXT", Value: mark[0]}))
	must(t, l.dc1.AddRecord(winsim.Record{Zone: forward, Name: "vm-w", Type: "A", Value: "192.168.25.10"}))
	digest := l.dc1.Digest()
	if o := l.apply(t, inventory.Update, l.live(t, wanted.Key), wanted); o.State != inventory.StateFailed || l.dc1.Digest() != digest {
		t.Errorf("update onto somebody's record: %+v\n%v", o, l.stands())
	}
	l.dc1.RemoveRecord(forward, "vm-w", "A", "192.168.25.10")
	l.make(t, inventory.Delete, l.live(t, wanted.Key), nil)
	if live := l.live(t, r.Key); live == nil || !live.Owner.IsZero() {
		t.Errorf("the hand-made record is listed as ours: %+v", live)
	}
	l.make(t, inventory.Delete, before, nil) // ours is gone: only the mark is cleared away
	if got := l.stands(); !slices.Equal(got, []string{"vm-x A 192.168.25.77"}) || l.marks() != 0 {
		t.Errorf("%v with %d marks", got, l.marks())
	}

	res := reservation(20, "vm-x")
	l.make(t, inventory.Create, nil, res)
	seen := l.live(t, res.Key)
	moved := with(seen, "ip", "192.168.25.21")
	l.make(t, inventory.Update, seen, moved)
	if o := l.apply(t, inventory.Update, seen, with(res, "ip", "192.168.25.22")); o.State != inventory.StateFailed {
		t.Errorf("reservation: %+v", o)
	}
}

func TestDynamicRecordIsShownAndNeverTouched(t *testing.T) {
	l := newLab(t)
	must(t, l.dc1.AddRecord(winsim.Record{Zone: forward, Name: "vm-x", Type: "A", Value: "192.168.25.9", Timestamp: time.Now()}))
	live := l.live(t, "ad/record/vm-x.etu.isima.fr/A")
	if live == nil || live.Attrs["dynamic"] != "1" || !live.Owner.IsZero() {
		t.Fatalf("%+v", live)
	}
	digest := l.dc1.Digest()
	ours := live.Clone()
	ours.Owner = raphael()
	for _, o := range []inventory.Outcome{
		l.apply(t, inventory.Create, nil, record("vm-x", forward, "A", "192.168.25.9")),
		l.apply(t, inventory.Adopt, live, record("vm-x", forward, "A", "192.168.25.9")),
		l.apply(t, inventory.Delete, &ours, nil),
		l.apply(t, inventory.Delete, record("vm-x", forward, "A", "192.168.25.9"), nil),
		l.apply(t, inventory.Update, record("vm-x", forward, "A", "192.168.25.9"), record("vm-x", forward, "A", "192.168.25.10")),
	} {
		if o.State != inventory.StateFailed {
			t.Errorf("%+v", o)
		}
	}
	if l.dc1.Digest() != digest {
		t.Errorf("something was written: %v", l.stands())
	}
}

func TestAdoption(t *testing.T) {
	l := newLab(t)
	id := netip.MustParseAddr(scope25)
	must(t, l.dc1.AddRecord(winsim.Record{Zone: forward, Name: "vm-x", Type: "A", Value: "192.168.25.9", TTL: time.Minute}))
	for _, s := range []*winsim.Server{l.dc1, l.dc2} {
		must(t, s.AddReservation(winsim.Reservation{Scope: id, IP: netip.MustParseAddr("192.168.25.20"),
			ClientID: "bc-24-11-00-00-14", Name: "Old-Name", Description: "made by Jean", Type: "Both"}))
		must(t, s.AddFilter(winsim.Filter{MAC: "BC-24-11-00-00-14", List: "Allow", Description: "made by Jean"}))
	}
	for _, want := range []*inventory.Resource{record("vm-x", forward, "A", "192.168.25.10"), reservation(20, "vm-x"), filter(20, "allow")} {
		before := l.live(t, want.Key)
		l.make(t, inventory.Adopt, before, want)
		after := l.live(t, want.Key)
		if after == nil || after.Owner != want.Owner || !maps.Equal(after.Attrs, before.Attrs) {
			t.Errorf("adoption changed more than the owner:\n%+v\n%+v", before, after)
		}
		l.make(t, inventory.Update, after, want)
		if after = l.live(t, want.Key); after.Attrs["value"] != want.Attrs["value"] || after.Attrs["name"] != want.Attrs["name"] {
			t.Errorf("after the update: %+v", after)
		}
	}
	for _, f := range l.dc2.Filters() {
		if !strings.HasPrefix(f.Description, "made by Jean\n") {
			t.Errorf("what a person wrote is lost: %q", f.Description)
		}
	}
}

// A client's own name takes the place of a reservation's.
func TestRenamedReservationIsNoDifference(t *testing.T) {
	l := newLab(t)
	r := reservation(20, "vm-x")
	l.make(t, inventory.Create, nil, r)
	was := l.dc2.Reservations()[0]
	l.dc2.RemoveReservation(was.IP)
	was.Name = "VM-X.etu.isima.fr"
	must(t, l.dc2.AddReservation(was))
	live := l.live(t, r.Key)
	if live == nil || live.Attrs["name"] != "vm-x" || live.Attrs["on"] != "all" {
		t.Fatalf("%+v", live)
	}
	l.make(t, inventory.Update, live, with(r, "ip", "192.168.25.21"))
	if live = l.live(t, r.Key); live.Attrs["ip"] != "192.168.25.21" || live.Attrs["on"] != "all" {
		t.Errorf("%+v", live)
	}
}

func TestMissingOnOnePartnerIsPutRight(t *testing.T) {
	l := newLab(t)
	for _, r := range []*inventory.Resource{reservation(20, "vm-x"), filter(20, "allow")} {
		l.make(t, inventory.Create, nil, r)
	}
	l.dc2.RemoveReservation(netip.MustParseAddr("192.168.25.20"))
	l.dc1.RemoveFilter("bc-24-11-00-00-14")
	for r, on := range map[*inventory.Resource]string{reservation(20, "vm-x"): "dc1.isima.fr", filter(20, "allow"): "dc2.isima.fr"} {
		live := l.live(t, r.Key)
		if live == nil || live.Attrs["on"] != on {
			t.Fatalf("%+v, want on %s", live, on)
		}
		l.make(t, inventory.Update, live, r)
		if live = l.live(t, r.Key); live.Attrs["on"] != "all" {
			t.Errorf("%+v", live)
		}
	}
}

func TestOneCommandAPassAndServer(t *testing.T) {
	l := newLab(t)
	s := l.open(t)
	var changes []inventory.Change
	for i := range 300 {
		r := record(fmt.Sprintf("vm-%03d", i), forward, "A", fmt.Sprintf("192.168.%d.%d", 30+i/250, 1+i%250))
		changes = append(changes, inventory.Change{Key: r.Key, Action: inventory.Create, After: r})
	}
	for _, o := range s.Apply(t.Context(), changes, func(inventory.Event) {}) {
		if o.State != inventory.StateDone {
			t.Fatalf("%+v", o)
		}
	}
	if n := l.dc1.Commands().Verbs[verbApply]; n != 1 {
		t.Errorf("%d commands for 300 changes, want 1", n)
	}
	if n := l.dc2.Commands().Commands; n != 0 {
		t.Errorf("%d commands on the server in reserve, want 0", n)
	}
	_, err := s.List(t.Context())
	must(t, err)
	for name, server := range map[string]*winsim.Server{"dc1": l.dc1, "dc2": l.dc2} {
		if n := server.Commands().Verbs[verbList]; n != 1 {
			t.Errorf("%d listings on %s, want 1", n, name)
		}
	}
	t.Logf("a listing and 300 changes: %d and %d HTTP requests", l.dc1.Commands().Requests, l.dc2.Commands().Requests)
}

// A reservation moves to an address when that is free, and stays until then.
func TestMoveWaitsForTheAddress(t *testing.T) {
	l := newLab(t)
	one, two := reservation(20, "vm-x"), reservation(21, "vm-y")
	l.make(t, inventory.Create, nil, one)
	l.make(t, inventory.Create, nil, two)
	move := func(r *inventory.Resource, ip string) inventory.Change {
		return inventory.Change{Key: r.Key, Action: inventory.Update, Before: l.live(t, r.Key), After: with(r, "ip", ip)}
	}
	changes := []inventory.Change{move(one, two.Attrs["ip"]), move(two, "192.168.25.22")}
	s := l.open(t)
	outcomes := s.Apply(t.Context(), changes, func(inventory.Event) {})
	if outcomes[0].State != inventory.StateRetry || outcomes[1].State != inventory.StateDone {
		t.Errorf("%+v", outcomes)
	}
	for name, server := range map[string]*winsim.Server{"dc1": l.dc1, "dc2": l.dc2} {
		if r := server.Reservations(); len(r) != 2 || r[0].IP.String() != one.Attrs["ip"] {
			t.Errorf("%s: %v", name, r)
		}
	}
	if o := s.Apply(t.Context(), changes[:1], func(inventory.Event) {})[0]; o.State != inventory.StateDone {
		t.Errorf("the next try: %+v", o)
	}
}

func TestDeletionsGoFirst(t *testing.T) {
	l := newLab(t)
	old := reservation(20, "vm-x")
	l.make(t, inventory.Create, nil, old)
	next := with(reservation(21, "vm-y"), "ip", "192.168.25.20")
	outcomes := l.open(t).Apply(t.Context(), []inventory.Change{
		{Key: next.Key, Action: inventory.Create, After: next},
		{Key: old.Key, Action: inventory.Delete, Before: l.live(t, old.Key)},
	}, func(inventory.Event) {})
	for _, o := range outcomes {
		if o.State != inventory.StateDone {
			t.Errorf("%+v", o)
		}
	}
}
