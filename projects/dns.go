package projects

import (
	"net/netip"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// readDNS settles the machine's names and the records that are known already.
func (d *draft) readDNS() {
	d.readZone()
	d.dns = d.dnsMode()
	d.claimFQDN()
	if d.dns == "managed" && d.fqdn != "" {
		for _, n := range d.nics {
			if n.name == "net0" {
				d.addAddress(n.ip.Addr())
				d.addAddress(n.ip6.Addr())
			}
		}
	}
	d.readOtherNames()
}

// likeDNS is readDNS for a machine like the one that the draft has read: it has no
// static address, and no other names.
func (d *draft) likeDNS() {
	known := d.zone != nil
	if d.readZone(); known != (d.zone != nil) {
		d.dns = d.dnsMode()
	}
	d.claimFQDN()
}

func (d *draft) claimFQDN() {
	if d.fqdn != "" && d.dns != "none" {
		d.claim(d.place, thing{kind: aDNSName, name: d.fqdn})
	}
}

func (d *draft) readNameservers() {
	if v, _ := d.get("nameserver"); v.set() {
		d.attrs["nameserver"] = strings.Join(readAddresses(v), " ")
	}
}

func (d *draft) readZone() {
	d.fqdn = d.hostname
	if d.zone, _ = d.unit.settings.zoneOf(d.hostname); d.zone != nil {
		return
	}
	d.fqdn = ""
	v, _ := d.get("zone")
	if !v.set() {
		return
	}
	d.fqdn = d.hostname + "." + v.text
	if d.zone, _ = d.unit.settings.zoneOf(d.fqdn); d.zone == nil {
		v.refuse(suggest(v.text, d.unit.settings.zoneNames()), "zone %q is not in campus.yaml", v.text)
		d.fqdn = ""
	}
}

// dnsMode is who writes the machine's address into DNS.
func (d *draft) dnsMode() string {
	static := len(d.nics) > 0 && d.nics[0].name == "net0" && (d.nics[0].ip.IsValid() || d.nics[0].ip6.IsValid())
	known := static || d.dhcp == "reserve"
	byDefault := "none"
	switch {
	case known && d.zone != nil && d.adopt == 0:
		byDefault = "managed"
	case d.dhcp == "authorise":
		byDefault = "by-dhcp"
	}
	v, depth := d.get("dns")
	_, said := d.get("ip")
	switch {
	case !v.set():
		return byDefault
	case v.text == "by-dhcp" && d.dhcp == "none" && static:
		if depth <= said {
			v.refuse("write dns: managed", "the machine has a static address, so no DHCP server writes its name")
		}
		return byDefault
	case v.text == "managed" && !known:
		v.refuse("give it an ip, or dhcp: reserve", "dns: managed needs an address that is known beforehand")
	case v.text == "managed" && d.zone == nil:
		v.refuse("add zone:, or write the host name in full", "%s lies in no zone of campus.yaml", d.hostname)
	}
	return v.text
}

// addAddress adds the A or AAAA record and, where we have its zone, the PTR.
func (d *draft) addAddress(a netip.Addr) {
	if a.IsValid() && d.zone != nil {
		d.records = append(d.records, d.unit.settings.addressRecords(d.fqdn, a, d.owner)...)
	}
}

// addressRecords are an address's record and its way back.
func (s *settings) addressRecords(fqdn string, a netip.Addr, owner inventory.Owner) []inventory.Resource {
	kind := "A"
	if a.Is6() {
		kind = "AAAA"
	}
	records := []inventory.Resource{s.record(fqdn, kind, a.String(), owner)}
	if zone, _ := s.zoneOf(reverseName(a)); zone != nil {
		records = append(records, s.record(reverseName(a), "PTR", fqdn, owner))
	}
	return records
}

// record is a record in the zone that its name lies in.
func (s *settings) record(fqdn, kind, text string, owner inventory.Owner) inventory.Resource {
	zone, relative := s.zoneOf(fqdn)
	return inventory.Resource{
		Key: inventory.MakeKey(zone.system, inventory.KindRecord, fqdn, kind),
		Attrs: inventory.Attrs{
			"zone": zone.name, "name": relative, "type": kind, "value": text, "ttl": zone.ttl,
		},
		Owner: owner,
	}
}

// readOtherNames reads the CNAME and TXT records that the author asks for.
func (d *draft) readOtherNames() {
	cname, _ := d.get("cname")
	txt, _ := d.get("txt")
	d.alone(cname, "cname")
	d.alone(txt, "txt")
	if v := cname; (v.set() || txt.set()) && d.zone == nil {
		if !v.set() {
			v = txt
		}
		v.refuse("add zone:, or write the host name in full", "%s lies in no zone of campus.yaml", d.hostname)
		return
	}
	for _, item := range cname.items() {
		if name, ok := d.otherName(item, item.text); ok && name == d.fqdn {
			item.refuse("remove it", "%s is the machine's own name", name)
		} else if ok {
			d.claim(item.place, thing{kind: aDNSName, name: name})
			d.records = append(d.records, d.unit.settings.record(name, "CNAME", d.fqdn, d.owner))
		}
	}
	for _, name := range txt.names() {
		v := txt.get(name)
		if len(v.text) > txtLimit || !printable(v.text) {
			v.refuse("write one line of at most 254 characters, without accents", "the text does not fit one TXT record")
		}
		if name, ok := d.otherName(v, name); ok {
			if name != d.fqdn {
				d.claim(v.place, thing{kind: aTXT, name: name})
			}
			d.records = append(d.records, d.unit.settings.record(name, "TXT", v.text, d.owner))
		}
	}
}

// txtLimit is what Windows takes in a line of DescriptiveText.
const txtLimit = 254

// otherName makes a full name: "@" is the machine's, a name in one of our zones
// is full already, any other is relative to the machine's zone.
func (d *draft) otherName(v value, name string) (string, bool) {
	switch {
	case strings.HasPrefix(name, "_provost"):
		v.refuse("choose another name", "names that begin with _provost are provost's own")
		return "", false
	case name == "@":
		return d.fqdn, true
	}
	if z, _ := d.unit.settings.zoneOf(name); z != nil {
		return name, true
	}
	return name + "." + d.zone.name, true
}
