package projects

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// settings is what campus.yaml says.
type settings struct {
	name     string
	clusters map[string]*cluster
	networks map[string]*network // by name
	bridges  map[bridge]*network
	zones    map[string]*zone             // by name
	retain   int                          // days
	drift    map[string]map[string]string // by kind and field, what is not corrected
	calendar Calendar                     // without the dates of cohorts
	zoned    bool                         // whether a time zone is said
}

// bridge is where a network is plugged in.
type bridge struct{ cluster, name, tag string }

type cluster struct {
	name        string
	first, last int      // VMIDs
	nodes       []string // allowed, or empty for all
	defaults    value
}

type network struct {
	name, cluster, bridge, tag string
	cidr, cidr6                netip.Prefix
	gateway, gateway6          netip.Addr
	nameserver                 []string
	dhcp                       string // system, or "" where nobody answers DHCP
	scope                      string
	addresses                  []addressRange
}

type zone struct {
	name, system, ttl string
}

// defaultTTL keeps a record that moves from being remembered wrongly for long.
const defaultTTL = "3600"

func (f *file) readSettings(v value) *settings {
	s := &settings{
		name:   v.get("name").text,
		retain: readRetain(v, defaultRetain),
		drift:  readDrift(v.get("drift"), nil), calendar: readCalendar(v), zoned: v.get("timezone").set(),
		clusters: map[string]*cluster{}, networks: map[string]*network{}, bridges: map[bridge]*network{}, zones: map[string]*zone{},
	}
	clusters, zones := v.get("clusters"), v.get("zones")
	for _, name := range clusters.names() {
		s.clusters[name] = readCluster(name, clusters.get(name))
	}
	for _, name := range zones.names() {
		s.zones[name] = readZone(name, zones.get(name))
	}
	networks := v.get("networks")
	for _, name := range networks.names() {
		n := s.readNetwork(name, networks.get(name))
		s.networks[name] = n
		id := bridge{n.cluster, n.bridge, n.tag}
		if other := s.bridges[id]; other != nil {
			networks.get(name).refuse("give one of them another bridge or tag", "network %s is the same bridge and tag as network %s", name, other.name)
		}
		s.bridges[id] = n
	}
	return s
}

func readCluster(name string, v value) *cluster {
	c := &cluster{name: name, nodes: v.get("nodes").texts(), defaults: v.get("defaults")}
	first, last, _ := strings.Cut(v.get("vmids").text, "-")
	c.first, _ = strconv.Atoi(first)
	c.last, _ = strconv.Atoi(last)
	if c.first > c.last {
		v.get("vmids").refuse("write the lower one first", "VMIDs %s begin after they end", v.get("vmids").text)
	}
	return c
}

func readZone(name string, v value) *zone {
	z := &zone{name: name, system: v.get("system").text, ttl: defaultTTL}
	if ttl := v.get("ttl"); ttl.set() {
		z.ttl = ttl.text
	}
	return z
}

func (s *settings) readNetwork(name string, v value) *network {
	n := &network{name: name, cluster: v.get("cluster").text, bridge: name, tag: v.get("tag").text}
	if b := v.get("bridge"); b.set() {
		n.bridge = b.text
	}
	if s.clusters[n.cluster] == nil {
		v.get("cluster").refuse(suggest(n.cluster, slices.Sorted(maps.Keys(s.clusters))), "there is no cluster %q", n.cluster)
	}
	n.cidr = readNetworkPrefix(v.get("cidr"), "192.168.79.0/24", netip.Addr.Is4)
	n.cidr6 = readNetworkPrefix(v.get("cidr6"), "2001:db8:79::/64", netip.Addr.Is6)
	n.gateway = readInside(v.get("gateway"), n.cidr)
	n.gateway6 = readInside(v.get("gateway6"), n.cidr6)
	n.nameserver = readAddresses(v.get("nameserver"))
	if dhcp := v.get("dhcp"); dhcp.set() {
		n.readDHCP(dhcp)
	}
	return n
}

func (n *network) readDHCP(v value) {
	n.dhcp = v.get("system").text
	if !n.cidr.IsValid() {
		v.refuse("add cidr:", "a network with DHCP needs its cidr")
		return
	}
	n.scope = n.cidr.Addr().String()
	if scope := v.get("scope"); scope.set() {
		if addr, err := netip.ParseAddr(scope.text); err != nil || !n.cidr.Contains(addr) {
			scope.refuse("write the scope's network address, such as "+n.scope, "scope %s is not in %s", scope.text, n.cidr)
		}
		n.scope = scope.text
	}
	n.addresses = readRanges(v.get("addresses"), n.cidr)
}

// networksOf are the names that net0 may say on a cluster.
func (s *settings) networksOf(cluster string) []string {
	var names []string
	for name, n := range s.networks {
		if n.cluster == cluster {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// zoneOf is the zone that a name lies in, the longest one, and the name
// relative to it; nil where we have none.
func (s *settings) zoneOf(fqdn string) (*zone, string) {
	for at, rest := 0, fqdn; ; {
		if z := s.zones[rest]; z != nil {
			if at == 0 {
				return z, "@"
			}
			return z, fqdn[:at-1]
		}
		dot := strings.IndexByte(rest, '.')
		if dot < 0 {
			return nil, ""
		}
		at, rest = at+dot+1, rest[dot+1:]
	}
}

func (s *settings) zoneNames() []string { return slices.Sorted(maps.Keys(s.zones)) }
