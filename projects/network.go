package projects

import (
	"net/netip"
	"strings"
)

// readNetworks reads the interfaces, but not yet who gives them their address.
func (d *draft) readNetworks() {
	var declared []string
	for _, name := range []string{"net0", "net1", "net2", "net3"} {
		v, _ := d.get(name)
		if name == "net0" {
			v, _ = d.either("net0", "bridge")
		}
		if !v.set() {
			continue
		}
		declared = append(declared, name)
		if spec, ok := d.readNet(name, v); ok {
			d.readNIC(name, v, spec)
		} else {
			d.nics = append(d.nics, nic{name: name, macAttr: name + ".mac"}) // told; not also missing
		}
	}
	if d.adopt == 0 {
		d.attrs["nets"] = strings.Join(declared, ",")
	}
}

func (d *draft) readNIC(name string, v value, spec netSpec) {
	n := nic{name: name, macAttr: name + ".mac", network: spec.network, declared: true}
	if mac := spec.attrs["mac"]; mac != "" {
		n.mac = d.readMAC(at(v, mac))
	}
	delete(spec.attrs, "mac")
	ip, gw, ip6, gw6 := at(v, spec.ip), at(v, spec.gw), at(v, spec.ip6), at(v, spec.gw6)
	if name == "net0" {
		ip, gw = d.said("ip", ip), d.said("gw", gw)
		ip6, gw6 = d.said("ip6", ip6), d.said("gw6", gw6)
		if mac, _ := d.get("mac"); d.alone(mac, "mac") {
			n.mac = d.readMAC(mac)
		}
	}
	for attr, text := range spec.attrs {
		d.attrs[name+"."+attr] = text
	}
	d.readIPv4(&n, ip, gw)
	d.readIPv6(&n, ip6, gw6)
	d.nics = append(d.nics, n)
}

// at is a text found inside another value, at the place of that value.
func at(v value, text string) value {
	if text == "" {
		return value{}
	}
	return value{place: v.place, text: text}
}

// said is the machine's own key for net0, which must not also stand in net0.
func (d *draft) said(name string, inNet value) value {
	v, _ := d.get(name)
	if v.set() && inNet.set() {
		v.refuse("keep one of the two", "%s is also said in net0", name)
	}
	if inNet.set() {
		return inNet
	}
	return v
}

func (d *draft) readMAC(v value) string {
	mac := strings.ToUpper(strings.ReplaceAll(v.text, "-", ":"))
	if strings.IndexByte("13579BDF", mac[1]) >= 0 || mac == "00:00:00:00:00:00" {
		v.refuse("make the first byte even, as in 02:…", "%s is no address of a single machine", mac)
	}
	d.claim(v.place, thing{kind: aMAC, name: mac})
	return mac
}

func (d *draft) readIPv4(n *nic, ip, gw value) {
	n.dhcp = ip.text == "dhcp"
	if !ip.set() || n.dhcp || ip.text == "manual" {
		if n.dhcp {
			d.attrs[n.name+".ip"] = "dhcp"
		}
		return
	}
	n.ip = readHost(ip, n.network.cidr, n.network.gateway)
	if !n.ip.IsValid() {
		return
	}
	if n.ip = d.countUp(ip, n.ip, n.network.gateway); !n.ip.IsValid() {
		return
	}
	d.attrs[n.name+".ip"] = n.ip.String()
	gateway := n.network.gateway
	if gw.set() {
		gateway = readInside(gw, n.network.cidr)
	}
	if n.name == "net0" && gateway.IsValid() {
		d.attrs["net0.gw"] = gateway.String()
	}
	d.claim(ip.place, thing{kind: anIP, name: n.ip.Addr().String()})
}

func (d *draft) readIPv6(n *nic, ip6, gw6 value) {
	switch {
	case !ip6.set():
		return
	case ip6.text == "dhcp" || ip6.text == "auto":
		d.attrs[n.name+".ip6"] = ip6.text
		return
	}
	n.ip6 = readHost(ip6, n.network.cidr6, n.network.gateway6)
	if !n.ip6.IsValid() {
		return
	}
	if n.ip6 = d.countUp(ip6, n.ip6, n.network.gateway6); !n.ip6.IsValid() {
		return
	}
	d.attrs[n.name+".ip6"] = n.ip6.String()
	gateway := n.network.gateway6
	if gw6.set() {
		gateway = readInside(gw6, n.network.cidr6)
	}
	if gateway.IsValid() {
		d.attrs[n.name+".gw6"] = gateway.String()
	}
	d.claim(ip6.place, thing{kind: anIP, name: n.ip6.Addr().String()})
}

// countUp gives the machines of a count the addresses that follow.
func (d *draft) countUp(v value, p netip.Prefix, gateway netip.Addr) netip.Prefix {
	a := p.Addr()
	for range d.fill.n - 1 {
		if a = a.Next(); !a.IsValid() || !p.Contains(a) || isEdge(a, p) || a == gateway {
			v.refuse("begin lower, or count fewer", "counting up from %s meets the gateway or the end of %s", p.Addr(), p.Masked())
			return netip.Prefix{}
		}
	}
	return netip.PrefixFrom(a, p.Bits())
}

// readAddressing settles who gives net0 its IPv4 address.
func (d *draft) readAddressing() {
	d.dhcp = "none"
	mode, depth := d.get("dhcp")
	if len(d.nics) == 0 || d.nics[0].name != "net0" || d.nics[0].network == nil {
		return
	}
	n := &d.nics[0]
	if n.ip.IsValid() {
		d.staticAddress(mode, depth)
		return
	}
	switch {
	case mode.set():
		d.dhcp = mode.text
	case n.network.dhcp != "" && d.adopt == 0:
		d.dhcp = "authorise"
	}
	if d.dhcp != "none" {
		if n.network.dhcp == "" {
			mode.refuse("add dhcp: to the network in campus.yaml", "nobody answers DHCP on network %s", n.network.name)
		}
		n.dhcp = true
		d.attrs["net0.ip"] = "dhcp"
	}
	if d.dhcp == "reserve" {
		d.readPool(mode, n.network)
	}
}

// staticAddress refuses DHCP beside a static address where one breath says both;
// an address that a student has of his own outweighs the cohort's DHCP.
func (d *draft) staticAddress(mode value, depth int) {
	if _, said := d.get("ip"); mode.set() && mode.text != "none" && depth <= said {
		mode.refuse("keep one of the two", "the machine has a static address, so it does not ask by DHCP")
	}
	if _, own := d.attrs["nameserver"]; !own && d.adopt == 0 && len(d.nics[0].network.nameserver) > 0 {
		d.attrs["nameserver"] = strings.Join(d.nics[0].network.nameserver, " ")
	}
}

func (d *draft) readPool(mode value, n *network) {
	d.ranges = n.addresses
	if v, _ := d.get("addresses"); v.set() {
		d.ranges = readRanges(v, n.cidr)
	} else if len(d.ranges) == 0 {
		mode.refuse("add addresses: here, or to the network in campus.yaml", "dhcp: reserve has no addresses to take from")
	}
}
