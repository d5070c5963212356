package winsim

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// boot gives the address and the state, or the error.
func boot(s *Server, mac, clientID, host string) string {
	l, err := s.DHCPRequest(netip.Addr{}, mac, clientID, host)
	if err != nil {
		return err.Error()
	}
	return l.IP.String() + " " + l.State
}

func TestBoot(t *testing.T) {
	const macX, macY, duid = "BC:24:11:00:00:01", "bc-24-11-00-00-02", "00-01-00-01-2a-bc"
	s := startServer(t, nil)
	if err := s.AddReservation(Reservation{Scope: testScope.ID, IP: ip("192.168.25.10"), ClientID: macY}); err != nil {
		t.Fatal(err)
	}
	if err := s.AddFilter(Filter{MAC: macX, List: "Allow"}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ name, got, want string }{
		{"no list is enabled", boot(s, macY, "", "vm-y"), "192.168.25.10 ActiveReservation"},
		{"lowest that is free", boot(s, macX, "", "VM-X"), "192.168.25.11 Active"},
		{"again", boot(s, macX, "", "vm-x"), "192.168.25.11 Active"},
		{"a DUID misses the reservation", boot(s, macY, duid, "vm-y"), "192.168.25.12 Active"},
	} {
		if step.got != step.want {
			t.Errorf("%s: %s, want %s", step.name, step.got, step.want)
		}
	}
	s.EnableFilterList(true, false)
	if got := boot(s, macY, "", "vm-y"); !strings.Contains(got, "do not admit") {
		t.Errorf("not in the allow list: %s", got)
	}
	if got := boot(s, macX, "", "vm-x"); got != "192.168.25.11 Active" {
		t.Errorf("in the allow list: %s", got)
	}
	want := []string{
		"10 PTR vm-y.etu.isima.fr.!", "11 PTR vm-x.etu.isima.fr.!", "12 PTR vm-y.etu.isima.fr.!",
		"vm-x A 192.168.25.11!", "vm-y A 192.168.25.12!",
	}
	if got := shortRecords(s); !slices.Equal(got, want) {
		t.Errorf("records %q, want %q", got, want)
	}
	for _, mac := range []string{"bc-24-11-00-00-03", "bc-24-11-00-00-04"} {
		if err := s.AddFilter(Filter{MAC: mac, List: "Allow"}); err != nil {
			t.Fatal(err)
		}
		boot(s, mac, "", "")
	}
	if err := s.AddFilter(Filter{MAC: "bc-24-11-00-00-05", List: "Allow"}); err != nil {
		t.Fatal(err)
	}
	if got := boot(s, "bc-24-11-00-00-05", "", ""); !strings.Contains(got, "is full") {
		t.Errorf("a full scope gave %s", got)
	}
}

func TestBootLeavesStaticRecordsAlone(t *testing.T) {
	s := startServer(t, nil)
	if err := s.AddRecord(Record{Zone: "etu.isima.fr", Name: "vm-x", Type: "A", Value: "192.168.25.200"}); err != nil {
		t.Fatal(err)
	}
	boot(s, "bc-24-11-00-00-01", "", "vm-x")
	if got := shortRecords(s); !slices.Contains(got, "vm-x A 192.168.25.200") || slices.Contains(got, "vm-x A 192.168.25.10!") {
		t.Errorf("records %q", got)
	}
}

// Leases are on both partners, reservations and filters where they were written,
// zones are the domain's.
func TestFailOverPair(t *testing.T) {
	domain := NewDomain("etu.isima.fr")
	pair := func(name, partner string) *Server {
		s, err := Start(Options{Name: name, Domain: domain})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		scope := testScope
		scope.Partner = partner
		if err := s.AddScope(scope); err != nil {
			t.Fatal(err)
		}
		return s
	}
	one, two := pair("dc1", "dc2"), pair("dc2", "dc1")
	one.AddZone("etu.isima.fr")
	if err := one.AddFilter(Filter{MAC: "bc-24-11-00-00-01", List: "Allow"}); err != nil {
		t.Fatal(err)
	}
	before := two.Digest()
	boot(one, "bc-24-11-00-00-01", "", "vm-x")
	if got := boot(two, "bc-24-11-00-00-02", "", "vm-y"); got != "192.168.25.11 Active" {
		t.Errorf("the partner gave %s", got)
	}
	if len(one.Leases()) != 2 || !slices.EqualFunc(one.Leases(), two.Leases(), func(a, b Lease) bool { return a.IP == b.IP }) {
		t.Errorf("leases %v and %v", one.Leases(), two.Leases())
	}
	if len(two.Records()) != 2 || len(two.Filters()) != 0 {
		t.Errorf("records %v, filters %v", two.Records(), two.Filters())
	}
	if two.Digest() == before {
		t.Error("the digest does not see leases and records")
	}
}

func TestScopesAreChecked(t *testing.T) {
	s := startServer(t, nil)
	for name, change := range map[string]func(*Scope){
		"start outside": func(x *Scope) { x.Start = ip("192.168.24.1") },
		"end first":     func(x *Scope) { x.Start, x.End = x.End, x.Start },
		"no network":    func(x *Scope) { x.ID = ip("192.168.25.1") },
		"IPv6":          func(x *Scope) { x.ID = ip("fe80::") },
		"no mask":       func(x *Scope) { x.Mask = netip.Addr{} },
	} {
		scope := testScope
		change(&scope)
		if err := s.AddScope(scope); err == nil {
			t.Errorf("%s: %+v was taken", name, scope)
		}
	}
}
