package windows

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// allDHCP turns the partners' answers into resources. What must be on all
// partners is unknown while one of them cannot be read; what is known of it
// from the others is listed all the same.
func (s *System) allDHCP(l *listing, partners []answer) {
	ids := s.scopeIDs(l, partners)
	for _, id := range ids {
		s.scope(l, partners, id)
		s.reservations(l, partners, id)
		s.leases(l, partners, id)
	}
	s.filters(l, partners)
}

// scopeIDs are the scopes that any partner serves.
func (s *System) scopeIDs(l *listing, partners []answer) []string {
	found := map[string]bool{}
	for _, id := range s.cfg.DHCP.Scopes {
		found[id] = true
	}
	for _, p := range partners {
		ids, err := items[string](p, "scopes", "")
		if err != nil {
			l.unknown(err, s.key(inventory.KindReservation, ""), s.key(inventory.KindScope, ""))
			continue
		}
		for _, id := range ids {
			found[id] = true
		}
	}
	if len(found) == 0 {
		l.recallAll("scope/", "reservation/", "lease/")
	}
	return slices.SortedFunc(maps.Keys(found), compareAddresses)
}

func (s *System) scope(l *listing, partners []answer, id string) {
	key := s.key(inventory.KindScope, id)
	var errs []error
	for _, p := range partners {
		about, err := one[scopeItem](p, "scope", id)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		l.keep("scope/"+id, []inventory.Resource{{Key: key, Attrs: inventory.Attrs{
			"start": about.Start, "end": about.End, "mask": about.Mask, "state": strings.ToLower(about.State),
		}}})
		return
	}
	l.recall("scope/" + id)
	l.unknown(errors.Join(errs...), key)
}

// leases are those of any partner: fail-over partners share them.
func (s *System) leases(l *listing, partners []answer, id string) {
	prefix := s.key(inventory.KindLease, id)
	byIP := map[string]inventory.Resource{}
	read := false
	for _, p := range partners {
		found, err := items[leaseItem](p, "leases", id)
		if err != nil {
			l.unknown(err, prefix)
			continue
		}
		read = true
		for _, lease := range found {
			if _, ok := byIP[lease.IP]; !ok && lease.holds() {
				byIP[lease.IP] = inventory.Resource{Key: s.key(inventory.KindLease, id, lease.IP), Attrs: lease.attrs()}
			}
		}
	}
	if !read {
		l.recall("lease/" + id)
		return
	}
	l.keep("lease/"+id, slices.Collect(maps.Values(byIP)))
}

// holds tells a lease that keeps its address from one that is over and from a
// reservation that nobody uses.
func (i leaseItem) holds() bool {
	return !strings.HasPrefix(i.State, "Inactive") && !strings.HasPrefix(i.State, "Expired")
}

func (i leaseItem) attrs() inventory.Attrs {
	attrs := inventory.Attrs{"hostname": canonicalName(i.HostName)}
	if id := strings.ToLower(i.ClientID); macPattern.MatchString(id) {
		attrs["mac"] = id
	} else {
		attrs["clientid"] = id
	}
	return attrs
}

func (s *System) reservations(l *listing, partners []answer, id string) {
	part, prefix := "reservation/"+id, s.key(inventory.KindReservation, id)
	merged := newMerge(s)
	for _, p := range partners {
		found, err := items[reservationItem](p, "reservations", id)
		if err != nil {
			l.unknown(err, prefix, s.key(inventory.KindScope, id))
			continue
		}
		var resources []inventory.Resource
		for _, r := range found {
			resources = append(resources, s.reservation(id, r))
		}
		merged.add(p.host, resources)
	}
	merged.into(l, part)
}

// reservation is one partner's. Windows puts the name that a client calls
// itself in place of the reservation's; so the name that was asked for stands in
// the mark, and one that begins with it counts as unchanged. "livename" is then
// what stands there.
func (s *System) reservation(scope string, r reservationItem) inventory.Resource {
	mac := strings.ToLower(r.ClientID)
	key := s.key(inventory.KindReservation, scope, mac)
	name := canonicalName(r.Name)
	attrs := inventory.Attrs{"ip": r.IP, "mac": mac, "name": name}
	mark, owner := s.described(attrs, key, r.Description)
	if asked := mark.Extra["name"]; !owner.IsZero() && asked != "" && strings.HasPrefix(name, asked+".") {
		attrs["name"] = asked
	}
	if attrs["name"] != r.Name {
		attrs["livename"] = r.Name
	}
	return inventory.Resource{Key: key, Attrs: attrs, Owner: owner}
}

func (s *System) filters(l *listing, partners []answer) {
	merged := newMerge(s)
	for _, p := range partners {
		found, err := items[filterItem](p, "filters", "")
		if err != nil {
			l.unknown(err, s.key(inventory.KindFilter, ""))
			continue
		}
		var resources []inventory.Resource
		for _, f := range found {
			resources = append(resources, s.filter(f))
		}
		merged.add(p.host, resources)
		if lists, err := one[filterListItem](p, "filterlist", ""); err == nil && !lists.Allow {
			s.log.Debug("the allow filter is not enabled: it lets everyone in", "server", p.host.name)
		}
	}
	merged.into(l, "filter")
}

func (s *System) filter(f filterItem) inventory.Resource {
	mac := strings.ToLower(f.MAC)
	key := s.key(inventory.KindFilter, mac)
	attrs := inventory.Attrs{"list": strings.ToLower(f.List)}
	_, owner := s.described(attrs, key, f.Description)
	return inventory.Resource{Key: key, Attrs: attrs, Owner: owner}
}

// described reads a description: whose the thing is, and what a person wrote.
func (s *System) described(attrs inventory.Attrs, key inventory.Key, text string) (inventory.Mark, inventory.Owner) {
	mark, ok := inventory.ParseMark(text)
	if !ok || mark.Owner.Campus != s.campus || mark.Key != key {
		if text != "" {
			attrs["description"] = text
		}
		return mark, inventory.Owner{}
	}
	if text = inventory.StripMark(text); text != "" {
		attrs["description"] = text
	}
	return mark, mark.Owner
}

// merge joins what several partners have into one resource a key.
type merge struct {
	system   *System
	partners []*host                        // those that were read
	have     map[inventory.Key][]possession // in the partners' order
}

type possession struct {
	host *host
	inventory.Resource
}

func newMerge(s *System) *merge {
	return &merge{system: s, have: map[inventory.Key][]possession{}}
}

func (m *merge) add(h *host, resources []inventory.Resource) {
	m.partners = append(m.partners, h)
	for _, r := range resources {
		m.have[r.Key] = append(m.have[r.Key], possession{h, r})
	}
}

// into adds the merged resources to the listing, or what was last known when no
// partner could be read.
func (m *merge) into(l *listing, part string) {
	if len(m.partners) == 0 {
		l.recall(part)
		return
	}
	var resources []inventory.Resource
	for _, key := range slices.Sorted(maps.Keys(m.have)) {
		resources = append(resources, m.one(m.have[key]))
	}
	l.keep(part, resources)
}

// one is the first that is ours, else the first; "on" names the partners that
// have just this. One that has it otherwise counts as one that has it not.
func (m *merge) one(all []possession) inventory.Resource {
	base := all[0]
	if i := slices.IndexFunc(all, func(p possession) bool { return !p.Owner.IsZero() }); i >= 0 {
		base = all[i]
	}
	r := base.Resource.Clone()
	var on []string
	for _, p := range all {
		if !base.same(p) {
			continue
		}
		on = append(on, p.host.name)
		if name, ok := p.Attrs["livename"]; ok {
			r.Attrs["livename"] = name
		}
	}
	r.Attrs["on"] = strings.Join(on, ",")
	if len(on) == len(m.system.dhcp) {
		r.Attrs["on"] = "all"
	}
	return r
}

// same reports whether two partners have the same, by what is managed of it.
func (p possession) same(other possession) bool {
	for _, name := range []string{"ip", "name", "list"} {
		if p.Attrs[name] != other.Attrs[name] {
			return false
		}
	}
	return p.Owner == other.Owner
}
