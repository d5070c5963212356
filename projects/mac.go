package projects

import (
	"crypto/sha256"
	"strconv"
)

// assignMACs hands out MAC addresses: declared, else live, else 46 bits of a
// hash of key and interface, so that DHCP can be told of a machine before it is
// made. A collision is salted again, in key order. A clone that nobody came to
// configure has addresses that Proxmox drew: DHCP was told of the derived ones.
func (b *builder) assignMACs() {
	nics, fresh := 0, 0
	for _, s := range b.sites {
		nics += len(s.nics)
		if !s.isLive {
			fresh += len(s.nics)
		}
	}
	taken := make(map[string]bool, fresh) // beside the live ones
	for _, s := range b.sites {
		for _, n := range s.nics {
			if n.mac != "" {
				taken[n.mac] = true
			}
		}
	}
	all := make([]string, nics) // a piece for each
	for _, s := range b.sites {
		known := b.known(s)
		s.macs, all = all[:len(s.nics):len(s.nics)], all[len(s.nics):]
		for i, n := range s.nics {
			live := colonMAC(known.Attrs[n.macAttr])
			switch {
			case n.mac != "":
				s.macs[i] = n.mac
			case live != "" && known.Attrs["raw"] == "":
				s.macs[i] = live
			case s.refused == "":
				s.macs[i] = b.deriveMAC(s, n.name, taken)
				taken[s.macs[i]] = true
			}
		}
	}
}

// deriveMAC is a locally administered unicast address that nobody else has.
func (b *builder) deriveMAC(s *site, nic string, taken map[string]bool) string {
	text := make([]byte, 0, 128) // most names are shorter
	text = append(append(append(append(text, s.key...), ' '), nic...), ' ')
	for salt := 0; ; salt++ {
		h := sha256.Sum256(strconv.AppendInt(text, int64(salt), 10))
		mac := macOf([6]byte(h[:6]))
		if by, live := b.live.macs[mac]; (!live || by == s.key) && !taken[mac] {
			return mac
		}
	}
}

// macOf writes bytes down, made into those of a local address of one machine.
func macOf(b [6]byte) string {
	const digits = "0123456789ABCDEF"
	b[0] = b[0]&0xFC | 0x02
	var text [17]byte
	for i, c := range b {
		text[3*i], text[3*i+1] = digits[c>>4], digits[c&15]
		if i < 5 {
			text[3*i+2] = ':'
		}
	}
	return string(text[:])
}
