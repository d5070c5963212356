package windows

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/systemtest"
	"github.com/provost-dev/provost/inventory/windows/winsim"
	"github.com/provost-dev/provost/reconciler"
)

func TestConformance(t *testing.T) {
	systemtest.Run(t, func(t *testing.T) systemtest.Fixture {
		l := newLab(t)
		l.addForeign(t)
		return systemtest.Fixture{
			Open:       func(t *testing.T) reconciler.System { return l.open(t) },
			Wanted:     wanted(),
			Edited:     edited(),
			Meddle:     func() map[inventory.Key][]string { return l.meddle(t) },
			Intrusions: l.intrusions(t),
			Disown:     func() { l.disown(t) },
			Foreign:    l.foreign,
			Writes:     l.writes(),
			BreakPart: func() inventory.Key {
				l.dc2.ScopeUnreadable(netip.MustParseAddr(scope25), true)
				return inventory.MakeKey("ad", inventory.KindReservation, scope25, "bc-24-11-00-00-14")
			},
		}
	})
}

func wanted() []inventory.Resource {
	return []inventory.Resource{
		*record("vm-a", forward, "A", "192.168.25.20"),
		*record("vm-a", forward, "AAAA", "2001:db8::20"),
		*record("20", reverse, "PTR", "vm-a.etu.isima.fr"),
		*record("www", forward, "CNAME", "vm-a.etu.isima.fr"),
		*record("vm-a", forward, "TXT", "v=spf1 -all; \"quoted\" 100%"),
		*record("@", forward, "TXT", "apex"),
		*reservation(20, "vm-a"),
		*reservation(21, "vm-b"),
		*filter(20, "allow"),
		*filter(22, "deny"),
	}
}

func edited() []inventory.Resource {
	all := wanted()
	moved := raphael()
	moved.Unit, moved.File = "cohort/info4", "cohorts/info4.yaml"
	for i := range all {
		switch all[i].Key {
		case "ad/record/vm-a.etu.isima.fr/A":
			all[i].Attrs["value"] = "192.168.25.120"
		case "ad/record/vm-a.etu.isima.fr/AAAA":
			all[i].Attrs["ttl"] = "60"
		case "ad/record/20.25.168.192.in-addr.arpa/PTR", "ad/filter/bc-24-11-00-00-14":
			all[i].Owner = moved
		case "ad/record/www.etu.isima.fr/CNAME":
			all[i].Attrs["value"] = "vm-b.etu.isima.fr"
		case "ad/record/vm-a.etu.isima.fr/TXT":
			all[i].Attrs["value"], all[i].Owner = "another", moved
		case "ad/reservation/192.168.25.0/bc-24-11-00-00-14":
			all[i].Attrs["ip"] = "192.168.25.120"
		case "ad/reservation/192.168.25.0/bc-24-11-00-00-15":
			all[i].Attrs["name"] = "vm-renamed"
		case "ad/filter/bc-24-11-00-00-16":
			all[i].Attrs["list"] = "allow"
		}
	}
	return all
}

// addForeign puts down what administrators and clients have made.
func (l *lab) addForeign(t testing.TB) {
	t.Helper()
	for _, r := range []winsim.Record{
		{Zone: forward, Name: "dc1", Type: "A", Value: "192.168.1.1"},
		{Zone: forward, Name: "laptop", Type: "A", Value: "192.168.25.200", Timestamp: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)},
		{Zone: forward, Name: "@", Type: "A", Value: "192.168.1.1"},
		{Zone: forward, Name: "@", Type: "A", Value: "192.168.1.2"},
		{Zone: forward, Name: "vm-a", Type: "A", Value: "10.9.9.9", Timestamp: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)},
	}[:4] {
		must(t, l.dc1.AddRecord(r))
	}
	id := netip.MustParseAddr(scope25)
	for _, s := range []*winsim.Server{l.dc1, l.dc2} {
		must(t, s.AddReservation(winsim.Reservation{Scope: id, IP: netip.MustParseAddr("192.168.25.99"),
			ClientID: "00-11-22-33-44-55", Name: "printer", Description: "by hand", Type: "Both"}))
		must(t, s.AddFilter(winsim.Filter{MAC: "00-11-22-33-44-55", List: "Allow", Description: "printer"}))
		must(t, s.AddLease(winsim.Lease{Scope: id, IP: netip.MustParseAddr("192.168.25.200"),
			ClientID: "ff-00-11-22-33-44-55-66", HostName: "Laptop.etu.isima.fr"}))
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// intrusions are aimed at what addForeign made, in every way that could work.
func (l *lab) intrusions(t testing.TB) []inventory.Change {
	var all []inventory.Change
	listing := l.list(t)
	for key, value := range map[inventory.Key]*inventory.Resource{
		"ad/record/dc1.etu.isima.fr/A":                  record("dc1", forward, "A", "192.168.25.66"),
		"ad/record/laptop.etu.isima.fr/A":               record("laptop", forward, "A", "192.168.25.66"),
		"ad/record/etu.isima.fr/A":                      record("@", forward, "A", "192.168.25.66"),
		"ad/filter/00-11-22-33-44-55":                   {Attrs: inventory.Attrs{"list": "deny"}, Owner: raphael()},
		"ad/reservation/192.168.25.0/00-11-22-33-44-55": {Attrs: inventory.Attrs{"ip": "192.168.25.66", "name": "x"}, Owner: raphael()},
	} {
		after := value.Clone()
		after.Key = key
		before := find(listing.Items, key)
		if before == nil {
			t.Fatalf("%s is not listed", key)
		}
		if !before.Owner.IsZero() {
			t.Fatalf("%s is listed as ours", key)
		}
		claimed := before.Clone()
		claimed.Owner = raphael() // as if we had once thought it ours
		all = append(all,
			inventory.Change{Key: key, Action: inventory.Create, After: &after},
			inventory.Change{Key: key, Action: inventory.Update, Before: before, After: &after},
			inventory.Change{Key: key, Action: inventory.Delete, Before: before},
			inventory.Change{Key: key, Action: inventory.Update, Before: &claimed, After: &after},
			inventory.Change{Key: key, Action: inventory.Delete, Before: &claimed},
		)
	}
	return all
}

// meddle changes what an administrator can without thinking of us: a partner lacks a
// filter, a client is let in that was not, a reservation has another name.
func (l *lab) meddle(t testing.TB) map[inventory.Key][]string {
	t.Helper()
	l.dc2.RemoveFilter("BC-24-11-00-00-14")
	for _, s := range []*winsim.Server{l.dc1, l.dc2} {
		for _, f := range s.Filters() {
			if f.MAC == "BC-24-11-00-00-16" {
				s.RemoveFilter(f.MAC)
				f.List = "Allow"
				must(t, s.AddFilter(f))
			}
		}
		for _, r := range s.Reservations() {
			if r.ClientID == "bc-24-11-00-00-15" {
				s.RemoveReservation(r.IP)
				r.Name = "somebody"
				must(t, s.AddReservation(r))
			}
		}
	}
	return map[inventory.Key][]string{
		"ad/filter/bc-24-11-00-00-14": {"on"}, "ad/filter/bc-24-11-00-00-16": {"list"},
		"ad/reservation/192.168.25.0/bc-24-11-00-00-15": {"name"},
	}
}

// foreign digests what carries no mark of ours.
func (l *lab) foreign() string {
	var b []byte
	for _, s := range []*winsim.Server{l.dc1, l.dc2} {
		for _, r := range s.Records() {
			if r.Name == "dc1" || r.Name == "laptop" || r.Name == "@" && r.Type == "A" {
				b = append(b, r.Zone+" "+r.Name+" "+r.Value+" "+r.Timestamp.String()+"\n"...)
			}
		}
		for _, r := range s.Reservations() {
			if r.ClientID == "00-11-22-33-44-55" {
				b = append(b, r.IP.String()+" "+r.Name+" "+r.Description+"\n"...)
			}
		}
		for _, f := range s.Filters() {
			if f.MAC == "00-11-22-33-44-55" {
				b = append(b, f.List+" "+f.Description+"\n"...)
			}
		}
	}
	return string(b)
}

// writes counts how often the servers were seen to hold something new: every
// command of ours that applies compares first, so a command alone says nothing.
func (l *lab) writes() func() int {
	count, last := 0, ""
	return func() int {
		if now := l.dc1.Digest() + l.dc2.Digest(); now != last {
			count, last = count+1, now
		}
		return count
	}
}

// disown takes our marks off everything, as an administrator would who takes
// over what we made.
func (l *lab) disown(t testing.TB) {
	t.Helper()
	for _, r := range l.dc1.Records() {
		if strings.HasPrefix(r.Name, markLabel) && !l.dc1.RemoveRecord(r.Zone, r.Name, r.Type, r.Value) {
			t.Errorf("mark %s was not there", r.Name)
		}
	}
	for _, s := range []*winsim.Server{l.dc1, l.dc2} {
		for _, r := range s.Reservations() {
			s.RemoveReservation(r.IP)
			r.Description = inventory.StripMark(r.Description)
			must(t, s.AddReservation(r))
		}
		for _, f := range s.Filters() {
			s.RemoveFilter(f.MAC)
			f.Description = inventory.StripMark(f.Description)
			must(t, s.AddFilter(f))
		}
	}
}
