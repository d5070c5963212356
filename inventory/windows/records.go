package windows

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// zones turns a DNS server's answer into zones and records. A zone that could
// not be read is unknown, and so is each record last seen in it: their keys do
// not say which zone they are in.
func (s *System) zones(l *listing, a answer) {
	for _, zone := range s.cfg.DNS.Zones {
		about, err := one[zoneItem](a, "zone", zone)
		if err == nil {
			err = about.check()
		}
		var records []recordItem
		if err == nil {
			records, err = items[recordItem](a, "records", zone)
		}
		key := s.key(inventory.KindZone, zone)
		if err != nil {
			l.unknown(err, append(l.recall("zone/"+zone), key)...)
			continue
		}
		resources := []inventory.Resource{{Key: key, Attrs: inventory.Attrs{}}}
		l.keep("zone/"+zone, append(resources, s.records(zone, records)...))
	}
}

// check wants a zone that can be written here and is the same on every server.
func (z zoneItem) check() error {
	if !strings.EqualFold(z.Type, "Primary") {
		return fmt.Errorf("the zone is %s, not primary: it cannot be written here", strings.ToLower(z.Type))
	}
	return nil
}

// records are the resources of a zone: at most one a name and type.
func (s *System) records(zone string, all []recordItem) []inventory.Resource {
	type place struct{ name, kind string }
	standing := map[place][]recordItem{}
	texts := map[string][]string{} // marks by the name that they speak of
	for _, r := range all {
		r.Name = cmp.Or(canonicalName(r.Name), "@")
		r.Value = canonicalValue(r.Type, r.Value)
		if marked, ok := markedName(r.Name); ok && r.Type == "TXT" {
			texts[marked] = append(texts[marked], r.Value)
		} else if slices.Contains(recordTypes, r.Type) && !s.belongsElsewhere(r.Name, zone) {
			standing[place{r.Name, r.Type}] = append(standing[place{r.Name, r.Type}], r)
		}
	}
	var resources []inventory.Resource
	marks := map[place][]inventory.Mark{}
	for name, texts := range texts {
		for _, m := range s.ourMarks(qualified(name, zone), texts) {
			at := place{name, m.Extra["type"]}
			marks[at] = append(marks[at], m)
			if len(standing[at]) == 0 && len(marks[at]) == 1 {
				resources = append(resources, s.halfMade(zone, name, m))
			}
		}
	}
	for at, records := range standing {
		resources = append(resources, s.record(zone, records, marks[at]))
	}
	return resources
}

// belongsElsewhere tells of a name that lies in a managed zone below this one:
// glue beside a delegation.
func (s *System) belongsElsewhere(name, zone string) bool {
	full := qualified(name, zone)
	return slices.ContainsFunc(s.cfg.DNS.Zones, func(other string) bool {
		return len(other) > len(zone) && strings.HasSuffix(other, "."+zone) &&
			(full == other || strings.HasSuffix(full, "."+other))
	})
}

// ourMarks are the marks of ours among texts about a name, in a fixed order.
func (s *System) ourMarks(full string, texts []string) []inventory.Mark {
	marks := parseMarks(texts)
	marks = slices.DeleteFunc(marks, func(m inventory.Mark) bool {
		kind := m.Extra["type"]
		return m.Owner.Campus != s.campus || !slices.Contains(recordTypes, kind) ||
			m.Key != s.key(inventory.KindRecord, full, kind)
	})
	slices.SortFunc(marks, func(a, b inventory.Mark) int { return cmp.Compare(a.String(), b.String()) })
	return marks
}

// record is what stands at a name and type. Where one of several values is
// ours, it is shown alone: the others are not touched and not in the way.
func (s *System) record(zone string, standing []recordItem, marks []inventory.Mark) inventory.Resource {
	slices.SortFunc(standing, func(a, b recordItem) int { return compareAddresses(a.Value, b.Value) })
	for _, r := range standing {
		for _, m := range marks {
			if r.Static && m.Extra["hash"] == valueHash(r.Value) {
				resource := s.recordResource(zone, r)
				resource.Owner = m.Owner
				return resource
			}
		}
	}
	foreign := standing[0]
	var values []string
	for _, r := range standing {
		values = append(values, r.Value)
		foreign.Static = foreign.Static && r.Static
	}
	foreign.Value = strings.Join(values, ",")
	return s.recordResource(zone, foreign)
}

// halfMade is a mark whose record is missing: the next pass completes it, or
// clears it away.
func (s *System) halfMade(zone, name string, m inventory.Mark) inventory.Resource {
	r := s.recordResource(zone, recordItem{Name: name, Type: m.Extra["type"], Static: true})
	r.Owner = m.Owner
	return r
}

func (s *System) recordResource(zone string, r recordItem) inventory.Resource {
	attrs := inventory.Attrs{
		"zone": zone, "name": r.Name, "type": r.Type,
		"value": r.Value, "ttl": strconv.FormatInt(r.TTL, 10),
	}
	if !r.Static {
		attrs["dynamic"] = "1"
	}
	return inventory.Resource{Key: s.key(inventory.KindRecord, qualified(r.Name, zone), r.Type), Attrs: attrs}
}
