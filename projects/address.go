package projects

import (
	"net/netip"
	"strconv"
	"strings"
)

// addressRange is a run of IPv4 addresses, both ends included.
type addressRange struct{ first, last netip.Addr }

func (r addressRange) String() string { return r.first.String() + "-" + r.last.String() }

// readRanges reads "192.168.85.20-192.168.85.90", one address, or several of them.
func readRanges(v value, in netip.Prefix) []addressRange {
	var ranges []addressRange
	for _, item := range v.items() {
		from, to, two := strings.Cut(item.text, "-")
		if !two {
			to = from
		}
		first, err1 := netip.ParseAddr(from)
		last, err2 := netip.ParseAddr(to)
		switch {
		case err1 != nil || err2 != nil || !first.Is4() || !last.Is4():
			item.refuse("write it as 192.168.85.20-192.168.85.90", "%q is not a range of IPv4 addresses", item.text)
		case last.Less(first):
			item.refuse("write the lower one first", "%s begins after it ends", item.text)
		case !in.Contains(first) || !in.Contains(last):
			item.refuse("choose addresses of that network", "%s is not inside %s", item.text, in)
		default:
			ranges = append(ranges, addressRange{first, last})
		}
	}
	return ranges
}

// readNetworkPrefix reads a network, refusing one with host bits.
func readNetworkPrefix(v value, example string, family func(netip.Addr) bool) netip.Prefix {
	if !v.set() {
		return netip.Prefix{}
	}
	p, err := netip.ParsePrefix(v.text)
	switch {
	case err != nil || !family(p.Addr()):
		v.refuse("write it as "+example, "%q is not a network", v.text)
		return netip.Prefix{}
	case p != p.Masked():
		v.refuse("did you mean "+p.Masked().String()+"?", "%s is an address in a network, not a network", v.text)
	}
	return p.Masked()
}

// readInside reads an address that must lie in a network.
func readInside(v value, in netip.Prefix) netip.Addr {
	if !v.set() {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(v.text)
	switch {
	case err != nil:
		v.refuse("write one address without a prefix length", "%q is not an address", v.text)
	case !in.IsValid():
		v.refuse("give the network a cidr in campus.yaml", "%s belongs to a network whose addresses nobody declared", a)
	case !in.Contains(a):
		v.refuse("choose an address of that network", "%s is outside %s", a, in)
	default:
		return a
	}
	return netip.Addr{}
}

// readAddresses reads a list of addresses of either family.
func readAddresses(v value) []string {
	var out []string
	for _, item := range v.items() {
		a, err := netip.ParseAddr(item.text)
		if err != nil {
			item.refuse("write addresses, separated by spaces", "%q is not an address", item.text)
			continue
		}
		out = append(out, a.String())
	}
	return out
}

// readHost reads a machine's address in a network. The prefix length may be
// left out; where it is said it must be the network's.
func readHost(v value, in netip.Prefix, gateway netip.Addr) netip.Prefix {
	written := v.text
	if !strings.Contains(written, "/") && in.IsValid() {
		written += "/" + strconv.Itoa(in.Bits())
	}
	p, err := netip.ParsePrefix(written)
	switch {
	case err != nil:
		v.refuse("write it as 192.168.79.170/24", "%q is not an address", v.text)
	case !in.IsValid():
		v.refuse("give the network a cidr in campus.yaml", "%s belongs to a network whose addresses nobody declared", p)
	case !in.Contains(p.Addr()):
		v.refuse("choose an address of that network", "%s is outside its network %s", p.Addr(), in)
	case p.Bits() != in.Bits():
		v.refuse("write /"+strconv.Itoa(in.Bits()), "the prefix length of %s is not that of its network %s", p, in)
	case p.Addr() == gateway:
		v.refuse("choose another address", "%s is the gateway of its network", p.Addr())
	case isEdge(p.Addr(), in):
		v.refuse("choose another address", "%s is the network or broadcast address of %s", p.Addr(), in)
	default:
		return p
	}
	return netip.Prefix{}
}

// isEdge reports whether an IPv4 address names the network or everybody in it.
func isEdge(a netip.Addr, in netip.Prefix) bool {
	if !a.Is4() || in.Bits() >= 31 {
		return false
	}
	return a == in.Masked().Addr() || !in.Contains(a.Next())
}

// reverseName is the name of an address's PTR record.
func reverseName(a netip.Addr) string {
	var b strings.Builder
	if a.Is4() {
		bytes := a.As4()
		for i := 3; i >= 0; i-- {
			b.WriteString(strconv.Itoa(int(bytes[i])) + ".")
		}
		return b.String() + "in-addr.arpa"
	}
	const hex = "0123456789abcdef"
	bytes := a.As16()
	for i := 15; i >= 0; i-- {
		b.WriteString(string(hex[bytes[i]&15]) + "." + string(hex[bytes[i]>>4]) + ".")
	}
	return b.String() + "ip6.arpa"
}
