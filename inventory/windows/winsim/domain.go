package winsim

import (
	"cmp"
	"fmt"
	"maps"
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
	name  string              // as it was given
	nodes map[string][]Record // by lower-case name
}

func (z *zone) node(name string) []Record { return z.nodes[strings.ToLower(name)] }

func compareRecords(a, b Record) int {
	return cmp.Or(
		cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Type, b.Type), cmp.Compare(a.Value, b.Value))
}

// addZone makes an empty zone; a zone that is there stays as it is.
func (d *Domain) addZone(name string) {
	name = strings.TrimSuffix(name, ".")
	if d.zone(name) == nil {
		d.zones[strings.ToLower(name)] = &zone{name: name, nodes: map[string][]Record{}}
	}
}

func (d *Domain) zone(name string) *zone {
	return d.zones[strings.ToLower(strings.TrimSuffix(name, "."))]
}

// find gives the records of a name and a type.
func (z *zone) find(name, kind string) []Record {
	var found []Record
	for _, r := range z.node(name) {
		if r.Type == kind {
			found = append(found, r)
		}
	}
	return found
}

// lookup is the one record with a value, or nil.
func (z *zone) lookup(name, kind, value string) *Record {
	node := z.node(name)
	for i := range node {
		if node[i].Type == kind && sameValue(kind, node[i].Value, value) {
			return &node[i]
		}
	}
	return nil
}

// put adds a record without asking.
func (z *zone) put(r Record) {
	r.Zone = z.name
	key := strings.ToLower(r.Name)
	z.nodes[key] = append(z.nodes[key], r)
}

// drop takes away the records of a name for which gone holds.
func (z *zone) drop(name string, gone func(Record) bool) {
	key := strings.ToLower(name)
	if z.nodes[key] = slices.DeleteFunc(z.nodes[key], gone); len(z.nodes[key]) == 0 {
		delete(z.nodes, key)
	}
}

// add keeps the rules of a zone: equal records once, and a CNAME alone.
func (z *zone) add(r Record) *cmdletError {
	if z.lookup(r.Name, r.Type, r.Value) != nil {
		return errRecordExists
	}
	for _, other := range z.node(r.Name) {
		if r.Type == "CNAME" || other.Type == "CNAME" {
			return errBesideCNAME
		}
	}
	z.put(r)
	return nil
}

func (z *zone) remove(name, kind, value string) *cmdletError {
	switch {
	case len(z.node(name)) == 0:
		return errNoName
	case z.lookup(name, kind, value) == nil:
		return errNoRecord
	}
	z.drop(name, func(r Record) bool { return r.Type == kind && sameValue(kind, r.Value, value) })
	return nil
}

// dropPointer takes away the PTR that points back from an IPv4 address to a name, as
// Windows does on its own where an A record is removed.
func (d *Domain) dropPointer(value, fqdn string) {
	ip, err := netip.ParseAddr(value)
	if err != nil || !ip.Is4() {
		return
	}
	if z, name := d.reverseZone(ip); z != nil {
		z.drop(name, func(r Record) bool { return r.Type == "PTR" && sameValue("PTR", r.Value, fqdn) })
	}
}

// sorted are all records in a fixed order.
func (z *zone) sorted() []Record {
	var all []Record
	for _, node := range z.nodes {
		all = append(all, node...)
	}
	slices.SortFunc(all, compareRecords)
	return all
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
	for _, name := range slices.Sorted(maps.Keys(d.zones)) {
		all = append(all, d.zones[name].sorted()...)
	}
	return all
}

const defaultTTL = time.Hour
