package proxmox

import (
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/inventory"
)

func TestConfigParams(t *testing.T) {
	live := rawConfig{
		"hostname": "vm-x", "memory": "512", "cores": "1", "tags": "a;provost", "nameserver": "10.0.0.53",
		"net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth", "net1": "name=eth1,bridge=vmbr0",
	}
	for _, tt := range []struct {
		name   string
		want   inventory.Attrs
		set    params
		remove string
	}{
		{"nothing differs", inventory.Attrs{"memory": "512", "swap": "512", "net0.ip": "dhcp", "create.base": "x"}, params{}, ""},
		{"numbers and name", inventory.Attrs{"memory": "1024", "name": "vm-y"}, params{"memory": "1024", "hostname": "vm-y"}, ""},
		{"an empty list is deleted", inventory.Attrs{"nameserver": "", "searchdomain": ""}, params{}, "nameserver"},
		{"one property of an interface", inventory.Attrs{"net0.bridge": "vmbr1", "nets": "net0,net1"},
			params{"net0": "name=eth0,bridge=vmbr1,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth"}, ""},
		{"an interface goes", inventory.Attrs{"nets": "net0"}, params{}, "net1"},
		{"an interface comes", inventory.Attrs{"nets": "net0,net1,net2", "net2.name": "eth2", "net2.bridge": "vmbr2"},
			params{"net2": "type=veth,name=eth2,bridge=vmbr2"}, ""},
		{"what is no option of a container", inventory.Attrs{"ciuser": "x", "sshkeys": "y", "disk": "9", "pool": "p"}, params{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set, remove := configParams(typeLXC, live, tt.want, every)
			if !maps.Equal(set, tt.set) || strings.Join(remove, ",") != tt.remove {
				t.Errorf("set %v, delete %v\nwant %v, %v", set, remove, tt.set, tt.remove)
			}
		})
	}
}

func TestConfigParamsOfAMachine(t *testing.T) {
	live := rawConfig{"name": "vm", "cores": "2", "sockets": "2", "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0", "ipconfig0": "ip=dhcp"}
	set, remove := configParams(typeQEMU, live, inventory.Attrs{
		"cores": "6", "net0.ip": "10.0.0.2/24", "net0.gw": "10.0.0.1", "sshkeys": "ssh-ed25519 A b", "ciuser": "u", "swap": "1", "nets": "net0",
	}, every)
	want := params{"cores": "6", "sockets": "1", "ipconfig0": "ip=10.0.0.2/24,gw=10.0.0.1", "sshkeys": "ssh-ed25519%20A%20b", "ciuser": "u"}
	if !maps.Equal(set, want) || len(remove) != 0 {
		t.Errorf("set %v, delete %v, want %v", set, remove, want)
	}
}

// What configParams writes, configAttrs reads: afterwards everything that was
// asked for is true, and asking again changes nothing.
func TestConfigParamsMakeItTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom([]string{typeLXC, typeQEMU}).Draw(t, "type")
		cfg := rawConfig{}
		for i, label := range []string{"before", "after"} {
			want := drawGuest(t, label, typ)
			set, remove := configParams(typ, cfg, want, every)
			for _, option := range remove {
				if i == 0 || cfg[option] == "" {
					t.Fatalf("deletes %s, which is not there", option)
				}
				delete(cfg, option)
			}
			maps.Copy(cfg, set)
			got := configAttrs(typ, cfg)
			for attr, value := range want {
				if got[attr] != value {
					t.Fatalf("%s: %s is %q, want %q, of %v", label, attr, got[attr], value, cfg)
				}
			}
			if set, remove := configParams(typ, cfg, want, every); len(set)+len(remove) != 0 {
				t.Fatalf("%s: asked again, sets %v and deletes %v", label, set, remove)
			}
		}
	})
}

func drawGuest(t *rapid.T, label, typ string) inventory.Attrs {
	draw := func(attr string, values ...string) string { return rapid.SampledFrom(values).Draw(t, label+" "+attr) }
	g := inventory.Attrs{
		"name":         draw("name", "vm-a", "cloud.prod.pft.cri.local.isima.fr"),
		"cores":        draw("cores", "1", "8"),
		"memory":       draw("memory", "512", "12288"),
		"tags":         draw("tags", "provost", "a;provost"),
		"nameserver":   draw("nameserver", "", "10.0.0.53 10.0.0.54"),
		"searchdomain": draw("searchdomain", "", "etu.isima.fr"),
		"onboot":       draw("onboot", "0", "1"),
		"nets":         draw("nets", "net0", "net0,net1", "net1"),
	}
	for net := range strings.SplitSeq(g["nets"], ",") {
		for attr, value := range drawNet(t, label+" "+net, typ) {
			g[net+"."+attr] = value
		}
	}
	if typ == typeLXC {
		g["swap"] = draw("swap", "0", "512")
		g["features"] = draw("features", "", "nesting=1", "keyctl=1,nesting=1")
	} else {
		g["ciuser"] = draw("ciuser", "", "debian")
		g["sshkeys"] = draw("sshkeys", "", "ssh-ed25519 A a", "ssh-ed25519 A a\nssh-rsa B+/= b")
	}
	return g
}
