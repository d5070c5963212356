package winsim

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Scope is an IPv4 range that a server hands out.
type Scope struct {
	ID         netip.Addr // the network, which names the scope
	Name       string
	Start, End netip.Addr
	Mask       netip.Addr
	Inactive   bool
	Zone       string // where leases are written as A records; "" writes none
	Partner    string // name of the fail-over partner, or ""
}

// Reservation keeps an address for a client.
type Reservation struct {
	Scope       netip.Addr
	IP          netip.Addr
	ClientID    string // "bc-24-11-b3-c1-3d", lower case
	Name        string
	Description string
	Type        string // Dhcp, Bootp, Both
}

// Lease is an address in use.
type Lease struct {
	Scope    netip.Addr
	IP       netip.Addr
	ClientID string // a MAC or a DUID, lower case with dashes
	HostName string
	State    string // Active, ActiveReservation
	Expires  time.Time
}

// Filter is a line of the allow or the deny list.
type Filter struct {
	MAC         string // "BC-24-11-B3-C1-3D", upper case as listings show it
	List        string // Allow, Deny
	Description string
}

// dhcpServer is one server's own part of the model. The domain's lock guards it.
type dhcpServer struct {
	name         string
	scopes       map[netip.Addr]Scope
	reservations []Reservation
	leases       []Lease
	filters      []Filter
	allow, deny  bool // which lists are enabled
	unreadable   map[netip.Addr]bool
}

func newDHCPServer(name string) *dhcpServer {
	return &dhcpServer{name: name, scopes: map[netip.Addr]Scope{}, unreadable: map[netip.Addr]bool{}}
}

// scope finds a scope that can be read.
func (d *dhcpServer) scope(id netip.Addr) (Scope, *cmdletError) {
	s, ok := d.scopes[id]
	switch {
	case !ok:
		return Scope{}, errNoScope
	case d.unreadable[id]:
		return Scope{}, errDatabase
	}
	return s, nil
}

func (d *dhcpServer) reservationsOf(scope netip.Addr) []Reservation {
	var found []Reservation
	for _, r := range d.reservations {
		if r.Scope == scope {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b Reservation) int { return a.IP.Compare(b.IP) })
	return found
}

func (d *dhcpServer) leasesOf(scope netip.Addr) []Lease {
	var found []Lease
	for _, l := range d.leases {
		if l.Scope == scope {
			found = append(found, l)
		}
	}
	slices.SortFunc(found, func(a, b Lease) int { return a.IP.Compare(b.IP) })
	return found
}

func (d *dhcpServer) reservation(ip netip.Addr) int {
	return slices.IndexFunc(d.reservations, func(r Reservation) bool { return r.IP == ip })
}

// addReservation refuses an address or a client that the scope knows already.
func (d *dhcpServer) addReservation(r Reservation) *cmdletError {
	s, err := d.scope(r.Scope)
	if err != nil {
		return err
	}
	if !s.network().Contains(r.IP) {
		return errOutOfScope
	}
	r.ClientID = dashed(r.ClientID)
	for _, other := range d.reservations {
		if other.IP == r.IP || (other.Scope == r.Scope && other.ClientID == r.ClientID) {
			return errReserved
		}
	}
	if r.Type == "" {
		r.Type = "Both"
	}
	d.reservations = append(d.reservations, r)
	return nil
}

func (d *dhcpServer) removeReservation(ip netip.Addr) *cmdletError {
	i := d.reservation(ip)
	if i < 0 {
		return errNotReserved
	}
	d.reservations = slices.Delete(d.reservations, i, i+1)
	return nil
}

func (d *dhcpServer) filter(mac string) int {
	mac = filterMAC(mac)
	return slices.IndexFunc(d.filters, func(f Filter) bool { return f.MAC == mac })
}

// addFilter fails where the MAC is in either list.
func (d *dhcpServer) addFilter(f Filter) *cmdletError {
	if d.filter(f.MAC) >= 0 {
		return errFilterExists
	}
	f.MAC = filterMAC(f.MAC)
	d.filters = append(d.filters, f)
	return nil
}

func (d *dhcpServer) removeFilter(mac string) *cmdletError {
	i := d.filter(mac)
	if i < 0 {
		return errFilterAbsent
	}
	d.filters = slices.Delete(d.filters, i, i+1)
	return nil
}

// admits is the filter's verdict on a client: the deny list goes first, and an
// enabled allow list shuts out everyone who is not in it.
func (d *dhcpServer) admits(mac string) bool {
	i := d.filter(mac)
	listed := func(list string) bool { return i >= 0 && d.filters[i].List == list }
	return !(d.deny && listed("Deny")) && (!d.allow || listed("Allow"))
}

func (d *dhcpServer) sortedScopes() []Scope {
	var all []Scope
	for _, s := range d.scopes {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Scope) int { return a.ID.Compare(b.ID) })
	return all
}

func (d *dhcpServer) sortedReservations() []Reservation {
	return slices.SortedFunc(slices.Values(d.reservations), func(a, b Reservation) int {
		return cmp.Or(a.Scope.Compare(b.Scope), a.IP.Compare(b.IP))
	})
}

func (d *dhcpServer) sortedLeases() []Lease {
	return slices.SortedFunc(slices.Values(d.leases), func(a, b Lease) int {
		return cmp.Or(a.Scope.Compare(b.Scope), a.IP.Compare(b.IP))
	})
}

func (d *dhcpServer) sortedFilters() []Filter {
	return slices.SortedFunc(slices.Values(d.filters), func(a, b Filter) int { return cmp.Compare(a.MAC, b.MAC) })
}

// network is the scope's network; its mask was checked when it was added.
func (s Scope) network() netip.Prefix {
	bits := 0
	for _, b := range s.Mask.As4() {
		for ; b&0x80 != 0; b <<= 1 {
			bits++
		}
	}
	return netip.PrefixFrom(s.ID, bits)
}

func (s Scope) check() error {
	for _, a := range []netip.Addr{s.ID, s.Start, s.End, s.Mask} {
		if !a.Is4() {
			return fmt.Errorf("cannot add scope %s: it wants four IPv4 addresses", s.ID)
		}
	}
	n := s.network()
	if n.Masked() != n || !n.Contains(s.Start) || !n.Contains(s.End) || s.End.Less(s.Start) {
		return fmt.Errorf("cannot add scope %s: the range %s to %s is not in the network %s", s.ID, s.Start, s.End, n)
	}
	return nil
}

// dashed is a client ID as DHCP listings show it: lower case, pairs joined by
// dashes. It takes colons, dashes and bare digits.
func dashed(id string) string {
	digits := strings.NewReplacer("-", "", ":", "", ".", "").Replace(strings.ToLower(id))
	var pairs []string
	for p := range slices.Chunk([]byte(digits), 2) {
		pairs = append(pairs, string(p))
	}
	return strings.Join(pairs, "-")
}

// filterMAC is a MAC as filter listings show it.
func filterMAC(mac string) string { return strings.ToUpper(dashed(mac)) }
