package proxmox

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/inventory"
)

func TestSizes(t *testing.T) {
	for in, want := range map[string]string{
		"50G": "50", "307M": "0.2998046875", "512M": "0.5", "1T": "1024", "1.5T": "1536",
		"1073741824": "1", "8388608K": "8", "": "", "G": "", "-1G": "", "1 G": "", "1e3G": "", "99999999999999999999G": "",
	} {
		if got := canonicalGiB(in); got != want {
			t.Errorf("canonicalGiB(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestNetAttrs(t *testing.T) {
	for _, tt := range []struct {
		name, typ, raw, ipconfig string
		want                     inventory.Attrs
	}{
		{
			"container, as Proxmox stores it", typeLXC,
			"name=eth0,bridge=vmbr0,firewall=1,gw=10.0.0.1,hwaddr=bc:24:11:30:e3:35,ip=10.0.0.2/24,type=veth", "",
			inventory.Attrs{"name": "eth0", "bridge": "vmbr0", "firewall": "1", "gw": "10.0.0.1", "mac": "BC:24:11:30:E3:35", "ip": "10.0.0.2/24"},
		},
		{
			"machine with cloud-init", typeQEMU,
			"virtio=BC:24:11:00:00:01,bridge=vmbr1,tag=42,rate=12.50", "ip=dhcp,ip6=2001:DB8:0::1/64",
			inventory.Attrs{"model": "virtio", "mac": "BC:24:11:00:00:01", "bridge": "vmbr1", "tag": "42", "rate": "12.5", "firewall": "0", "ip": "dhcp", "ip6": "2001:db8::1/64"},
		},
		{
			"machine, long form", typeQEMU, "model=e1000,macaddr=BC:24:11:00:00:02,firewall=0", "",
			inventory.Attrs{"model": "e1000", "mac": "BC:24:11:00:00:02", "firewall": "0", "ip": ""},
		},
		{
			"manual is no address", typeLXC, "name=eth0,ip=manual,ip6=auto,tag=007", "",
			inventory.Attrs{"name": "eth0", "firewall": "0", "ip": "", "ip6": "auto", "tag": "7"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) { sameAttrs(t, netAttrs(tt.typ, tt.raw, tt.ipconfig), tt.want) })
	}
}

func TestBuildNet(t *testing.T) {
	for _, tt := range []struct {
		name, typ, raw, ipconfig string
		want                     inventory.Attrs
		net, addresses           string
	}{
		{
			"a new container's", typeLXC, "", "",
			inventory.Attrs{"name": "eth0", "bridge": "vmbr0", "mac": "BC:24:11:00:00:01", "ip": "10.0.0.2/24", "gw": "10.0.0.1", "firewall": "0"},
			"type=veth,name=eth0,hwaddr=BC:24:11:00:00:01,bridge=vmbr0,ip=10.0.0.2/24,gw=10.0.0.1", "",
		},
		{
			"what is not named stays", typeLXC, "name=eth0,bridge=vmbr0,link_down=1,hwaddr=BC:24:11:00:00:01,host-managed=1", "",
			inventory.Attrs{"bridge": "vmbr7"}, "name=eth0,bridge=vmbr7,link_down=1,hwaddr=BC:24:11:00:00:01,host-managed=1", "",
		},
		{
			"a gateway goes with its address", typeLXC, "name=eth0,ip=10.0.0.2/24,gw=10.0.0.1", "",
			inventory.Attrs{"ip": "dhcp"}, "name=eth0,ip=dhcp", "",
		},
		{
			"a new machine's", typeQEMU, "", "",
			inventory.Attrs{"bridge": "vmbr0", "mac": "BC:24:11:00:00:01", "ip": "10.0.0.2/24", "gw": "10.0.0.1"},
			"virtio=BC:24:11:00:00:01,bridge=vmbr0", "ip=10.0.0.2/24,gw=10.0.0.1",
		},
		{
			"another card", typeQEMU, "virtio=BC:24:11:00:00:01,bridge=vmbr0,queues=2", "ip=dhcp",
			inventory.Attrs{"model": "e1000", "ip": ""}, "e1000=BC:24:11:00:00:01,bridge=vmbr0,queues=2", "",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			net, addresses := buildNet(tt.typ, tt.raw, tt.ipconfig, tt.want)
			if net != tt.net || addresses != tt.addresses {
				t.Errorf("got  %q, %q\nwant %q, %q", net, addresses, tt.net, tt.addresses)
			}
		})
	}
}

// Whatever was there, what is asked for is there afterwards.
func TestBuildNetMakesItTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom([]string{typeLXC, typeQEMU}).Draw(t, "type")
		raw, ipconfig := "", ""
		if rapid.Bool().Draw(t, "live") {
			raw, ipconfig = buildNet(typ, "", "", drawNet(t, "before", typ))
		}
		want := drawNet(t, "after", typ)
		net, addresses := buildNet(typ, raw, ipconfig, want)
		got := netAttrs(typ, net, addresses)
		for attr, value := range want {
			if got[attr] != value {
				t.Fatalf("%s is %q in %q %q, want %q", attr, got[attr], net, addresses, value)
			}
		}
	})
}

func drawNet(t *rapid.T, label, typ string) inventory.Attrs {
	draw := func(attr string, values ...string) string { return rapid.SampledFrom(values).Draw(t, label+" "+attr) }
	n := inventory.Attrs{
		"bridge":   draw("bridge", "vmbr0", "vibr279"),
		"mac":      draw("mac", "BC:24:11:00:00:01", "BC:24:11:AA:BB:CC"),
		"firewall": draw("firewall", "0", "1"),
		"tag":      draw("tag", "", "12", "4094"),
		"rate":     draw("rate", "", "10", "0.5"),
		"mtu":      draw("mtu", "", "1450"),
		"ip":       draw("ip", "", "dhcp", "10.0.0.2/24", "192.168.79.170/24"),
		"ip6":      draw("ip6", "", "auto", "2001:db8::5/64"),
	}
	if typ == typeLXC {
		n["name"] = draw("name", "eth0", "lan")
	} else {
		n["model"] = draw("model", "virtio", "e1000")
	}
	if strings.Contains(n["ip"], "/") {
		n["gw"] = draw("gw", "", "10.0.0.1")
	}
	return n
}

func TestTextCodecs(t *testing.T) {
	for in, want := range map[string]string{"x,Y;z a  Z": "a;x;y;z", " ": "", "": "", "Provost": "provost"} {
		if got := canonicalTags(in); got != want {
			t.Errorf("canonicalTags(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"nesting=1": "nesting=1", "nesting=1,keyctl=1,fuse=0": "keyctl=1,nesting=1", "mount=nfs;cifs": "mount=nfs;cifs", "": ""} {
		if got := canonicalFeatures(in); got != want {
			t.Errorf("canonicalFeatures(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"a%3Ab%25": "a:b%", "%C3%A9": "é", "100%": "100%", "%zz%4": "%zz%4", "%FF": "\uFFFD"} {
		if got := decodeText(in); got != want {
			t.Errorf("decodeText(%q) = %q, want %q", in, got, want)
		}
	}
	keys := "ssh-ed25519 AAAA+b/c= me@there\nssh-rsa BBBB"
	if enc := encodeKeys(keys); strings.ContainsAny(enc, "+ \n/") || decodeKeys(enc) != keys {
		t.Errorf("keys come back as %q by way of %q", decodeKeys(enc), enc)
	}
}

func FuzzSize(f *testing.F) {
	for _, s := range []string{"50G", "307M", "1.5T", "", "G", "99999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := parseGiB(s)
		if !ok {
			return
		}
		// What is written is read back as the same size.
		if again, ok := parseGiB(formatGiB(n) + "G"); n < 1e12 && len(formatGiB(n)) < 12 && (!ok || again != n) {
			t.Errorf("%q is %v GiB, and that is read back as %v", s, n, again)
		}
	})
}

func FuzzNet(f *testing.F) {
	f.Add(typeLXC, "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth", "")
	f.Add(typeQEMU, "virtio=BC:24:11:00:00:01,bridge=vmbr0", "ip=10.0.0.2/24,gw=10.0.0.1")
	f.Add(typeQEMU, "virtio,,=,a", "=")
	f.Fuzz(func(t *testing.T, typ, raw, ipconfig string) {
		if typ != typeLXC {
			typ = typeQEMU
		}
		if raw == "" {
			return // a new interface, which gets a card of its own
		}
		first := netAttrs(typ, raw, ipconfig)
		net, addresses := buildNet(typ, raw, ipconfig, inventory.Attrs{"bridge": "vmbr9"})
		second := netAttrs(typ, net, addresses)
		first["bridge"] = "vmbr9"
		sameAttrs(t, second, first)
	})
}

func sameAttrs(t *testing.T, got, want inventory.Attrs) {
	t.Helper()
	for _, attr := range sortedKeys(want) {
		if got[attr] != want[attr] {
			t.Errorf("%s is %q, want %q", attr, got[attr], want[attr])
		}
	}
	for _, attr := range sortedKeys(got) {
		if _, ok := want[attr]; !ok {
			t.Errorf("%s is %q, want none", attr, got[attr])
		}
	}
}
