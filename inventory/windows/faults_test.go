package windows

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/windows/winsim"
)

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
	if next := fresh.writers(0, 1)[0]; next.name != "dc2.isima.fr" {
		t.Errorf("%s is written on after the fail-over", next.name)
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
		"cut before the shell":         {winsim.Fault{Match: "Create", Kind: winsim.DropBefore}, inventory.StateRetry},
		"a shell, and then cut":        {winsim.Fault{Match: "Create", Kind: winsim.DropAnswer}, inventory.StateRetry},
		"cut before the command":       {winsim.Fault{Match: "Command", Kind: winsim.DropBefore}, inventory.StateRetry},
		"a command, and then cut":      {winsim.Fault{Match: "Command", Kind: winsim.DropAnswer}, inventory.StateRetry},
		"a fault to the shell":         {winsim.Fault{Match: "Create", Kind: winsim.Refuse}, inventory.StateRetry},
		"a fault while sending":        {winsim.Fault{Match: "Send", Kind: winsim.Refuse}, inventory.StateUnknown},
		"a fault while receiving":      {winsim.Fault{Match: "Receive", Kind: winsim.Fault500}, inventory.StateUnknown},
		"the directory is away":        {winsim.Fault{Match: verbApply, Kind: winsim.FailItem, ErrorID: "WIN32 9717"}, inventory.StateRetry},
		"access is denied":             {winsim.Fault{Match: verbApply, Kind: winsim.FailItem, ErrorID: "WIN32 5"}, inventory.StateFailed},
		"somebody was quicker":         {winsim.Fault{Match: verbApply, Kind: winsim.FailItem, ErrorID: "WIN32 9711"}, inventory.StateRetry},
		"the record is somebody's by now": {winsim.Fault{Match: verbApply, Kind: winsim.FailItem, Cmdlet: "Add-DnsServerResourceRecordA",
			ErrorID: "WIN32 9711"}, inventory.StateRetry},
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
			if strings.Contains(o.Error, "401") { // each message logs in: none of these is a refusal of that
				t.Errorf("taken for a refused login: %q", o.Error)
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

func TestLogin(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"a wrong password":     {func(c *Config) { c.PasswordFile = tempFile(t, "password", "wrong-secret") }, "refuses the login (HTTP 401)"},
		"a foreign authority":  {func(c *Config) { c.CAFile = tempFile(t, "ca.pem", string(newLab(t).dc1.CACert())) }, "certificate"},
		"another server there": {func(c *Config) { c.DNS.Servers, c.DHCP.Servers = []string{"dc2.isima.fr"}, nil; swap(c) }, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			c.change(&l.cfg)
			_, err := l.open(t).List(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "wrong-secret") {
				t.Errorf("error %v, want %q", err, c.want)
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
