package winsim

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Domain is an Active Directory domain: the DNS zones that all its servers
// share, and the servers themselves. One lock guards the model of the whole
// domain; nothing sleeps while holding it.
type Domain struct {
	name string // "etu.isima.fr"

	mu      sync.Mutex
	zones   map[string]*zone // by lower-case name
	servers []*dhcpServer
}

// NewDomain is an empty domain with a DNS name such as "isima.fr".
func NewDomain(name string) *Domain {
	return &Domain{name: strings.ToLower(name), zones: map[string]*zone{}}
}

// netBIOS is the short name that goes before a backslash.
func (d *Domain) netBIOS() string {
	first, _, _ := strings.Cut(d.name, ".")
	return strings.ToUpper(first[:min(len(first), 15)])
}

// Record is one value in a zone. Names of other things in Value stand as the
// cmdlets show them: with a final dot.
type Record struct {
	Zone  string
	Name  string // relative; "@" is the zone itself
	Type  string // A, AAAA, PTR, CNAME, TXT
	Value string
	TTL   time.Duration
	// Timestamp is when a client last wrote the record; zero is static.
	Timestamp time.Time
}

// Dynamic reports whether a client of the server wrote the record.
func (r Record) Dynamic() bool { return !r.Timestamp.IsZero() }

type zone struct {
	name    string // as it was given
	records []Record
}

func compareRecords(a, b Record) int {
	return cmp.Or(
		cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Type, b.Type), cmp.Compare(a.Value, b.Value))
}

// addZone makes an empty zone; a zone that is there stays as it is.
func (d *Domain) addZone(name string) {
	name = strings.TrimSuffix(name, ".")
	if d.zone(name) == nil {
		d.zones[strings.ToLower(name)] = &zone{name: name}
	}
}

func (d *Domain) zone(name string) *zone {
	return d.zones[strings.ToLower(strings.TrimSuffix(name, "."))]
}

// find gives the records of a name; an empty type means all of them.
func (z *zone) find(name, kind string) []Record {
	var found []Record
	for _, r := range z.records {
		if strings.EqualFold(r.Name, name) && (kind == "" || r.Type == kind) {
			found = append(found, r)
		}
	}
	return found
}

func (z *zone) index(name, kind, value string) int {
	return slices.IndexFunc(z.records, func(r Record) bool {
		return r.Type == kind && strings.EqualFold(r.Name, name) && sameValue(kind, r.Value, value)
	})
}

// add keeps the rules of a zone: equal records once, and a CNAME alone.
func (z *zone) add(r Record) *cmdletError {
	if z.index(r.Name, r.Type, r.Value) >= 0 {
		return errRecordExists
	}
	for _, other := range z.find(r.Name, "") {
		if r.Type == "CNAME" || other.Type == "CNAME" {
			return errBesideCNAME
		}
	}
	r.Zone = z.name
	z.records = append(z.records, r)
	return nil
}

func (z *zone) remove(name, kind, value string) *cmdletError {
	i := z.index(name, kind, value)
	switch {
	case len(z.find(name, "")) == 0:
		return errNoName
	case i < 0:
		return errNoRecord
	}
	z.records = slices.Delete(z.records, i, i+1)
	return nil
}

// sorted is a copy in a fixed order.
func (z *zone) sorted() []Record {
	return slices.SortedFunc(slices.Values(z.records), compareRecords)
}

// sameValue compares as DNS does: addresses as addresses, names without regard
// to case, text exactly.
func sameValue(kind, a, b string) bool {
	switch kind {
	case "TXT":
		return a == b
	case "A", "AAAA":
		x, errX := netip.ParseAddr(a)
		y, errY := netip.ParseAddr(b)
		return errX == nil && errY == nil && x == y
	}
	return strings.EqualFold(canonicalValue(kind, a), canonicalValue(kind, b))
}

// canonicalValue is the value as a cmdlet would show it.
func canonicalValue(kind, value string) string {
	if (kind == "CNAME" || kind == "PTR") && !strings.HasSuffix(value, ".") {
		return value + "."
	}
	return value
}

// AddZone makes an empty zone for the whole domain.
func (s *Server) AddZone(name string) {
	s.dom.mu.Lock()
	defer s.dom.mu.Unlock()
	s.dom.addZone(name)
}

// AddRecord puts a record where an administrator or a client would have.
// A zero TTL is an hour, the zone's default.
func (s *Server) AddRecord(r Record) error {
	s.dom.mu.Lock()
	defer s.dom.mu.Unlock()
	z := s.dom.zone(r.Zone)
	if z == nil {
		return fmt.Errorf("cannot add record %s %s: there is no zone %q", r.Name, r.Type, r.Zone)
	}
	if r.TTL == 0 {
		r.TTL = defaultTTL
	}
	r.Value = canonicalValue(r.Type, r.Value)
	if err := z.add(r); err != nil {
		return fmt.Errorf("cannot add record %s %s: %w", r.Name, r.Type, err)
	}
	return nil
}

// RemoveRecord takes a record away as somebody else would have. It reports
// whether it was there.
func (s *Server) RemoveRecord(zone, name, kind, value string) bool {
	s.dom.mu.Lock()
	defer s.dom.mu.Unlock()
	z := s.dom.zone(zone)
	return z != nil && z.remove(name, kind, value) == nil
}

// Records are all records of all zones, sorted.
func (s *Server) Records() []Record {
	s.dom.mu.Lock()
	defer s.dom.mu.Unlock()
	return s.dom.sortedRecords()
}

func (d *Domain) sortedRecords() []Record {
	var all []Record
	for _, z := range d.zones {
		all = append(all, z.records...)
	}
	slices.SortFunc(all, compareRecords)
	return all
}

const defaultTTL = time.Hour
