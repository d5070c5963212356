package winsim

import (
	"net/netip"
	"strings"
)

// reservationChange is a change of what one scope reserves for one MAC.
type reservationChange struct {
	ID, Kind string
	Scope    string            `json:"scope"`
	MAC      string            `json:"mac"`
	Expect   *reservationState `json:"expect"`
	Set      *reservationState `json:"set"`
	Owned    string            `json:"owned"`
	Adopt    bool              `json:"adopt"`
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
	scope := parseScope(c.Scope)
	if _, err := d.scope(scope); err != nil {
		return t.fail(read, err)
	}
	standing := c.standing(d)
	expected := standing != nil && (c.Expect == nil || c.same(standing, c.Expect))
	ours := standing != nil && isOurs(standing.Description, c.Owned)
	switch {
	case c.Adopt && standing != nil:
		if !expected || c.Expect == nil || c.Set == nil {
			return "the reservation to adopt does not stand as expected"
		}
		c.write(t, "Set-DhcpServerv4Reservation", func() *cmdletError {
			standing.Description = c.Set.Description
			return nil
		})
	case c.Set == nil && standing == nil:
	case c.Set != nil && standing == nil:
		c.add(t, scope)
	case c.Set != nil && c.asSet(standing):
	case !ours || !expected:
		return "a reservation stands that is not ours or not as expected"
	case c.Set == nil:
		c.remove(t, standing.IP)
	case standing.IP.String() == c.Set.IP:
		c.write(t, "Set-DhcpServerv4Reservation", func() *cmdletError {
			standing.Name, standing.Description = c.Set.Name, c.Set.Description
			return nil
		})
	default:
		c.remove(t, standing.IP)
		c.add(t, scope)
	}
	return ""
}

func (c *reservationChange) stands(x *session) bool {
	if _, err := x.server.dhcp.scope(parseScope(c.Scope)); err != nil || !x.mayReadDHCP() {
		return false
	}
	standing := c.standing(x.server.dhcp)
	switch {
	case c.Set == nil:
		return standing == nil
	case standing == nil:
		return false
	case c.Adopt:
		return standing.Description == c.Set.Description
	}
	return c.asSet(standing)
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

func (c *reservationChange) same(r *Reservation, s *reservationState) bool {
	return r.IP.String() == s.IP && r.Name == s.Name
}

func (c *reservationChange) asSet(r *Reservation) bool {
	return c.same(r, c.Set) && r.Description == c.Set.Description
}

// write runs a cmdlet that wants the rights to write.
func (c *reservationChange) write(t *attempt, cmdlet string, do func() *cmdletError) {
	t.run(cmdlet, func() *cmdletError {
		if !t.mayWriteDHCP() {
			return errAccessDenied
		}
		return do()
	})
}

func (c *reservationChange) add(t *attempt, scope netip.Addr) {
	c.write(t, "Add-DhcpServerv4Reservation", func() *cmdletError {
		ip, err := netip.ParseAddr(c.Set.IP)
		if err != nil || !ip.Is4() {
			return errBadParameter
		}
		return t.server.dhcp.addReservation(Reservation{
			Scope: scope, IP: ip, ClientID: c.MAC, Name: c.Set.Name, Description: c.Set.Description, Type: "Dhcp",
		})
	})
}

func (c *reservationChange) remove(t *attempt, ip netip.Addr) {
	c.write(t, "Remove-DhcpServerv4Reservation", func() *cmdletError { return t.server.dhcp.removeReservation(ip) })
}

// filterChange is a change of one MAC in the filter lists.
type filterChange struct {
	ID, Kind string
	MAC      string       `json:"mac"`
	Expect   *filterState `json:"expect"`
	Set      *filterState `json:"set"`
	Owned    string       `json:"owned"`
	Adopt    bool         `json:"adopt"`
}

type filterState struct {
	List        string `json:"list"` // allow, deny
	Description string `json:"description"`
}

func (c *filterChange) make(t *attempt) (conflict string) {
	if !t.mayReadDHCP() {
		return t.fail("Get-DhcpServerv4Filter", errAccessDenied)
	}
	standing := c.standing(t.server.dhcp)
	expected := standing != nil && (c.Expect == nil || strings.EqualFold(standing.List, c.Expect.List))
	ours := standing != nil && isOurs(standing.Description, c.Owned)
	switch {
	case c.Adopt && standing != nil:
		if !expected || c.Expect == nil || c.Set == nil {
			return "the filter to adopt does not stand as expected"
		}
		c.readd(t, standing.List)
	case c.Set == nil && standing == nil:
	case c.Set != nil && standing == nil:
		c.add(t, c.Set.List)
	case c.Set != nil && c.asSet(standing):
	case !ours || !expected:
		return "a filter stands that is not ours or not as expected"
	case c.Set == nil:
		c.remove(t)
	default:
		c.readd(t, c.Set.List)
	}
	return ""
}

func (c *filterChange) stands(x *session) bool {
	if !x.mayReadDHCP() {
		return false
	}
	standing := c.standing(x.server.dhcp)
	switch {
	case c.Set == nil:
		return standing == nil
	case standing == nil:
		return false
	case c.Adopt:
		return standing.Description == c.Set.Description
	}
	return c.asSet(standing)
}

func (c *filterChange) standing(d *dhcpServer) *Filter {
	if i := d.filter(c.MAC); i >= 0 {
		return &d.filters[i]
	}
	return nil
}

func (c *filterChange) asSet(f *Filter) bool {
	return strings.EqualFold(f.List, c.Set.List) && f.Description == c.Set.Description
}

func (c *filterChange) add(t *attempt, list string) {
	t.run("Add-DhcpServerv4Filter", func() *cmdletError {
		if !t.mayWriteDHCP() {
			return errAccessDenied
		}
		name, ok := filterLists[strings.ToLower(list)]
		if !ok {
			return errBadParameter
		}
		return t.server.dhcp.addFilter(Filter{MAC: c.MAC, List: name, Description: c.Set.Description})
	})
}

func (c *filterChange) remove(t *attempt) {
	t.run("Remove-DhcpServerv4Filter", func() *cmdletError {
		if !t.mayWriteDHCP() {
			return errAccessDenied
		}
		return t.server.dhcp.removeFilter(c.MAC)
	})
}

// readd is the only way to change a line: there is no cmdlet that sets one.
func (c *filterChange) readd(t *attempt, list string) {
	c.remove(t)
	c.add(t, list)
}

var filterLists = map[string]string{"allow": "Allow", "deny": "Deny"}

// isOurs reports whether a line of the description begins with our mark.
func isOurs(description, owned string) bool {
	for line := range strings.SplitSeq(description, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line)+" ", owned) {
			return true
		}
	}
	return false
}

// parseScope is the zero address, which no scope has, where s is none.
func parseScope(s string) netip.Addr {
	a, _ := netip.ParseAddr(s)
	return a
}
