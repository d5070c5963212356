package proxmox

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// A guest's interface is one property string in PVE ("net0"), and for a machine
// with cloud-init a second one for its addresses ("ipconfig0"). In the inventory
// it is one attribute a property. This file is the way there and back.

var netKey = regexp.MustCompile(`^net(\d{1,2})$`)

// qemuModels are the network cards that PVE lets stand in the place of a key:
// "virtio=BC:24:11:00:00:01".
var qemuModels = []string{
	"e1000", "e1000-82540em", "e1000-82544gc", "e1000-82545em", "e1000e", "i82551", "i82557b",
	"i82559er", "ne2k_isa", "ne2k_pci", "pcnet", "rtl8139", "virtio", "vmxnet3",
}

// lxcNetKeys and qemuNetKeys say what an attribute of an interface is called in
// the property string.
var (
	lxcNetKeys = map[string]string{
		"name": "name", "bridge": "bridge", "mac": "hwaddr", "tag": "tag", "firewall": "firewall",
		"rate": "rate", "mtu": "mtu", "ip": "ip", "gw": "gw", "ip6": "ip6", "gw6": "gw6",
	}
	qemuNetKeys = map[string]string{
		"model": "model", "bridge": "bridge", "mac": "macaddr", "tag": "tag", "firewall": "firewall",
		"rate": "rate", "mtu": "mtu",
	}
	addressKeys = map[string]string{"ip": "ip", "gw": "gw", "ip6": "ip6", "gw6": "gw6"}
)

// parseNet reads a netN value; a QEMU card is taken apart into model and macaddr.
func parseNet(typ, raw string) pairs {
	if typ == typeLXC {
		return parsePairs(raw, "name")
	}
	var out pairs
	for _, p := range parsePairs(raw, "model") {
		if slices.Contains(qemuModels, p.key) {
			out = append(out, pair{"model", p.key}, pair{"macaddr", p.value})
			continue
		}
		out = append(out, p)
	}
	return out
}

// formatNet is the reverse of parseNet.
func formatNet(typ string, ps pairs) string {
	model, mac := ps.get("model"), ps.get("macaddr")
	if typ == typeLXC || mac == "" {
		return ps.String()
	}
	if model == "" {
		model = "virtio"
	}
	return append(pairs{{model, mac}}, ps.with("model", "").with("macaddr", "")...).String()
}

// netAttrs are the inventory's attributes of one interface, without the prefix.
func netAttrs(typ, raw, ipconfig string) inventory.Attrs {
	net := parseNet(typ, raw)
	addresses := net
	keys := lxcNetKeys
	if typ == typeQEMU {
		addresses, keys = parsePairs(ipconfig, "ip"), qemuNetKeys
	}
	attrs := inventory.Attrs{"firewall": "0", "ip": ""}
	put := func(ps pairs, keys map[string]string) {
		for attr, key := range keys {
			if v := canonicalNet(attr, ps.get(key)); v != "" {
				attrs[attr] = v
			}
		}
	}
	put(net, keys)
	put(addresses, addressKeys)
	return attrs
}

// canonicalNet is one property in the inventory's form.
func canonicalNet(attr, value string) string {
	switch attr {
	case "mac":
		return strings.ToUpper(value)
	case "firewall":
		return canonicalBool(value)
	case "tag", "mtu", "rate":
		return canonicalNumber(value)
	case "ip", "ip6":
		if value == "manual" {
			return ""
		}
		if p, err := netip.ParsePrefix(value); err == nil {
			return p.String()
		}
	case "gw", "gw6":
		if a, err := netip.ParseAddr(value); err == nil {
			return a.String()
		}
	}
	return value
}

func canonicalNumber(s string) string {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n != n || n > 1e15 || n < -1e15 {
		return s
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}

// buildNet changes the named attributes of an interface and keeps the rest of
// the two property strings; both may start out empty.
func buildNet(typ, raw, ipconfig string, want inventory.Attrs) (net, addresses string) {
	n, a := parseNet(typ, raw), parsePairs(ipconfig, "ip")
	set := func(ps pairs, keys map[string]string) pairs {
		for _, attr := range netOrder {
			value, named := want[attr]
			key, known := keys[attr]
			if !named || !known {
				continue
			}
			if attr == "firewall" && value == "0" {
				value = ""
			}
			ps = ps.with(key, value)
			// A gateway without a static address makes no sense, and PVE refuses it.
			if gw := map[string]string{"ip": "gw", "ip6": "gw6"}[attr]; gw != "" && !strings.Contains(value, "/") {
				ps = ps.with(gw, "")
			}
		}
		return ps
	}
	if typ == typeLXC {
		if raw == "" {
			n = n.with("type", "veth")
		}
		return formatNet(typ, set(n, lxcNetKeys)), ""
	}
	if raw == "" && want["model"] == "" {
		n = n.with("model", "virtio")
	}
	return formatNet(typ, set(n, qemuNetKeys)), set(a, addressKeys).String()
}

// netOrder fixes the order in which new properties are written.
var netOrder = []string{"name", "model", "mac", "bridge", "tag", "firewall", "rate", "mtu", "ip", "gw", "ip6", "gw6"}

// withoutMAC is the interface of a clone, which gets a MAC of its own.
func withoutMAC(typ, raw string) string {
	if typ == typeLXC {
		return parseNet(typ, raw).with("hwaddr", "").String()
	}
	return parseNet(typ, raw).with("macaddr", "").String()
}

// netNames are the interfaces of a config, by number: "net0", "net1".
func netNames(cfg rawConfig) []string {
	var names []string
	for key := range cfg {
		if netKey.MatchString(key) {
			names = append(names, key)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return netIndex(a) - netIndex(b) })
	return names
}

func netIndex(name string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(name, "net"))
	return n
}
