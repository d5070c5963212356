package winsim

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

type listDocument struct {
	Zones  []string `json:"zones"`
	DHCP   bool     `json:"dhcp"`
	Scopes []string `json:"scopes"`
}

type zoneItem struct {
	Type       string `json:"type"`
	Integrated bool   `json:"integrated"`
	Reverse    bool   `json:"reverse"`
}

type recordItem struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Value  string `json:"value"`
	TTL    int64  `json:"ttl"`
	Static bool   `json:"static"`
}

type scopeItem struct {
	Name  string `json:"name"`
	Start string `json:"start"`
	End   string `json:"end"`
	Mask  string `json:"mask"`
	State string `json:"state"`
}

type reservationItem struct {
	IP          string `json:"ip"`
	ClientID    string `json:"clientId"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

type leaseItem struct {
	IP       string `json:"ip"`
	ClientID string `json:"clientId"`
	HostName string `json:"hostName"`
	State    string `json:"state"`
}

type filterItem struct {
	MAC         string `json:"mac"`
	List        string `json:"list"`
	Description string `json:"description"`
}

type filterListItem struct {
	Allow bool `json:"allow"`
	Deny  bool `json:"deny"`
}

// list reads zones and DHCP. What cannot be read is an error in its place.
func (x *session) list(document []byte) error {
	var doc listDocument
	if err := decodeDocument(document, &doc); err != nil {
		return err
	}
	for _, name := range doc.Zones {
		x.listZone(name)
	}
	if doc.DHCP {
		return x.listDHCP(doc.Scopes)
	}
	return nil
}

func (x *session) listZone(name string) {
	z, err := x.readZone(name)
	if err != nil {
		x.answer.cmdletFailed("zone", name, err, "Get-DnsServerZone")
		x.answer.cmdletFailed("records", name, err, "Get-DnsServerResourceRecord")
		return
	}
	reverse := strings.HasSuffix(strings.ToLower(z.name), ".arpa")
	addItems(&x.answer, "zone", name, []zoneItem{{Type: "Primary", Integrated: true, Reverse: reverse}})
	var items []recordItem
	for _, r := range z.sorted() {
		items = append(items, recordItem{r.Name, r.Type, r.Value, int64(r.TTL.Seconds()), !r.Dynamic()})
	}
	addItems(&x.answer, "records", name, items)
}

// readZone is the zone, if it is there, may be read, and no test objects.
func (x *session) readZone(name string) (*zone, *cmdletError) {
	z := x.server.dom.zone(name)
	forced := x.forced(name)
	switch {
	case !x.mayDNS():
		return nil, errAccessDenied
	case forced != nil:
		return nil, forced
	case z == nil:
		return nil, errNoZone
	}
	return z, nil
}

func (x *session) listDHCP(asked []string) error {
	if !x.mayReadDHCP() {
		x.answer.cmdletFailed("scopes", "", errAccessDenied, "Get-DhcpServerv4Scope")
		x.answer.cmdletFailed("filters", "", errAccessDenied, "Get-DhcpServerv4Filter")
		x.answer.cmdletFailed("filterlist", "", errAccessDenied, "Get-DhcpServerv4FilterList")
		return nil
	}
	d := x.server.dhcp
	if len(asked) == 0 {
		for _, s := range d.sortedScopes() {
			asked = append(asked, s.ID.String())
		}
	}
	addItems(&x.answer, "scopes", "", asked)
	for _, name := range asked {
		id, err := netip.ParseAddr(name)
		if err != nil {
			return fmt.Errorf("the scope %q is not an address", name)
		}
		x.listScope(name, id)
	}
	x.listFilters()
	return nil
}

func (x *session) listScope(name string, id netip.Addr) {
	d := x.server.dhcp
	s, err := d.scope(id)
	if forced := x.forced(name); forced != nil {
		err = forced
	}
	if err != nil {
		x.answer.cmdletFailed("scope", name, err, "Get-DhcpServerv4Scope")
		x.answer.cmdletFailed("reservations", name, err, "Get-DhcpServerv4Reservation")
		x.answer.cmdletFailed("leases", name, err, "Get-DhcpServerv4Lease")
		return
	}
	state := "Active"
	if s.Inactive {
		state = "InActive"
	}
	addItems(&x.answer, "scope", name, []scopeItem{{s.Name, s.Start.String(), s.End.String(), s.Mask.String(), state}})
	var reservations []reservationItem
	for _, r := range d.reservationsOf(id) {
		reservations = append(reservations, reservationItem{r.IP.String(), r.ClientID, r.Name, r.Description})
	}
	addItems(&x.answer, "reservations", name, reservations)
	addItems(&x.answer, "leases", name, d.leaseItems(id))
}

// leaseItems shows leases as Get-DhcpServerv4Lease does: a reservation that
// nobody uses is listed too, as inactive.
func (d *dhcpServer) leaseItems(scope netip.Addr) []leaseItem {
	var items []leaseItem
	leased := map[netip.Addr]bool{}
	for _, l := range d.leasesOf(scope) {
		leased[l.IP] = true
		items = append(items, leaseItem{l.IP.String(), l.ClientID, l.HostName, l.State})
	}
	for _, r := range d.reservationsOf(scope) {
		if !leased[r.IP] {
			items = append(items, leaseItem{r.IP.String(), r.ClientID, r.Name, "InactiveReservation"})
		}
	}
	slices.SortFunc(items, func(a, b leaseItem) int {
		return netip.MustParseAddr(a.IP).Compare(netip.MustParseAddr(b.IP))
	})
	return items
}

func (x *session) listFilters() {
	d := x.server.dhcp
	if forced := x.forced("filters"); forced != nil {
		x.answer.cmdletFailed("filters", "", forced, "Get-DhcpServerv4Filter")
	} else {
		var items []filterItem
		for _, f := range d.sortedFilters() {
			items = append(items, filterItem(f))
		}
		addItems(&x.answer, "filters", "", items)
	}
	addItems(&x.answer, "filterlist", "", []filterListItem{{d.allow, d.deny}})
}
