package proxmox

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// configParams are the options that turn the live configuration into the wanted
// one: what to set, and what to delete. Attributes that want does not name are
// left alone, and so are those that only says no to. A nil live is a guest that
// is yet to be made.
func configParams(typ string, live rawConfig, want inventory.Attrs, only func(attr string) bool) (set params, remove []string) {
	present := inventory.Attrs{}
	if live != nil {
		present = configAttrs(typ, live)
	}
	set = params{}
	nets := map[string]inventory.Attrs{}
	for _, attr := range sortedKeys(want) {
		value := want[attr]
		if value == present[attr] || !only(attr) {
			continue
		}
		if net, field, ok := strings.Cut(attr, "."); ok && netKey.MatchString(net) {
			if nets[net] == nil {
				nets[net] = inventory.Attrs{}
			}
			nets[net][field] = value
			continue
		}
		option, value := configOption(typ, attr, value)
		switch {
		case option == "":
		case value == "":
			if live[option] != "" {
				remove = append(remove, option)
			}
		default:
			set[option] = value
		}
		if option == "cores" && live["sockets"] != "" {
			set["sockets"] = "1" // our cores are those of all sockets
		}
	}
	if keep, named := want["nets"]; named {
		if only("nets") {
			remove = append(remove, unwantedNets(live, keep)...)
		}
		kept := strings.Split(keep, ",")
		maps.DeleteFunc(nets, func(net string, _ inventory.Attrs) bool { return !slices.Contains(kept, net) })
	}
	return set, append(remove, netParams(typ, live, nets, set)...)
}

// netParams sets what differs of the interfaces, and gives what is to be deleted
// of their addresses.
func netParams(typ string, live rawConfig, nets map[string]inventory.Attrs, set params) (remove []string) {
	for _, net := range sortedKeys(nets) {
		ipconfig := "ipconfig" + strings.TrimPrefix(net, "net")
		value, addresses := buildNet(typ, live[net], live[ipconfig], nets[net])
		if value != live[net] {
			set[net] = value
		}
		switch {
		case typ == typeLXC || addresses == live[ipconfig]:
		case addresses == "":
			remove = append(remove, ipconfig)
		default:
			set[ipconfig] = addresses
		}
	}
	return remove
}

// configOption is what PVE calls an attribute, and its value there; "" for one
// that is no option of the configuration.
func configOption(typ, attr, value string) (option, encoded string) {
	switch attr {
	case "name":
		if typ == typeLXC {
			return "hostname", value
		}
		return "name", value
	case "cores", "memory", "tags", "nameserver", "searchdomain", "onboot":
		return attr, value
	case "swap", "features":
		if typ == typeLXC {
			return attr, value
		}
	case "ciuser":
		if typ == typeQEMU {
			return attr, value
		}
	case "sshkeys":
		if typ == typeQEMU {
			return attr, encodeKeys(value)
		}
	}
	return "", ""
}

func unwantedNets(live rawConfig, keep string) []string {
	var unwanted []string
	for _, net := range netNames(live) {
		if slices.Contains(strings.Split(keep, ","), net) {
			continue
		}
		unwanted = append(unwanted, net)
		if ipconfig := "ipconfig" + strings.TrimPrefix(net, "net"); live[ipconfig] != "" {
			unwanted = append(unwanted, ipconfig)
		}
	}
	return unwanted
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func every(string) bool { return true }
