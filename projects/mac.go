package projects

import (
	"crypto/sha256"
	"fmt"

	"github.com/provost-dev/provost/inventory"
)

// assignMACs hands out MAC addresses: declared, else live, else 46 bits of a
// hash of key and interface, so that DHCP can be told of a machine before it is
// made. A collision is salted again, in key order.
func (b *builder) assignMACs() {
	taken := map[string]bool{}
	for mac := range b.live.macs {
		taken[mac] = true
	}
	for _, s := range b.sites {
		for _, n := range s.nics {
			if n.mac != "" {
				taken[n.mac] = true
			}
		}
	}
	for _, s := range b.sites {
		known, _ := b.known(s)
		s.macs = make([]string, len(s.nics))
		for i, n := range s.nics {
			live := colonMAC(known.Attrs[n.name+".mac"])
			switch {
			case n.mac != "":
				s.macs[i] = n.mac
			case live != "":
				s.macs[i] = live
			case s.refused == "":
				s.macs[i] = deriveMAC(s.key, n.name, taken)
			}
			taken[s.macs[i]] = true
		}
	}
}

// deriveMAC is a locally administered unicast address that nobody has.
func deriveMAC(key inventory.Key, nic string, taken map[string]bool) string {
	for salt := 0; ; salt++ {
		h := sha256.Sum256(fmt.Appendf(nil, "%s %s %d", key, nic, salt))
		mac := fmt.Sprintf("%02X:%02X:%02X:%02X:%02X:%02X", h[0]&0xFC|0x02, h[1], h[2], h[3], h[4], h[5])
		if !taken[mac] {
			return mac
		}
	}
}
