package projects

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// produce writes the resources of every machine down. The guest needs nothing of
// DNS and DHCP, which are told while it is being made; its power needs them all.
//
// The sites come in key order, so that the guests and the powers of a cluster are
// in order already, and each is written where it stays: resources are too large
// to be moved about. Only what is around the machines is left to sort.
func (b *builder) produce() {
	around := make([]inventory.Resource, 0, 2*len(b.sites))
	clusters := map[string][]*site{}
	for _, s := range b.sites {
		if s.refused != "" {
			continue
		}
		s.first = len(around)
		around = append(b.dhcpOf(around, s), b.recordsOf(s)...)
		s.last = len(around)
		clusters[s.cluster.name] = append(clusters[s.cluster.name], s)
	}
	writers := writersOf(around)
	for cluster, sites := range clusters {
		writers[cluster+"/"+inventory.KindGuest+"/"] = func(out []inventory.Resource) []inventory.Resource {
			for _, s := range sites {
				out = append(out, b.guestOf(s))
			}
			return out
		}
		writers[cluster+"/"+inventory.KindPower+"/"] = func(out []inventory.Resource) []inventory.Resource {
			return b.powersOf(out, sites, around)
		}
	}
	out := make([]inventory.Resource, 0, len(around)+2*len(b.sites))
	for _, kind := range slices.Sorted(maps.Keys(writers)) {
		out = writers[kind](out)
	}
	b.out.Resources = out
}

// writer appends the resources of one kind in one system, in key order.
type writer func(out []inventory.Resource) []inventory.Resource

// writersOf are the writers of some resources, by "system/kind/". Those of a kind
// are sorted apart, where they are not in order already.
func writersOf(resources []inventory.Resource) map[string]writer {
	kinds := map[string][]*inventory.Resource{}
	for i := range resources {
		r := &resources[i]
		kind := string(r.Key[:len(r.Key)-len(r.Key.Name())])
		kinds[kind] = append(kinds[kind], r)
	}
	writers := map[string]writer{}
	for kind, list := range kinds {
		writers[kind] = func(out []inventory.Resource) []inventory.Resource {
			byKey := func(x, y *inventory.Resource) int { return strings.Compare(string(x.Key), string(y.Key)) }
			if !slices.IsSortedFunc(list, byKey) {
				slices.SortFunc(list, byKey)
			}
			for _, r := range list {
				out = append(out, *r)
			}
			return out
		}
	}
	return writers
}

// powersOf appends the power of those machines that have one.
func (b *builder) powersOf(out []inventory.Resource, sites []*site, around []inventory.Resource) []inventory.Resource {
	total := 0
	for _, s := range sites {
		total += 1 + s.last - s.first
	}
	needs := make([]inventory.Key, 0, total) // of all powers, one after the other
	for _, s := range sites {
		power, ok := b.powerOf(s)
		if !ok {
			continue
		}
		from := len(needs)
		needs = append(needs, s.key)
		for i := range around[s.first:s.last] {
			needs = append(needs, around[s.first+i].Key)
		}
		power.Needs = needs[from:len(needs):len(needs)]
		slices.Sort(power.Needs)
		out = append(out, power)
	}
	return out
}

func (b *builder) guestOf(s *site) inventory.Resource {
	attrs := maps.Clone(s.attrs)
	if s.adopt != 0 {
		b.keep(s, attrs)
		maps.Copy(attrs, s.attrs)
	}
	attrs["name"] = s.hostname
	if s.text != "" {
		attrs["description"] = s.text
	}
	attrs["vmid"] = strconv.Itoa(s.vmid)
	if s.node != "" {
		attrs["node"] = s.node
	}
	for i, n := range s.nics {
		if s.macs[i] != "" {
			attrs[n.macAttr] = s.macs[i]
		}
		if s.adopt != 0 {
			attrs["nets"] = withNet(attrs["nets"], n.name)
		}
	}
	s.comeBack(attrs)
	delete(attrs, "rebuild")
	if n := s.rebuilt(); n > 0 {
		attrs["rebuild"] = strconv.Itoa(n)
	}
	r := inventory.Resource{Key: s.key, Attrs: attrs, Owner: s.owner, Was: s.was}
	if s.adopt != 0 && !s.isLive {
		r.Adopts = s.adopts()
	}
	return r
}

// keep fills in what an adopted guest has without being told: it is managed in
// the declared fields only, so the others are as they are.
func (b *builder) keep(s *site, attrs inventory.Attrs) {
	for name, text := range b.known(s).Attrs {
		if !inventory.CreateOnly(name) && !slices.Contains([]string{"lock", "pending", "raw", "stale", "why", "status", inventory.AttrRetired, inventory.AttrRetain}, name) {
			attrs[name] = text
		}
	}
	if tags, tagged := attrs["tags"]; tagged && s.retired() {
		attrs["tags"] = inventory.UntagRetired(tags)
	}
}

func withNet(nets, name string) string {
	list := strings.FieldsFunc(nets, func(r rune) bool { return r == ',' })
	if !slices.Contains(list, name) {
		list = append(list, name)
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}

// rebuilt is the rebuild number: a lowered one changes nothing.
func (s *site) rebuilt() int {
	return max(decimal(s.guest.Attrs["rebuild"]), s.rebuild)
}

// adopts is the foreign guest that the machine takes over.
func (m *machine) adopts() inventory.Key {
	return inventory.MakeKey(m.cluster.name, inventory.KindForeign, strconv.Itoa(m.adopt))
}

// powerOf says whether the machine should run:
//
//	power    not live yet           live
//	initial  running, boot done     running while boot is new, then as it is
//	running  running, boot done     running, boot done
//	stopped  –                      stopped
//	ignore   –                      as it is
//
// A live guest always has its power declared, or it would be taken for power
// that is to go. An adopted machine is not started by being adopted.
func (b *builder) powerOf(s *site) (inventory.Resource, bool) {
	r := inventory.Resource{Key: powerKey(s.key), Owner: s.owner}
	live, isLive := absent, false
	if s.isLive {
		former := r.Key
		if s.guest.Key != s.key {
			former = powerKey(s.guest.Key)
			r.Was = former
		}
		if power, ok := b.live.byKey[former]; ok {
			live, isLive = power, true
		}
	}
	state, boot := live.Attrs["state"], live.Attrs["boot"]
	switch {
	case s.power == "running" && (isLive || s.adopt == 0):
		state, boot = "running", "done"
	case s.power == "ignore" && boot == "new" && s.retired():
		state, boot = "running", "done" // it ran until provost stopped it
	case s.power == "initial" && (boot == "new" || !isLive && s.adopt == 0):
		state, boot = "running", "done"
	case !isLive:
		return r, false
	case s.power == "stopped":
		state = "stopped"
	}
	if boot == "ran" {
		boot = "done"
	}
	r.Attrs = b.powerAttrs(state, boot)
	return r, true
}

// powerAttrs leaves out what is not known.
func (b *builder) powerAttrs(state, boot string) inventory.Attrs {
	if state == "running" && boot == "done" {
		return b.running
	}
	attrs := inventory.Attrs{"state": state, "boot": boot}
	maps.DeleteFunc(attrs, func(_, text string) bool { return text == "" })
	return attrs
}

// dhcpOf appends what tells the DHCP server of the MACs that ask it, and of the address that
// one of them shall get. A reserved client is in the allow filter too: a server
// with that filter on turns away whoever is not.
func (b *builder) dhcpOf(out []inventory.Resource, s *site) []inventory.Resource {
	for i, n := range s.nics {
		asks := n.dhcp && n.network != nil && n.network.dhcp != ""
		if !asks || s.macs[i] == "" || s.dhcp == "none" && n.name == "net0" {
			continue
		}
		mac := dashMAC(s.macs[i])
		out = append(out, inventory.Resource{
			Key:   inventory.MakeKey(n.network.dhcp, inventory.KindFilter, mac),
			Attrs: b.allowed,
			Owner: s.owner,
		})
		if i == 0 && s.address.IsValid() {
			out = append(out, inventory.Resource{
				Key:   reservationKey(s.machine, mac),
				Attrs: inventory.Attrs{"ip": s.address.String(), "mac": mac, "name": s.hostname, "on": "all"},
				Owner: s.owner,
			})
		}
	}
	return out
}

func (b *builder) recordsOf(s *site) []inventory.Resource {
	if s.dns != "managed" || !s.address.IsValid() || s.fqdn == "" {
		return s.records
	}
	return slices.Concat(s.records, b.settings.addressRecords(s.fqdn, s.address, s.owner))
}

// freeze leaves alone what must not be touched this time: all of a refused
// machine, and the guest of one whose VMID somebody is busy with.
func (b *builder) freeze() {
	var wanted map[inventory.Key]bool // made for the first refused machine
	for _, s := range b.sites {
		if s.frozen != "" && s.refused == "" {
			b.out.Frozen = append(b.out.Frozen, inventory.Unknown{Prefix: s.key, Reason: s.frozen})
		}
		if s.refused == "" {
			continue
		}
		if wanted == nil {
			wanted = b.wanted()
		}
		for _, key := range b.keysOf(s) {
			if !wanted[key] {
				wanted[key] = true
				b.out.Frozen = append(b.out.Frozen, inventory.Unknown{Prefix: key, Reason: s.refused})
			}
		}
	}
	slices.SortFunc(b.out.Frozen, func(x, y inventory.Unknown) int { return strings.Compare(string(x.Prefix), string(y.Prefix)) })
}

// wanted are the keys of everything that is desired.
func (b *builder) wanted() map[inventory.Key]bool {
	keys := make(map[inventory.Key]bool, len(b.out.Resources))
	for _, r := range b.out.Resources {
		keys[r.Key] = true
	}
	return keys
}

// keysOf are all keys under which something of a machine may be live.
func (b *builder) keysOf(s *site) []inventory.Key {
	keys := []inventory.Key{s.key, powerKey(s.key)}
	if s.isLive && s.guest.Key != s.key {
		keys = append(keys, s.guest.Key, powerKey(s.guest.Key))
	}
	if s.dhcp == "reserve" && s.isLive && !s.address.IsValid() {
		s.address, _ = b.live.reservationOf(s.machine, s.macs[0])
	}
	for _, r := range append(b.dhcpOf(nil, s), b.recordsOf(s)...) {
		keys = append(keys, r.Key)
	}
	return keys
}
