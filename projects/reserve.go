package projects

import (
	"fmt"
	"net/netip"
	"strings"
)

// assignAddresses hands out the addresses that DHCP reserves. A live reservation
// wins; else it is the lowest address of the pool, in key order, that no
// reservation, no lease of somebody else and no machine has.
func (b *builder) assignAddresses() {
	taken := map[netip.Addr]bool{}
	for _, s := range b.sites {
		for _, n := range s.nics {
			taken[n.ip.Addr()] = true
		}
		if s.dhcp != "reserve" || s.refused != "" {
			continue
		}
		if a, ok := b.live.reservationOf(s.machine, s.macs[0]); ok {
			s.address = a
			taken[a] = true
		}
	}
	cursors := map[string]*cursor{}
	for _, s := range b.sites {
		if s.dhcp != "reserve" || s.refused != "" {
			continue
		}
		if !s.address.IsValid() {
			b.reserve(s, taken, cursors)
		}
		b.reportLease(s)
	}
}

// cursor is how far a pool has been handed out. It only moves on, so that a
// campus costs one walk through its pools.
type cursor struct {
	ranges []addressRange
	next   netip.Addr
}

func (b *builder) reserve(s *site, taken map[netip.Addr]bool, cursors map[string]*cursor) {
	network := s.nics[0].network
	id := fmt.Sprint(network.name, s.ranges)
	c := cursors[id]
	if c == nil {
		c = &cursor{ranges: s.ranges, next: s.ranges[0].first}
		cursors[id] = c
	}
	for len(c.ranges) > 0 {
		a := c.next
		if c.ranges[0].last.Less(a) || !a.IsValid() {
			if c.ranges = c.ranges[1:]; len(c.ranges) > 0 {
				c.next = c.ranges[0].first
			}
			continue
		}
		if taken[a] || network.needs(a) {
			c.next = a.Next()
			continue
		}
		if user, used := b.live.addresses[a]; used && user != s.macs[0] {
			c.next = a.Next()
			continue
		}
		c.next, s.address, taken[a] = a.Next(), a, true
		return
	}
	b.refuse(s, "widen addresses", "no address is left to reserve in %v", s.ranges)
}

// needs reports whether the network itself uses an address.
func (n *network) needs(a netip.Addr) bool {
	if a == n.gateway || isEdge(a, n.cidr) {
		return true
	}
	for _, server := range n.nameserver {
		if server == a.String() {
			return true
		}
	}
	return false
}

// reportLease tells of a lease that shows that the reservation is missed: a
// client that names itself by a DUID is a stranger to a server that knows its MAC.
func (b *builder) reportLease(s *site) {
	if !s.isLive {
		return
	}
	n := s.nics[0].network
	mac := dashMAC(s.macs[0])
	name, _, _ := strings.Cut(s.hostname, ".")
	for _, what := range []string{s.address.String(), name} {
		lease, ok := b.live.leases[n.dhcp+"/"+n.scope+"/"+what]
		if !ok {
			continue
		}
		client := lease.Attrs["clientid"]
		if client == "" {
			client = dashMAC(lease.Attrs["mac"])
		}
		if client == "" || strings.TrimPrefix(strings.ToLower(client), "01-") == mac {
			continue
		}
		b.warn(s, "make the template's DHCP client identify itself by its MAC (dhcp-identifier: mac), then renew the lease",
			"the reservation of %s for %s is missed: %s is leased to client %s", s.address, mac, lease.Key.Name(), client)
		return
	}
}
