package pvesim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// TestDigestsOfARealServer proves the layout of the files: a digest is the
// SHA-1 of one, and these answers were recorded with theirs.
func TestDigestsOfARealServer(t *testing.T) {
	tests := []struct{ kind, data string }{
		{"lxc", `{"swap":0,"ostype":"debian","digest":"bd282e91a24f11e43c17b1c3c1562a64fd77dbac","memory":256,"hostname":"ct100","tags":"x;y;z","unprivileged":1,"rootfs":"btr:100/vm-100-disk-0.raw,size=512M","arch":"amd64","cores":1,"description":"line1\nü% äö\n"}`},
		{"lxc", `{"arch":"amd64","rootfs":"btr:330/base-330-disk-0.raw,size=307M","unprivileged":1,"hostname":"CT330","lock":"disk","memory":512,"digest":"8f5418e5e2dd960a9f5c87ed991e489b121690bc","ostype":"debian","swap":512,"template":1}`},
		{"qemu", `{"digest":"eb54fb9d9f120ba0c3bdf694f73b10002c375c38","description":" qmclone temporary file","lock":"clone"}`},
		{"lxc", `{"hookscript":"local:snippets/h.sh","digest":"0be5307121d970f2f458314bcac8928641a9400c","memory":111,"features":"mount=nfs;cifs","hostname":"ct103","swap":0,"ostype":"debian","dev0":"/dev/null","cores":1,"mp1":"/srv,mp=/mnt/srv","net1":"name=eth1,hwaddr=BC:24:11:B7:3D:14,type=veth","net0":"name=eth0,bridge=vmbr0,firewall=1,gw=10.0.0.1,hwaddr=BC:24:11:30:E3:35,ip=10.0.0.2/24,type=veth","unprivileged":1,"tags":" ","rootfs":"btr:103/vm-103-disk-0.raw,size=512M","arch":"amd64"}`},
		{"lxc", `{"ostype":"debian","swap":0,"dev0":"/dev/null","hookscript":"local:snippets/h.sh","digest":"4b507bd58c2adaefec4e169b66a6ea8fb81a8913","lxc":[["lxc.apparmor.profile","unconfined"],["lxc.cgroup2.devices.allow","c 10:200 rwm"]],"features":"mount=nfs;cifs","memory":111,"hostname":"ct103","net1":"name=eth1,hwaddr=BC:24:11:B7:3D:14,type=veth","net0":"name=eth0,bridge=vmbr0,firewall=1,gw=10.0.0.1,hwaddr=BC:24:11:30:E3:35,ip=10.0.0.2/24,type=veth","protection":0,"unprivileged":1,"tags":"a;z","rootfs":"btr:103/vm-103-disk-0.raw,size=512M","arch":"amd64","mp1":"/srv,mp=/mnt/srv","cores":1}`},
	}
	for _, test := range tests {
		var data map[string]any
		dec := json.NewDecoder(strings.NewReader(test.data))
		dec.UseNumber()
		if err := dec.Decode(&data); err != nil {
			t.Fatal(err)
		}
		conf := &pvesim.Conf{Section: pvesim.Section{Values: map[string]string{}}}
		for k, v := range data {
			switch k {
			case "digest":
			case "lxc":
				for _, line := range v.([]any) {
					kv := line.([]any)
					conf.Raw = append(conf.Raw, [2]string{fmt.Sprint(kv[0]), fmt.Sprint(kv[1])})
				}
			default:
				conf.Values[k] = fmt.Sprint(v)
			}
		}
		if got := conf.Digest(); got != data["digest"] {
			t.Errorf("the digest is %s, was %s, of\n%s", got, data["digest"], conf)
		}
		again, err := pvesim.ParseConf(test.kind, conf.String())
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(again.Values, conf.Values) {
			t.Errorf("read back: %q, was %q", again.Values, conf.Values)
		}
	}
}

// TestConfRoundTrip writes and reads configurations of all kinds.
func TestConfRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]string{"lxc", "qemu"}).Draw(t, "kind")
		conf := &pvesim.Conf{Section: drawSection(t, kind, "")}
		if rapid.Bool().Draw(t, "pending") {
			p := drawSection(t, kind, "pve:pending")
			p.Values["memory"] = "99"
			conf.Pending = &p
		}
		for i := range rapid.IntRange(0, 2).Draw(t, "snapshots") {
			conf.Snapshots = append(conf.Snapshots, drawSection(t, kind, fmt.Sprintf("snap%d", i)))
		}
		text := conf.String()
		again, err := pvesim.ParseConf(kind, text)
		if err != nil {
			t.Fatalf("%s\n%s", err, text)
		}
		if again.String() != text || !maps.Equal(again.Values, conf.Values) {
			t.Fatalf("was\n%s\nis\n%s\n%q\n%q", text, again, conf.Values, again.Values)
		}
	})
}

func drawSection(t *rapid.T, kind, name string) pvesim.Section {
	values := rapid.MapOf(rapid.StringMatching(`[a-z]{2,8}[0-9]?`), rapid.StringMatching(`[!-~]([ -~éü]{0,20}[!-~])?`)).Draw(t, "values")
	delete(values, "description")
	if lines := rapid.SliceOf(rapid.StringMatching(`[ -~é%:#]{1,12}`)).Draw(t, "description"); len(lines) > 0 {
		values["description"] = strings.Join(lines, "\n")
		if kind == "lxc" {
			values["description"] += "\n"
		}
	}
	var raw [][2]string
	for range rapid.IntRange(0, 2).Draw(t, "raw") {
		raw = append(raw, [2]string{"lxc.idmap", "u 0 100000 65536"})
	}
	return pvesim.Section{Name: name, Values: values, Raw: raw}
}

func FuzzParseConf(f *testing.F) {
	f.Add("#one%3A\narch: amd64\ntags: \nlxc.idmap: u 0 1 2\n\n[pve:pending]\nmemory: 1\n\n[s1]\nsnaptime: 3\n")
	f.Add("#%\n#%4\n#%zz\n")
	f.Add("[a]\n[a]\nx:  \n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []string{"lxc", "qemu"} {
			conf, err := pvesim.ParseConf(kind, text)
			if err != nil {
				continue
			}
			written := conf.String()
			again, err := pvesim.ParseConf(kind, written)
			if err != nil {
				t.Fatalf("cannot read what was written: %s\n%q", err, written)
			}
			if got := again.String(); got != written {
				t.Errorf("%q became %q", written, got)
			}
		}
	})
}
