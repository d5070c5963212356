package winsim

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const leaseTime = 8 * 24 * time.Hour

// DHCPRequest plays a machine that boots in a scope's network and asks for an
// address. A zero scope is the server's first active one. An empty clientID is
// the MAC; a client that asks with a DUID instead misses the reservation of
// its MAC, as on Windows.
//
// The filter lists decide by MAC whether it is answered at all. It gets its
// reservation, else the lease it has, else the lowest free address. A host name
// makes the server write a dynamic A record and a PTR, replacing what was
// dynamic under that name and leaving static records alone.
func (s *Server) DHCPRequest(scope netip.Addr, mac, clientID, hostname string) (Lease, error) {
	s.dom.mu.Lock()
	defer s.dom.mu.Unlock()
	d := s.dhcp
	sc, ok := d.activeScope(scope)
	switch {
	case !ok:
		return Lease{}, fmt.Errorf("cannot serve %s: no active scope %s on %s", mac, scope, d.name)
	case !d.admits(mac):
		return Lease{}, fmt.Errorf("cannot serve %s: the filters of %s do not admit it", mac, d.name)
	}
	if clientID == "" {
		clientID = mac
	}
	ip, state, err := s.dom.choose(d, sc, dashed(clientID))
	if err != nil {
		return Lease{}, err
	}
	now := time.Now()
	l := Lease{Scope: sc.ID, IP: ip, ClientID: dashed(clientID), HostName: hostname, State: state, Expires: now.Add(leaseTime)}
	if hostname != "" && sc.Zone != "" {
		l.HostName = strings.ToLower(hostname) + "." + sc.Zone
		s.dom.registerNames(sc.Zone, strings.ToLower(hostname), ip, now)
	}
	for _, holder := range s.dom.holders(d, sc) {
		holder.setLease(l)
	}
	return l, nil
}

func (d *dhcpServer) activeScope(id netip.Addr) (Scope, bool) {
	for _, s := range d.sortedScopes() {
		if !s.Inactive && (s.ID == id || !id.IsValid()) {
			return s, true
		}
	}
	return Scope{}, false
}

// choose finds the address for a client: reservation, old lease, lowest free.
func (d *Domain) choose(srv *dhcpServer, sc Scope, clientID string) (netip.Addr, string, error) {
	for _, r := range srv.reservationsOf(sc.ID) {
		if r.ClientID == clientID {
			return r.IP, "ActiveReservation", nil
		}
	}
	taken := map[netip.Addr]bool{}
	for _, r := range srv.reservationsOf(sc.ID) {
		taken[r.IP] = true
	}
	for _, l := range srv.leasesOf(sc.ID) {
		if l.ClientID == clientID && !taken[l.IP] {
			return l.IP, "Active", nil
		}
		taken[l.IP] = true
	}
	for ip := sc.Start; ip.Compare(sc.End) <= 0; ip = ip.Next() {
		if !taken[ip] {
			return ip, "Active", nil
		}
	}
	return netip.Addr{}, "", fmt.Errorf("cannot serve %s: scope %s is full", clientID, sc.ID)
}

// holders are the servers that know a scope's leases: srv and its partner.
func (d *Domain) holders(srv *dhcpServer, sc Scope) []*dhcpServer {
	found := []*dhcpServer{srv}
	for _, other := range d.servers {
		if _, has := other.scopes[sc.ID]; has && other != srv && strings.EqualFold(other.name, sc.Partner) {
			found = append(found, other)
		}
	}
	return found
}

// setLease replaces what the client, or the address, had in the scope.
func (d *dhcpServer) setLease(l Lease) {
	d.leases = slices.DeleteFunc(d.leases, func(o Lease) bool {
		return o.Scope == l.Scope && (o.ClientID == l.ClientID || o.IP == l.IP)
	})
	d.leases = append(d.leases, l)
}

// registerNames writes A and PTR as the DHCP server does for its clients.
func (d *Domain) registerNames(zoneName, host string, ip netip.Addr, now time.Time) {
	stamp := now.Truncate(time.Hour)
	if z := d.zone(zoneName); z != nil {
		z.setDynamic(Record{Name: host, Type: "A", Value: ip.String(), TTL: 15 * time.Minute, Timestamp: stamp})
	}
	if z, name := d.reverseZone(ip); z != nil {
		z.setDynamic(Record{Name: name, Type: "PTR", Value: host + "." + zoneName + ".", TTL: 15 * time.Minute, Timestamp: stamp})
	}
}

// setDynamic replaces the dynamic records of a name. Where a static record of
// the same type, or a CNAME, holds the name, the update is refused and nothing
// changes.
func (z *zone) setDynamic(r Record) {
	for _, other := range z.node(r.Name) {
		if (other.Type == r.Type && !other.Dynamic()) || other.Type == "CNAME" {
			return
		}
	}
	z.drop(r.Name, func(o Record) bool { return o.Type == r.Type })
	z.put(r)
}

// reverseZone is the closest zone for an address, and the name inside it.
func (d *Domain) reverseZone(ip netip.Addr) (*zone, string) {
	b := ip.As4()
	labels := []string{fmt.Sprint(b[3]), fmt.Sprint(b[2]), fmt.Sprint(b[1]), fmt.Sprint(b[0])}
	for i := 1; i < len(labels); i++ {
		if z := d.zone(strings.Join(labels[i:], ".") + ".in-addr.arpa"); z != nil {
			return z, strings.Join(labels[:i], ".")
		}
	}
	return nil, ""
}
