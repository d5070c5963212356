package winsim

import (
	"fmt"
	"strings"
	"testing"
)

const ownedThing = "provost: campus=isima key=k "

func reservationJSON(expect, set, mac string, adopt bool) string {
	state := func(ip string) string {
		if ip == "" {
			return "null"
		}
		return fmt.Sprintf(`{"ip":%q,"name":"vm-x","description":%q}`, ip, ownedThing+"x=1")
	}
	return fmt.Sprintf(`{"id":"0","kind":"reservation","scope":"192.168.25.0","mac":%q,"expect":%s,"set":%s,"owned":%q,"adopt":%t}`,
		mac, state(expect), state(set), ownedThing, adopt)
}

func TestReservationRules(t *testing.T) {
	const macX, macY = "bc-24-11-00-00-01", "bc-24-11-00-00-02"
	at := func(address, mac, description string) Reservation {
		return Reservation{Scope: testScope.ID, IP: ip(address), ClientID: mac, Name: "vm-x", Description: description}
	}
	ours := at("192.168.25.9", macX, "by hand\n"+ownedThing+"x=1")
	for _, test := range []struct {
		name   string
		stands []Reservation
		user   User
		change string
		status string
		error  string
		want   string // addresses that stand
	}{
		{"create", nil, alice, reservationJSON("", "192.168.25.9", macX, false), "done", "", "192.168.25.9"},
		{"create outside", nil, alice, reservationJSON("", "192.168.26.9", macX, false), "failed", "DHCP 20023,Add-DhcpServerv4Reservation", ""},
		{"create on another's", []Reservation{at("192.168.25.9", macY, "")}, alice, reservationJSON("", "192.168.25.9", macX, false),
			"failed", "DHCP 20022,Add-DhcpServerv4Reservation", "192.168.25.9"},
		{"create over a foreign one", []Reservation{at("192.168.25.9", macX, "by hand")}, alice, reservationJSON("", "192.168.25.9", macX, false),
			"conflict", "provost conflict", "192.168.25.9"},
		{"move", []Reservation{ours}, alice, reservationJSON("192.168.25.9", "192.168.25.11", macX, false), "done", "", "192.168.25.11"},
		{"move onto another's", []Reservation{ours, at("192.168.25.11", macY, "")}, alice, reservationJSON("192.168.25.9", "192.168.25.11", macX, false),
			"failed", "provost taken", "192.168.25.9 192.168.25.11"},
		{"move outside", []Reservation{ours}, alice, reservationJSON("192.168.25.9", "192.168.26.9", macX, false),
			"failed", "DHCP 20023,Add-DhcpServerv4Reservation", "192.168.25.9"},
		{"move unexpected", []Reservation{ours}, alice, reservationJSON("192.168.25.8", "192.168.25.11", macX, false), "conflict", "provost conflict", "192.168.25.9"},
		{"delete", []Reservation{ours}, alice, reservationJSON("192.168.25.9", "", macX, false), "done", "", ""},
		{"delete in whatever form", []Reservation{ours}, alice, reservationJSON("", "", macX, false), "done", "", ""},
		{"delete a foreign one", []Reservation{at("192.168.25.9", macX, "")}, alice, reservationJSON("192.168.25.9", "", macX, false), "conflict", "provost conflict", "192.168.25.9"},
		{"adopt", []Reservation{at("192.168.25.9", macX, "by hand")}, alice, reservationJSON("192.168.25.9", "192.168.25.9", macX, true), "done", "", "192.168.25.9"},
		{"adopt another", []Reservation{at("192.168.25.8", macX, "by hand")}, alice, reservationJSON("192.168.25.9", "192.168.25.9", macX, true), "conflict", "provost conflict", "192.168.25.8"},
		{"adopt whatever stands", []Reservation{at("192.168.25.9", macX, "by hand")}, alice, reservationJSON("", "192.168.25.9", macX, true), "conflict", "provost conflict", "192.168.25.9"},
		{"adopt into nothing", []Reservation{at("192.168.25.9", macX, "by hand")}, alice, reservationJSON("192.168.25.9", "", macX, true), "conflict", "provost conflict", "192.168.25.9"},
		{"adopt and move", []Reservation{at("192.168.25.9", macX, "by hand")}, alice, reservationJSON("192.168.25.9", "192.168.25.11", macX, true), "conflict", "provost conflict", "192.168.25.9"},
		{"adopt again", []Reservation{at("192.168.25.9", macX, ownedThing+"x=1")}, alice, reservationJSON("192.168.25.9", "192.168.25.9", macX, true), "done", "", "192.168.25.9"},
		{"readers may not write", nil, bob, reservationJSON("", "192.168.25.9", macX, false), "failed", "WIN32 5,Add-DhcpServerv4Reservation", ""},
		{"others may not read", nil, carol, reservationJSON("", "192.168.25.9", macX, false), "failed", "WIN32 5,Get-DhcpServerv4Reservation", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := startServer(t, nil)
			for _, r := range test.stands {
				if err := s.AddReservation(r); err != nil {
					t.Fatal(err)
				}
			}
			result := newClient(t, s, test.user).apply(test.change)[0]
			if result.Status != test.status || result.ErrorID != test.error {
				t.Errorf("%+v, want %s %q", result, test.status, test.error)
			}
			var got []string
			for _, r := range s.Reservations() {
				got = append(got, r.IP.String())
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("stands %v, want %s", got, test.want)
			}
		})
	}
}

// An address that is freed in the same command may be moved to.
func TestMoveIntoWhatWasFreed(t *testing.T) {
	s := startServer(t, nil)
	for address, mac := range map[string]string{"192.168.25.9": "bc-24-11-00-00-01", "192.168.25.11": "bc-24-11-00-00-02"} {
		r := Reservation{Scope: testScope.ID, IP: ip(address), ClientID: mac, Name: "vm-x", Description: ownedThing + "x=1"}
		if err := s.AddReservation(r); err != nil {
			t.Fatal(err)
		}
	}
	remove := strings.Replace(reservationJSON("192.168.25.11", "", "bc-24-11-00-00-02", false), `"id":"0"`, `"id":"1"`, 1)
	for _, r := range newClient(t, s, alice).apply(remove, reservationJSON("192.168.25.9", "192.168.25.11", "bc-24-11-00-00-01", false)) {
		if r.Status != "done" {
			t.Errorf("%+v", r)
		}
	}
}

func TestFilterRules(t *testing.T) {
	const mac = "bc-24-11-00-00-01"
	change := func(expect, set string, adopt bool) string {
		state := func(list string) string {
			if list == "" {
				return "null"
			}
			return fmt.Sprintf(`{"list":%q,"description":%q}`, list, ownedThing+"x=1")
		}
		return fmt.Sprintf(`{"id":"0","kind":"filter","mac":%q,"expect":%s,"set":%s,"owned":%q,"adopt":%t}`, mac, state(expect), state(set), ownedThing, adopt)
	}
	for _, test := range []struct {
		name   string
		stands string // list and description
		change string
		status string
		want   string
	}{
		{"create", "", change("", "allow", false), "done", "Allow " + ownedThing + "x=1"},
		{"create over a foreign one", "Allow by hand", change("", "allow", false), "conflict", "Allow by hand"},
		{"create over a denied one", "Deny by hand", change("", "allow", false), "conflict", "Deny by hand"},
		{"new description", "Allow " + ownedThing, change("allow", "allow", false), "done", "Allow " + ownedThing + "x=1"},
		{"other list", "Allow " + ownedThing, change("allow", "deny", false), "done", "Deny " + ownedThing + "x=1"},
		{"delete", "Allow " + ownedThing, change("allow", "", false), "done", ""},
		{"delete a foreign one", "Allow by hand", change("allow", "", false), "conflict", "Allow by hand"},
		{"adopt", "Allow by hand", change("allow", "allow", true), "done", "Allow " + ownedThing + "x=1"},
		{"adopt a denied one", "Deny by hand", change("allow", "allow", true), "conflict", "Deny by hand"},
		{"adopt whatever stands", "Allow by hand", change("", "allow", true), "conflict", "Allow by hand"},
		{"adopt into the other list", "Allow by hand", change("allow", "deny", true), "conflict", "Allow by hand"},
		{"no such list", "", change("", "maybe", false), "failed", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := startServer(t, nil)
			if list, description, ok := strings.Cut(test.stands, " "); ok {
				if err := s.AddFilter(Filter{MAC: mac, List: list, Description: description}); err != nil {
					t.Fatal(err)
				}
			}
			if result := newClient(t, s, alice).apply(test.change)[0]; result.Status != test.status {
				t.Errorf("%+v, want %s", result, test.status)
			}
			got := ""
			for _, f := range s.Filters() {
				got += f.List + " " + f.Description
			}
			if got != test.want {
				t.Errorf("stands %q, want %q", got, test.want)
			}
		})
	}
}
