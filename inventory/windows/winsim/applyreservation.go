package winsim

import "net/netip"

// reservationChange is a change of what one scope reserves for one MAC.
type reservationChange struct {
	thingChange
	Scope  string            `json:"scope"`
	Expect *reservationState `json:"expect"`
	Set    *reservationState `json:"set"`
}

type reservationState struct {
	IP          string `json:"ip"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

func (c *reservationChange) make(t *attempt) (conflict string) {
	const read = "Get-DhcpServerv4Reservation"
	d := t.server.dhcp
	if !t.mayReadDHCP() {
		return t.fail(read, errAccessDenied)
	}
	if _, err := d.scope(parseScope(c.Scope)); err != nil {
		return t.fail(read, err)
	}
	return c.compare(c.standing(d)).take(t, c)
}

func (c *reservationChange) stands(x *session) bool {
	if _, err := x.server.dhcp.scope(parseScope(c.Scope)); err != nil || !x.mayReadDHCP() {
		return false
	}
	return c.compare(c.standing(x.server.dhcp)).settled()
}

// standing is the reservation for the MAC in the scope, or nil.
func (c *reservationChange) standing(d *dhcpServer) *Reservation {
	scope := parseScope(c.Scope)
	for i := range d.reservations {
		if r := &d.reservations[i]; r.Scope == scope && r.ClientID == dashed(c.MAC) {
			return r
		}
	}
	return nil
}

func (c *reservationChange) compare(r *Reservation) thing {
	v := thing{expected: c.Expect != nil, wanted: c.Set != nil, adopt: c.Adopt}
	if r != nil {
		v.see(r.Description, c.Owned, r.is(c.Expect), r.is(c.Set))
		v.asWanted = v.likeWanted && r.Description == c.Set.Description
	}
	return v
}

// is reports whether a reservation stands so, whatever its description.
func (r *Reservation) is(s *reservationState) bool {
	return s != nil && r.IP.String() == s.IP && r.Name == s.Name
}

func (c *reservationChange) add(t *attempt)    { c.reserve(t, *c.Set) }
func (c *reservationChange) remove(t *attempt) { c.release(t, c.standing(t.server.dhcp).IP) }

func (c *reservationChange) change(t *attempt) {
	standing := c.standing(t.server.dhcp)
	if standing.IP.String() != c.Set.IP {
		c.move(t, *standing)
		return
	}
	t.writeDHCP("Set-DhcpServerv4Reservation", func() *cmdletError {
		standing.Name, standing.Description = c.Set.Name, c.Set.Description
		return nil
	})
}

// move makes the reservation anew at another address, for a client has only one
// in a scope. The old one goes only where the address is free, and comes back
// where the new one is refused.
func (c *reservationChange) move(t *attempt, old Reservation) {
	if ip, err := netip.ParseAddr(c.Set.IP); err == nil && t.server.dhcp.reservation(ip) >= 0 {
		t.err = errTaken
		return
	}
	if c.release(t, old.IP) && !c.reserve(t, *c.Set) {
		t.amend(func() { c.reserve(t, reservationState{old.IP.String(), old.Name, old.Description}) })
	}
}

func (c *reservationChange) reserve(t *attempt, s reservationState) bool {
	return t.writeDHCP("Add-DhcpServerv4Reservation", func() *cmdletError {
		ip, err := netip.ParseAddr(s.IP)
		if err != nil || !ip.Is4() {
			return errBadParameter
		}
		return t.server.dhcp.addReservation(Reservation{
			Scope: parseScope(c.Scope), IP: ip, ClientID: c.MAC, Name: s.Name, Description: s.Description, Type: "Dhcp",
		})
	})
}

func (c *reservationChange) release(t *attempt, ip netip.Addr) bool {
	return t.writeDHCP("Remove-DhcpServerv4Reservation", func() *cmdletError { return t.server.dhcp.removeReservation(ip) })
}
