package winsim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
)

// AddScope makes a scope on this server alone.
func (s *Server) AddScope(scope Scope) error {
	if err := scope.check(); err != nil {
		return err
	}
	s.dom.mu.Lock()
	defer s.dom.mu.Unlock()
	s.dhcp.scopes[scope.ID] = scope
	return nil
}

// AddReservation puts a reservation on this server alone.
func (s *Server) AddReservation(r Reservation) error {
	s.dom.mu.Lock()
	defer s.dom.mu.Unlock()
	if err := s.dhcp.addReservation(r); err != nil {
		return fmt.Errorf("cannot add reservation %s: %w", r.IP, err)
	}
	return nil
}

// AddFilter puts a line into a filter list of this server alone.
func (s *Server) AddFilter(f Filter) error {
	s.dom.mu.Lock()
	defer s.dom.mu.Unlock()
	if err := s.dhcp.addFilter(f); err != nil {
		return fmt.Errorf("cannot add filter %s: %w", f.MAC, err)
	}
	return nil
}

// RemoveReservation takes a reservation away as an administrator would, and
// reports whether it was there.
func (s *Server) RemoveReservation(ip netip.Addr) bool {
	s.dom.mu.Lock()
	defer s.dom.mu.Unlock()
	return s.dhcp.removeReservation(ip) == nil
}

// RemoveFilter takes a line away as an administrator would, and reports
// whether it was there.
func (s *Server) RemoveFilter(mac string) bool {
	s.dom.mu.Lock()
	defer s.dom.mu.Unlock()
	return s.dhcp.removeFilter(mac) == nil
}

// EnableFilterList says which filter lists this server obeys.
func (s *Server) EnableFilterList(allow, deny bool) {
	s.dom.mu.Lock()
	defer s.dom.mu.Unlock()
	s.dhcp.allow, s.dhcp.deny = allow, deny
}

// AddLease puts a lease on this server alone.
func (s *Server) AddLease(l Lease) error {
	s.dom.mu.Lock()
	defer s.dom.mu.Unlock()
	if _, err := s.dhcp.scope(l.Scope); err != nil {
		return fmt.Errorf("cannot add lease %s: %w", l.IP, err)
	}
	l.ClientID = dashed(l.ClientID)
	if l.State == "" {
		l.State = "Active"
	}
	s.dhcp.leases = append(s.dhcp.leases, l)
	return nil
}

// Reservations are all reservations of this server, sorted by address.
func (s *Server) Reservations() []Reservation {
	s.dom.mu.Lock()
	defer s.dom.mu.Unlock()
	return s.dhcp.sortedReservations()
}

// Leases are all leases of this server, sorted by address.
func (s *Server) Leases() []Lease {
	s.dom.mu.Lock()
	defer s.dom.mu.Unlock()
	return s.dhcp.sortedLeases()
}

// Filters are all lines of both filter lists of this server, sorted by MAC.
func (s *Server) Filters() []Filter {
	s.dom.mu.Lock()
	defer s.dom.mu.Unlock()
	return s.dhcp.sortedFilters()
}

// Digest is a hash over the domain's records and over this server's scopes,
// reservations, filters and leases. It is the same as long as nothing changed;
// the time at which a lease ends or a record was refreshed does not count.
func (s *Server) Digest() string {
	s.dom.mu.Lock()
	defer s.dom.mu.Unlock()
	h := sha256.New()
	for _, r := range s.dom.sortedRecords() {
		fmt.Fprintf(h, "record %q %q %s %q %s %t\n", r.Zone, r.Name, r.Type, r.Value, r.TTL, r.Dynamic())
	}
	for _, x := range s.dhcp.sortedScopes() {
		fmt.Fprintf(h, "scope %+v\n", x)
	}
	for _, r := range s.dhcp.sortedReservations() {
		fmt.Fprintf(h, "reservation %+v\n", r)
	}
	for _, f := range s.dhcp.sortedFilters() {
		fmt.Fprintf(h, "filter %q\n", f)
	}
	for _, l := range s.dhcp.sortedLeases() {
		fmt.Fprintf(h, "lease %s %s %s %q %s\n", l.Scope, l.IP, l.ClientID, l.HostName, l.State)
	}
	fmt.Fprintf(h, "lists %t %t\n", s.dhcp.allow, s.dhcp.deny)
	return hex.EncodeToString(h.Sum(nil))
}

// ScopeUnreadable makes the server fail with a database error whenever the
// scope is asked for, until it is told that all is well again.
func (s *Server) ScopeUnreadable(id netip.Addr, broken bool) {
	s.dom.mu.Lock()
	defer s.dom.mu.Unlock()
	s.dhcp.unreadable[id] = broken
}

// Rejected are the things that the server was asked to run and did not know,
// oldest first.
func (s *Server) Rejected() []string {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	return slices.Clone(s.tally.rejected)
}
