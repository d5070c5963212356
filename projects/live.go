package projects

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// liveState is what is live, indexed once a call for what declarations ask of it.
type liveState struct {
	byKey     map[inventory.Key]*inventory.Resource // what stands on Proxmox
	vmids     map[string]map[int]inventory.Key      // by cluster: taken VMIDs
	macs      map[string]inventory.Key              // taken MACs, upper case, and the guest that has each
	addresses map[netip.Addr]string                 // addresses in use, with the MAC that uses each ("" unknown)
	reserved  map[inventory.Key]netip.Addr          // by the reservation's key
	leases    map[string]*inventory.Resource        // by "dhcp/scope/ip" and by "dhcp/scope/hostname"
	nodes     map[string][]inventory.Resource       // by cluster
	templates map[string][]inventory.Resource       // by cluster
	sources   []*inventory.Resource                 // what a machine may be cloned from: templates and all guests
	foreign   []*inventory.Resource
	storages  map[inventory.Key]bool // cluster/storage/node/name to shared
	listed    map[string]bool        // clusters whose storages are known
}

func indexLive(live []inventory.Resource) *liveState {
	l := &liveState{
		byKey: make(map[inventory.Key]*inventory.Resource, len(live)),
		vmids: map[string]map[int]inventory.Key{}, macs: make(map[string]inventory.Key, len(live)/4),
		addresses: map[netip.Addr]string{}, reserved: map[inventory.Key]netip.Addr{},
		leases: map[string]*inventory.Resource{}, nodes: map[string][]inventory.Resource{},
		templates: map[string][]inventory.Resource{}, storages: map[inventory.Key]bool{}, listed: map[string]bool{},
	}
	for i := range live {
		r := &live[i]
		switch system := r.Key.System(); r.Key.Kind() {
		case inventory.KindGuest:
			l.guest(r, r.Attrs["vmid"])
		case inventory.KindPower:
			l.byKey[r.Key] = r
		case inventory.KindForeign:
			l.guest(r, r.Key.Name())
			l.foreign = append(l.foreign, r)
		case inventory.KindBackup: // of a guest that is gone; its VMID is not free yet
			l.takeVMID(r, r.Key.Name())
		case inventory.KindTemplate:
			l.guest(r, r.Key.Name())
			l.templates[system] = append(l.templates[system], *r)
		case inventory.KindNode:
			l.nodes[system] = append(l.nodes[system], *r)
		case inventory.KindStorage:
			l.storages[r.Key] = r.Attrs["shared"] == "1"
			l.listed[system] = true
		case inventory.KindReservation:
			l.reservation(r)
		case inventory.KindLease:
			l.lease(r)
		}
	}
	return l
}

// guest takes the VMID, the MACs and the static addresses of anything that
// stands on Proxmox, ours or not.
func (l *liveState) guest(r *inventory.Resource, vmid string) {
	l.takeVMID(r, vmid)
	l.sources = append(l.sources, r)
	for name := range strings.SplitSeq(r.Attrs["nets"], ",") {
		mac := strings.ToUpper(r.Attrs[name+".mac"])
		if mac != "" {
			l.macs[mac] = r.Key
		}
		for _, attr := range []string{".ip", ".ip6"} {
			ip := r.Attrs[name+attr]
			if ip == "" || ip == "dhcp" {
				continue
			}
			if p, err := netip.ParsePrefix(ip); err == nil {
				l.addresses[p.Addr()] = mac
			}
		}
	}
}

func (l *liveState) takeVMID(r *inventory.Resource, vmid string) {
	l.byKey[r.Key] = r
	system := r.Key.System()
	taken := l.vmids[system]
	if taken == nil {
		taken = map[int]inventory.Key{}
		l.vmids[system] = taken
	}
	if n, err := strconv.Atoi(vmid); err == nil {
		taken[n] = r.Key
	}
}

func (l *liveState) reservation(r *inventory.Resource) {
	a, err := netip.ParseAddr(r.Attrs["ip"])
	if err != nil {
		return
	}
	l.addresses[a] = colonMAC(r.Attrs["mac"])
	l.reserved[r.Key] = a
}

// lease takes the address; one under our own MAC does not keep us from it.
func (l *liveState) lease(r *inventory.Resource) {
	scope, ip, _ := strings.Cut(r.Key.Name(), "/")
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return
	}
	if _, known := l.addresses[a]; !known {
		l.addresses[a] = colonMAC(r.Attrs["mac"])
	}
	l.leases[r.Key.System()+"/"+scope+"/"+ip] = r
	if name, _, _ := strings.Cut(strings.ToLower(r.Attrs["hostname"]), "."); name != "" {
		l.leases[r.Key.System()+"/"+scope+"/"+name] = r
	}
}

// colonMAC is a MAC as guests write it, dashMAC as DHCP servers do.
func colonMAC(s string) string { return strings.ToUpper(strings.ReplaceAll(s, "-", ":")) }
func dashMAC(s string) string {
	dashed := []byte(s)
	for i, c := range dashed {
		switch {
		case c == ':':
			dashed[i] = '-'
		case 'A' <= c && c <= 'Z':
			dashed[i] += 'a' - 'A'
		}
	}
	return string(dashed)
}

// decimal is a number in an attribute, 0 where there is none: an error, which
// nobody would read, costs more than the number.
func decimal(text string) int {
	if text == "" {
		return 0
	}
	n, _ := strconv.Atoi(text)
	return n
}

// guestOf is the live guest that a machine already is: under its key, or under
// the name it had before.
func (l *liveState) guestOf(m *machine) (*inventory.Resource, bool) {
	if r, ok := l.byKey[m.key]; ok {
		return r, true
	}
	if m.was != "" {
		if r, ok := l.byKey[m.was]; ok {
			return r, true
		}
	}
	return absent, false
}

// absent is what is known of what is not there. Nobody writes to it.
var absent = &inventory.Resource{}

// powerKey is the power of a guest.
func powerKey(guest inventory.Key) inventory.Key {
	return inventory.MakeKey(guest.System(), inventory.KindPower, guest.Name())
}
