package windows

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
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

func TestPartnerDown(t *testing.T) {
	l := newLab(t)
	l.make(t, inventory.Create, nil, reservation(20, "vm-x"))
	l.make(t, inventory.Create, nil, record("vm-x", forward, "A", "192.168.25.20"))
	l.dc1.Down()
	s := l.open(t)
	listing, err := s.List(t.Context())
	must(t, err)
	for prefix, want := range map[inventory.Key]bool{
		"ad/reservation/192.168.25.0/x": true, "ad/filter/x": true,
		"ad/record/vm-x.etu.isima.fr/A": false, "ad/zone/etu.isima.fr": false, "ad/scope/192.168.25.0": true,
	} {
		unknown := slices.ContainsFunc(listing.Unknown, func(u inventory.Unknown) bool { return prefix.Under(u.Prefix) && u.Reason != "" })
		if unknown != want {
			t.Errorf("%s unknown: %v in %v", prefix, unknown, listing.Unknown)
		}
	}
	if find(listing.Items, "ad/record/vm-x.etu.isima.fr/A") == nil || find(listing.Items, reservation(20, "").Key) == nil {
		t.Errorf("what the other server knows is missing: %v", listing.Items)
	}
	// A record goes to the other DNS server, a filter waits for both partners.
	outcomes := s.Apply(t.Context(), []inventory.Change{
		{Key: "ad/record/vm-y.etu.isima.fr/A", Action: inventory.Create, After: record("vm-y", forward, "A", "192.168.25.21")},
		{Key: filter(20, "allow").Key, Action: inventory.Create, After: filter(20, "allow")},
	}, func(inventory.Event) {})
	if outcomes[0].State != inventory.StateDone || outcomes[1].State != inventory.StateRetry {
		t.Errorf("%+v", outcomes)
	}
	l.dc1.Up()
	fresh := l.open(t)
	l.dc1.Down() // now within a pass: the first choice goes away before the writing
	if o := fresh.Apply(t.Context(), []inventory.Change{{Key: "ad/record/vm-z.etu.isima.fr/A", Action: inventory.Create,
		After: record("vm-z", forward, "A", "192.168.25.22")}}, func(inventory.Event) {}); o[0].State != inventory.StateDone {
		t.Errorf("%+v", o)
	}
	if c := fresh.Claims(inventory.Change{Key: "ad/record/vm-z.etu.isima.fr/A"}); len(c) != 1 || c[0].Name != "ad/host/dc2.isima.fr" {
		t.Errorf("claims after the fail-over: %v", c)
	}
	l.dc2.Down()
	if _, err := s.List(t.Context()); err == nil {
		t.Error("nothing answers, and List says nothing")
	}
}

func TestUnreadScopeKeepsWhatWasLastKnown(t *testing.T) {
	l := newLab(t)
	l.make(t, inventory.Create, nil, reservation(20, "vm-x"))
	s := l.open(t)
	before, err := s.List(t.Context())
	must(t, err)
	for _, server := range []*winsim.Server{l.dc1, l.dc2} {
		server.ScopeUnreadable(netip.MustParseAddr(scope25), true)
	}
	after, err := s.List(t.Context())
	must(t, err)
	for _, key := range []inventory.Key{reservation(20, "").Key, "ad/scope/192.168.25.0"} {
		if find(after.Items, key) == nil || find(before.Items, key) == nil {
			t.Errorf("%s is forgotten", key)
		}
		if !slices.ContainsFunc(after.Unknown, func(u inventory.Unknown) bool { return key.Under(u.Prefix) }) {
			t.Errorf("%s counts as known: %v", key, after.Unknown)
		}
	}
	if len(before.Unknown) > 0 {
		t.Errorf("unknown before: %v", before.Unknown)
	}
}

func TestUnreadZoneKeepsWhatWasLastKnown(t *testing.T) {
	l := newLab(t)
	l.make(t, inventory.Create, nil, record("vm-x", forward, "A", "192.168.25.9"))
	s := l.open(t)
	_, err := s.List(t.Context())
	must(t, err)
	s.cfg.DNS.Zones = append(s.cfg.DNS.Zones, "missing.isima.fr")
	listing, err := s.List(t.Context())
	must(t, err)
	if len(listing.Unknown) != 1 || listing.Unknown[0].Prefix != "ad/zone/missing.isima.fr" || !strings.Contains(listing.Unknown[0].Reason, "9601") {
		t.Errorf("%v", listing.Unknown)
	}
	for _, server := range []*winsim.Server{l.dc1, l.dc2} {
		server.Inject(winsim.Fault{Match: verbList, Kind: winsim.Fault500, Times: -1})
	}
	l.dc1.ClearFaults()
	l.dc1.Inject(winsim.Fault{Match: verbList, Kind: winsim.Fault500}) // dc1 fails once, dc2 always
	if _, err := s.List(t.Context()); err == nil {
		t.Error("nothing could be read, and List says nothing")
	}
}

func TestFaultsOnTheWay(t *testing.T) {
	for name, c := range map[string]struct {
		fault winsim.Fault
		want  inventory.State
	}{
		"standard input is lost":       {winsim.Fault{Match: verbApply, Kind: winsim.LoseStdin}, inventory.StateRetry},
		"done, but the answer is lost": {winsim.Fault{Match: verbApply, Kind: winsim.DropAnswer}, inventory.StateUnknown},
		"cut before":                   {winsim.Fault{Match: verbApply, Kind: winsim.DropBefore}, inventory.StateUnknown},
		"a fault to the command":       {winsim.Fault{Match: "Command", Kind: winsim.Fault500, Times: 2}, inventory.StateRetry},
		"a fault to the first command": {winsim.Fault{Match: "Command", Kind: winsim.Fault500, Skip: 1}, inventory.StateDone},
		"a fault to the shell":         {winsim.Fault{Match: "Create", Kind: winsim.Refuse}, inventory.StateRetry},
		"a fault while sending":        {winsim.Fault{Match: "Send", Kind: winsim.Refuse}, inventory.StateUnknown},
		"a fault while receiving":      {winsim.Fault{Match: "Receive", Kind: winsim.Fault500}, inventory.StateUnknown},
		"the directory is away":        {winsim.Fault{Match: verbApply, Kind: winsim.FailItem, ErrorID: "WIN32 9717"}, inventory.StateRetry},
		"access is denied":             {winsim.Fault{Match: verbApply, Kind: winsim.FailItem, ErrorID: "WIN32 5"}, inventory.StateFailed},
		"somebody was quicker":         {winsim.Fault{Match: verbApply, Kind: winsim.FailItem, ErrorID: "WIN32 9711"}, inventory.StateRetry},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.cfg.DNS.Servers = l.cfg.DNS.Servers[:1]
			s := l.open(t)
			if c.fault.Skip > 0 { // a shell that stands: the first command in it fails
				_, err := s.List(t.Context())
				must(t, err)
				c.fault.Skip = 0
			}
			r := record("vm-x", forward, "A", "192.168.25.9")
			l.dc1.Inject(c.fault)
			change := []inventory.Change{{Key: r.Key, Action: inventory.Create, After: r}}
			o := s.Apply(t.Context(), change, func(inventory.Event) {})[0]
			if o.State != c.want || (o.State != inventory.StateDone && o.Error == "") {
				t.Errorf("%+v, want %s", o, c.want)
			}
			if strings.Contains(o.Error, secret) {
				t.Errorf("the password is in %q", o.Error)
			}
			l.dc1.ClearFaults()
			if o := s.Apply(t.Context(), change, func(inventory.Event) {})[0]; o.State != inventory.StateDone {
				t.Errorf("the next try: %+v", o)
			}
			if got := l.stands(); !slices.Equal(got, []string{"vm-x A 192.168.25.9"}) || l.marks() != 1 {
				t.Errorf("%v with %d marks", got, l.marks())
			}
		})
	}
}

func TestStopEndsACommandThatHangs(t *testing.T) {
	l := newLab(t)
	l.dc1.Inject(winsim.Fault{Match: verbApply, Kind: winsim.Hang})
	ctx, cancel := context.WithCancel(t.Context())
	r := record("vm-x", forward, "A", "192.168.25.9")
	s := l.open(t)
	o := s.Apply(ctx, []inventory.Change{{Key: r.Key, Action: inventory.Create, After: r}}, func(inventory.Event) {
		time.AfterFunc(50*time.Millisecond, cancel)
	})[0]
	if o.State == inventory.StateDone || o.State == inventory.StateFailed {
		t.Errorf("%+v", o)
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

func TestLogin(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"a wrong password":     func(c *Config) { c.PasswordFile = tempFile(t, "password", "wrong-secret") },
		"a foreign authority":  func(c *Config) { c.CAFile = tempFile(t, "ca.pem", string(newLab(t).dc1.CACert())) },
		"another server there": func(c *Config) { c.DNS.Servers, c.DHCP.Servers = []string{"dc2.isima.fr"}, nil; swap(c) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			change(&l.cfg)
			_, err := l.open(t).List(t.Context())
			if err == nil || strings.Contains(err.Error(), "wrong-secret") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// swap lets dc1 answer where dc2 is asked: a certificate for another name.
func swap(c *Config) {
	dial := c.Dial
	c.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial(ctx, network, "dc1.isima.fr:5986")
	}
}

func TestRefuse(t *testing.T) {
	s := newLab(t).open(t)
	create := func(r *inventory.Resource, pairs ...string) inventory.Change {
		r = with(r, pairs...)
		return inventory.Change{Key: r.Key, Action: inventory.Create, After: r}
	}
	foreign := record("vm-x", forward, "A", "192.168.25.9")
	foreign.Owner = inventory.Owner{}
	several := with(foreign, "value", "192.168.25.9,192.168.25.10")
	ours := record("vm-x", forward, "A", "192.168.25.9")
	strange := record("vm-x", forward, "A", "192.168.25.9")
	strange.Owner.Campus = "other"
	for name, c := range map[string]struct {
		change inventory.Change
		want   string
	}{
		"fine":             {create(ours), ""},
		"zone":             {create(record("x", "uca.fr", "A", "10.0.0.1")), "not managed"},
		"type":             {create(record("x", forward, "SRV", "10.0.0.1")), "not managed"},
		"qualified":        {create(record("x.etu.isima.fr", forward, "A", "10.0.0.1")), "relative"},
		"label of marks":   {create(record("_provost.x", forward, "A", "10.0.0.1")), "kept for marks"},
		"bad label":        {create(record("-x", forward, "A", "10.0.0.1")), "not a label"},
		"wildcard":         {create(record("*", forward, "A", "10.0.0.1")), "not a label"},
		"upper case":       {create(record("X", forward, "A", "10.0.0.1")), "not a label"},
		"long label":       {create(record(strings.Repeat("x", 64), forward, "A", "10.0.0.1")), "not a label"},
		"long name":        {create(record(strings.Repeat("x.", 121)+"x", forward, "A", "10.0.0.1")), "want 1 to 253"},
		"not an address":   {create(record("x", forward, "A", "10.0.0")), "not an IPv4"},
		"wrong family":     {create(record("x", forward, "A", "::1")), "not an IPv4"},
		"mapped":           {create(record("x", forward, "AAAA", "::ffff:10.0.0.1")), "not an IPv6"},
		"not canonical":    {create(record("x", forward, "AAAA", "2001:DB8::1")), "canonical"},
		"target with dot":  {create(record("x", forward, "CNAME", "a.b.")), "not a label"},
		"long text":        {create(record("x", forward, "TXT", strings.Repeat("x", 255))), "1 to 254"},
		"control":          {create(record("x", forward, "TXT", "a\nb")), "printable"},
		"ttl":              {create(ours, "ttl", "soon"), "ttl"},
		"ttl 0":            {create(ours, "ttl", "0"), "ttl"},
		"no ttl":           {create(ours, "ttl", "3600"), ""},
		"attributes":       {create(ours, "name", "vm-y"), "the attributes are those of"},
		"scope":            {create(&inventory.Resource{Key: "ad/reservation/10.0.0.0/bc-24-11-00-00-01", Owner: raphael(), Attrs: inventory.Attrs{"ip": "10.0.0.1", "name": "x"}}), "not managed"},
		"mac":              {create(&inventory.Resource{Key: "ad/filter/bc-24-11-*", Owner: raphael(), Attrs: inventory.Attrs{"list": "allow"}}), "not a MAC"},
		"list":             {create(filter(1, "maybe")), "want allow or deny"},
		"one partner only": {create(filter(1, "allow"), "on", "dc1.isima.fr"), "all fail-over partners"},
		"ip":               {create(reservation(1, "x"), "ip", "::1"), "not an IPv4"},
		"mac differs":      {create(reservation(1, "x"), "mac", "bc-24-11-00-00-02"), "not that of"},
		"name":             {create(reservation(1, "x"), "name", "a b"), "not a label"},
		"observed":         {create(&inventory.Resource{Key: "ad/zone/x", Owner: raphael()}), "only observed"},
		"other system":     {create(&inventory.Resource{Key: "cri/guest/x", Owner: raphael()}), "not of ad"},
		"other campus":     {create(strange), `campus "other"`},
		"foreign update":   {inventory.Change{Key: ours.Key, Action: inventory.Update, Before: foreign, After: ours}, "no mark of ours"},
		"foreign delete":   {inventory.Change{Key: ours.Key, Action: inventory.Delete, Before: foreign}, "no mark of ours"},
		"adopt ours":       {inventory.Change{Key: ours.Key, Action: inventory.Adopt, Before: ours, After: ours}, "somebody's already"},
		"adopt several":    {inventory.Change{Key: ours.Key, Action: inventory.Adopt, Before: several, After: ours}, "not one record"},
		"replace":          {inventory.Change{Key: ours.Key, Action: inventory.Replace, Before: ours, After: ours}, "ever replaced"},
		"incomplete":       {inventory.Change{Key: ours.Key, Action: inventory.Update, After: ours}, "incomplete"},
		"rename":           {inventory.Change{Key: ours.Key, Action: inventory.Update, Before: record("vm-y", forward, "A", "192.168.25.9"), After: ours}, "renamed"},
	} {
		got := s.Refuse(c.change)
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if c.want == "" {
			continue
		}
		if o := s.Apply(t.Context(), []inventory.Change{c.change}, func(inventory.Event) {})[0]; o.State != inventory.StateFailed || o.Error != got {
			t.Errorf("%s: applied: %+v", name, o)
		}
	}
}

func TestConfig(t *testing.T) {
	good := func() Config {
		return Config{
			DNS:  DNSConfig{Servers: []string{"dc1"}, Zones: []string{"Etu.Isima.fr."}},
			DHCP: DHCPConfig{Servers: []string{"dc1:5986", "dc2"}},
			User: "x", PasswordFile: tempFile(t, "password", secret),
		}
	}
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"good":           {func(c *Config) {}, ""},
		"nothing":        {func(c *Config) { c.DNS, c.DHCP = DNSConfig{}, DHCPConfig{} }, "neither"},
		"no zones":       {func(c *Config) { c.DNS.Zones = nil }, "dns.zones"},
		"no servers":     {func(c *Config) { c.DNS.Servers = nil }, "dns.servers"},
		"no user":        {func(c *Config) { c.User = "" }, "user"},
		"auth":           {func(c *Config) { c.Auth = "basic" }, "ntlm or kerberos"},
		"no password":    {func(c *Config) { c.PasswordFile = "" }, "password_file"},
		"password gone":  {func(c *Config) { c.PasswordFile += "x" }, "password_file"},
		"empty password": {func(c *Config) { c.PasswordFile = tempFile(t, "p", "\n") }, "empty"},
		"no authority":   {func(c *Config) { c.CAFile = c.PasswordFile }, "no certificate"},
		"batch":          {func(c *Config) { c.Batch = 301 }, "batch"},
		"timeouts":       {func(c *Config) { c.Timeouts.Operation = time.Hour }, "timeouts"},
		"twice":          {func(c *Config) { c.DHCP.Servers = []string{"dc2", "dc2:5986"} }, "twice"},
		"bad zone":       {func(c *Config) { c.DNS.Zones = []string{"a b"} }, "zone"},
		"bad scope":      {func(c *Config) { c.DHCP.Scopes = []string{"192.168.25"} }, "scope"},
		"bad port":       {func(c *Config) { c.DNS.Servers = []string{"dc1:x"} }, "host:port"},
		"keytab":         {func(c *Config) { c.Auth, c.PasswordFile, c.Kerberos.Keytab = "kerberos", "", "/k" }, ""},
	} {
		cfg := good()
		c.change(&cfg)
		s, err := New("ad", "isima", cfg, slog.New(slog.DiscardHandler))
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if name == "good" && (len(s.hosts) != 2 || s.cfg.DNS.Zones[0] != forward || s.MaxBatch(inventory.Change{}) != 300) {
			t.Errorf("%+v", s.cfg)
		}
	}
}

func TestClaims(t *testing.T) {
	s := newLab(t).open(t)
	for key, want := range map[inventory.Key]int{"ad/record/x/A": 1, "ad/filter/x": 2, "ad/reservation/x/y": 2} {
		claims := s.Claims(inventory.Change{Key: key})
		if len(claims) != want || claims[0] != (inventory.Claim{Name: "ad/host/dc1.isima.fr", Limit: 1}) {
			t.Errorf("%s: %v", key, claims)
		}
	}
}
