package projects

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// machine is one declared machine, checked as far as that can be done without
// knowing what is live.
type machine struct {
	*spec
	key      inventory.Key // of the guest
	owner    inventory.Owner
	place    place
	hostname string
	fqdn     string               // "" where the host name lies in no zone
	text     string               // description, or "" where there is none
	dns      string               // managed, by-dhcp or none
	records  []inventory.Resource // those that need no live state
	claims   []claim
}

// spec is what a machine is, whatever its name. The machines of a cohort that are
// alike have one in common, so nobody writes to it once it is read.
type spec struct {
	cluster *cluster
	attrs   inventory.Attrs // all but the name and the description
	base    string          // the template that the machine is cloned from, or ""
	nics    []nic
	dhcp    string // authorise, reserve or none
	ranges  []addressRange
	power   string
	reboot  string // as it is said, or ""
	rebuild int
	vmid    int // declared, or 0
	adopt   int // VMID of the machine to take over, or 0
	was     inventory.Key
}

// nic is one interface, as far as it is declared.
type nic struct {
	name     string // "net0"
	macAttr  string // "net0.mac"
	network  *network
	mac      string       // declared, or ""
	ip, ip6  netip.Prefix // static, or zero
	dhcp     bool         // asks by DHCP
	declared bool         // false for the interface of an adopted machine that nobody declared
}

// claim is something that only one machine of the campus may have.
type claim struct {
	what  thing
	place place
}

// thing is what can be claimed.
type thing struct {
	kind thingKind
	name string // "20030", "192.168.79.170"
	on   string // the cluster, where each has its own
}

type thingKind int

const (
	aVMID thingKind = iota
	aHost
	aMAC
	anIP
	aDNSName
	aTXT
)

// String is a kind in the words of messages.
func (k thingKind) String() string {
	return [...]string{"VMID", "host name", "MAC address", "address", "DNS name", "TXT record"}[k]
}

// String is a thing for people: "VMID 20030 on cri", "address 192.168.79.170".
func (t thing) String() string {
	if t.on != "" {
		return t.kind.String() + " " + t.name + " on " + t.on
	}
	return t.kind.String() + " " + t.name
}

// layer is one place where a machine's keys may be said. Shared layers serve
// machines of all kinds, so a key that does not fit one is passed over there and
// refused elsewhere.
type layer struct {
	value
	shared bool
}

// draft is a machine being read from its layers, the nearest first.
type draft struct {
	machine
	unit   *unit
	lxc    bool
	layers []layer
	host   string // pattern of the host name where nothing says one
	fill   filling
	zone   *zone
}

// get is the nearest value of a key, with the depth of its layer. What an
// adopted machine's own entry does not say is not managed, so only the keys that
// say who it is look further.
func (d *draft) get(name string) (value, int) {
	for depth := range d.layers {
		if v := d.layers[depth].get(name); v.set() {
			return v, depth
		}
		if d.adopt != 0 && name != "hostname" && name != "zone" {
			break
		}
	}
	return value{}, len(d.layers)
}

// either is the nearest of two keys that mean the same.
func (d *draft) either(name, synonym string) (value, int) {
	a, i := d.get(name)
	b, j := d.get(synonym)
	if a.set() && b.set() && i == j {
		b.refuse("keep one of the two", "%s and %s mean the same", name, synonym)
	}
	if j < i {
		return b, j
	}
	return a, i
}

// fits is get for a key that only some machines can have. Where it is said for
// this machine though it cannot have it, it is refused with the reason.
func (d *draft) fits(name string, can bool, reason string) value {
	v, depth := d.get(name)
	if can || !v.set() {
		return v
	}
	if !d.layers[depth].shared {
		v.refuse("remove "+name, "%s: %s", name, reason)
	}
	return value{}
}

// read checks everything, so that all errors are told at once.
func (d *draft) read() machine {
	d.attrs = make(inventory.Attrs, 24)
	d.cluster = d.unit.cluster
	d.adopt = d.layers[0].get("adopt").get("vmid").number()
	d.readName()
	d.readLife()
	d.readHardware()
	d.readBase()
	d.readNetworks()
	d.readAddressing()
	d.readNameservers()
	d.readDNS()
	d.readTags()
	d.readDescription()
	d.requireAll()
	return d.machine
}

// like is the machine of another student, who asks for nothing of his own. Only
// names are read; the rest is as it is with the machine that the draft has read.
func (d *draft) like(student value) machine {
	next := *d
	next.layers[0] = layer{value: student} // the draft itself is not read again
	next.isOf(student)
	next.claims, next.records = d.unit.roomFor(len(d.claims)), nil
	next.readName()
	next.likeDNS()
	next.readDescription()
	return next.machine
}

// claimsMore reports whether a machine claims more than its names.
func (m *machine) claimsMore() bool {
	return slices.ContainsFunc(m.claims, func(c claim) bool { return c.what.kind != aHost && c.what.kind != aDNSName })
}

func (d *draft) readName() {
	v, _ := d.get("hostname")
	pattern := d.host
	if v.set() {
		pattern = v.text
		d.place = v.place
	}
	if d.fill.n > 0 && !strings.Contains(pattern, "{n") {
		if v.set() {
			v.refuse("write it as "+pattern+"-{n}", "count makes several machines, but the host name has no {n}")
		}
		pattern += "-{n}"
	}
	d.hostname = d.fill.in(pattern)
	if !validHost(d.hostname) {
		d.place.refuse("letters, digits and dashes, 63 between dots; {login} and {n} are filled in", "%q is not a host name", d.hostname)
	}
	d.key = inventory.MakeKey(d.cluster.name, inventory.KindGuest, d.hostname)
	d.hostname = d.key.Name() // one text less to keep
	d.claim(d.place, thing{aHost, d.hostname, d.cluster.name})
}

func (d *draft) claim(at place, what thing) { d.claims = append(d.claims, claim{what, at}) }

// alone reports whether a key is said and may be: ten machines alike cannot
// have one VMID.
func (d *draft) alone(v value, name string) bool {
	if v.set() && d.fill.n > 0 {
		v.refuse("declare that machine by itself", "%s can be said of one machine only, not with count", name)
	}
	return v.set() && d.fill.n == 0
}

// readLife reads what concerns the machine's days: power, rebuild, names before.
func (d *draft) readLife() {
	d.power = "initial"
	if d.adopt != 0 {
		d.power = "ignore" // adopting writes the mark and nothing else
		d.alone(d.layers[0].get("adopt"), "adopt")
		d.claim(d.layers[0].get("adopt").place, thing{aVMID, strconv.Itoa(d.adopt), d.cluster.name})
	}
	if v, _ := d.get("power"); v.set() {
		d.power = v.text
	}
	if v, _ := d.get("reboot"); v.set() {
		d.reboot = v.text
	}
	if v, _ := d.get("rebuild"); v.set() {
		d.rebuild = v.number()
	}
	if v, _ := d.get("vmid"); d.alone(v, "vmid") {
		d.readVMID(v)
	}
	if v, _ := d.get("was"); d.alone(v, "was") {
		d.readFormerName(v)
	}
}

// readFormerName reads was. The former name is claimed too: as long as it stands
// in was, no other machine may be called so.
func (d *draft) readFormerName(v value) {
	d.was = inventory.MakeKey(d.cluster.name, inventory.KindGuest, v.text)
	if d.was == d.key {
		v.refuse("write the former name, or remove was", "was: %s is the machine's present name", v.text)
		return
	}
	d.claim(v.place, thing{aHost, v.text, d.cluster.name})
}

func (d *draft) readVMID(v value) {
	d.vmid = v.number()
	switch {
	case d.adopt != 0 && d.adopt != d.vmid:
		v.refuse("remove vmid", "vmid and adopt name different machines")
	case d.adopt == 0 && (d.vmid < d.cluster.first || d.vmid > d.cluster.last):
		v.refuse("choose one of them, or leave it out", "VMID %d is outside the range %d-%d of cluster %s", d.vmid, d.cluster.first, d.cluster.last, d.cluster.name)
	case d.adopt == 0:
		d.claim(v.place, thing{aVMID, strconv.Itoa(d.vmid), d.cluster.name})
	}
}

// requireAll names what a new machine cannot do without.
func (d *draft) requireAll() {
	if d.adopt != 0 {
		return
	}
	need := []string{"base", "cores", "memory"}
	if strings.HasPrefix(d.attrs["create.base"], "ostemplate:") {
		need = append(need, "disk", "storage")
	}
	for _, name := range need {
		v, _ := d.get(name)
		if name == "disk" {
			v, _ = d.either("disk", "rootfs")
		}
		if !v.set() {
			d.layers[0].refuse("add "+name+": here, or where machines like this are described", "%s has no %s", d.hostname, name)
		}
	}
	if len(d.nics) == 0 {
		d.layers[0].refuse("add net0: with the name of a network", "%s has no net0", d.hostname)
	}
}
