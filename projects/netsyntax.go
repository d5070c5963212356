package projects

import (
	"slices"
	"strings"
)

// netSpec is what one net key says, in the words of the guest's attributes.
type netSpec struct {
	network *network
	attrs   map[string]string // bridge, tag, mac, firewall, rate, mtu, model, name
	ip, gw  string            // as written; "" where it is left out
	ip6     string
	gw6     string
}

// models are the network cards of QEMU. Proxmox writes the MAC after them.
var models = []string{"virtio", "e1000", "e1000e", "rtl8139", "vmxnet3"}

// netOptions translates Proxmox's options into attributes.
var netOptions = map[string]string{
	"bridge": "bridge", "tag": "tag", "hwaddr": "mac", "macaddr": "mac", "firewall": "firewall",
	"rate": "rate", "mtu": "mtu", "model": "model", "name": "name", "ip": "ip", "gw": "gw", "ip6": "ip6", "gw6": "gw6",
}

// readNet reads a net key: a bare network, or Proxmox's own syntax.
func (d *draft) readNet(name string, v value) (netSpec, bool) {
	spec := netSpec{attrs: map[string]string{}}
	if d.lxc {
		spec.attrs["name"] = "eth" + strings.TrimPrefix(name, "net")
	} else {
		spec.attrs["model"] = "virtio"
	}
	if !strings.ContainsAny(v.text, "=,") {
		return d.bareNet(spec, v)
	}
	for option := range strings.SplitSeq(v.text, ",") {
		if !d.netOption(&spec, v, strings.TrimSpace(option)) {
			return spec, false
		}
	}
	id := bridge{d.cluster.name, spec.attrs["bridge"], spec.attrs["tag"]}
	if spec.network = d.unit.settings.bridges[id]; spec.network == nil {
		where := "bridge " + id.name
		if id.tag != "" {
			where += " with tag " + id.tag
		}
		v.refuse(suggest(id.name, d.unit.settings.networksOf(id.cluster)), "no network of campus.yaml is %s on cluster %s", where, id.cluster)
	}
	return spec, spec.network != nil
}

func (d *draft) bareNet(spec netSpec, v value) (netSpec, bool) {
	spec.network = d.unit.settings.networks[v.text]
	if spec.network == nil || spec.network.cluster != d.cluster.name {
		spec.network = d.unit.settings.bridges[bridge{d.cluster.name, v.text, ""}]
	}
	if spec.network == nil {
		v.refuse(suggest(v.text, d.unit.settings.networksOf(d.cluster.name)), "cluster %s has no network %q in campus.yaml", d.cluster.name, v.text)
		return spec, false
	}
	spec.attrs["bridge"] = spec.network.bridge
	if spec.network.tag != "" {
		spec.attrs["tag"] = spec.network.tag
	}
	return spec, true
}

// netOption takes in one name=value. QEMU's "virtio=02:…" is a model with a MAC.
func (d *draft) netOption(spec *netSpec, v value, option string) bool {
	name, text, _ := strings.Cut(option, "=")
	if slices.Contains(models, name) && !d.lxc {
		spec.attrs["model"] = name
		if text == "" {
			return true
		}
		name = "macaddr"
	}
	attr, known := netOptions[name]
	switch {
	case name == "type" && text == "veth":
		return true
	case !known:
		v.refuse("known are bridge, tag, hwaddr, firewall, rate, mtu, model, name, ip, gw, ip6 and gw6", "%q is not an option that provost manages", name)
		return false
	case text == "":
		v.refuse("write it as "+name+"=…", "option %q has no value", name)
		return false
	}
	switch attr {
	case "ip":
		spec.ip = text
	case "gw":
		spec.gw = text
	case "ip6":
		spec.ip6 = text
	case "gw6":
		spec.gw6 = text
	case "mac":
		if !macLike.match(text) {
			macLike.refuse(v.place, text)
			return false
		}
		spec.attrs["mac"] = text
	default:
		spec.attrs[attr] = text
		return d.checkOption(v, name, attr, text)
	}
	return true
}

// optionLike is what the other options must look like.
var optionLike = map[string]*pattern{
	"bridge":   nameLike,
	"name":     like(`^[a-z][a-z0-9]{1,14}$`, "an interface name", "write it as eth0"),
	"tag":      like(`^([1-9][0-9]{0,2}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-4])$`, "a VLAN tag", "write a number from 1 to 4094"),
	"mtu":      like(`^([6-9][0-9]|[1-9][0-9]{2,4})$`, "an MTU", "write a number of bytes such as 1500"),
	"firewall": like(`^[01]$`, "a firewall setting", "write firewall=0 or firewall=1"),
	"rate":     like(`^[0-9]{1,6}(\.[0-9]{1,3})?$`, "a rate", "write a number of MB/s such as 12.5"),
	"model":    like(`^(virtio|e1000|e1000e|rtl8139|vmxnet3)$`, "a network card", "write virtio, e1000, e1000e, rtl8139 or vmxnet3"),
}

func (d *draft) checkOption(v value, name, attr, text string) bool {
	switch {
	case attr == "name" && !d.lxc, attr == "model" && d.lxc:
		v.refuse("remove it", "%s is for %s", name, map[bool]string{true: "QEMU machines only", false: "containers only"}[d.lxc])
	case !optionLike[attr].match(text):
		optionLike[attr].refuse(v.place, text)
	default:
		return true
	}
	return false
}
