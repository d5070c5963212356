package schema_test

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim/schema"
)

func embedded(t *testing.T, release string) schema.API {
	t.Helper()
	api, err := schema.Embedded(release)
	if err != nil {
		t.Fatal(err)
	}
	return api
}

func TestCheckSpeaksAsTheServer(t *testing.T) {
	api := embedded(t, "9.1")
	tests := []struct {
		method, path, param, value string
		want                       string // "" for nothing to say
	}{
		{"PUT", "/nodes/n/lxc/100/config", "memory", "x", "type check ('integer') failed - got 'x'"},
		{"PUT", "/nodes/n/lxc/100/config", "memory", "1", "value must have a minimum value of 16"},
		{"PUT", "/nodes/n/lxc/100/config", "cores", "9999", "value must have a maximum value of 8192"},
		{"PUT", "/nodes/n/lxc/100/config", "onboot", "yes", "type check ('boolean') failed - got 'yes'"},
		{"PUT", "/nodes/n/lxc/100/config", "description", strings.Repeat("d", 8193), "value may only be 8192 characters long"},
		{"PUT", "/nodes/n/lxc/100/config", "description", strings.Repeat("é", 8192), ""},
		{"PUT", "/nodes/n/lxc/100/config", "bogus", "1", "property is not defined in schema and the schema does not allow additional properties"},
		{"PUT", "/nodes/n/lxc/100/config", "lxc.idmap", "u 0 1 2", "property is not defined in schema and the schema does not allow additional properties"},
		{"PUT", "/nodes/n/lxc/100/config", "hostname", "a_b", "invalid format - value does not look like a valid DNS name\n"},
		{"PUT", "/nodes/n/lxc/100/config", "hostname", "cloud.prod.pft.cri.local.isima.fr", ""},
		{"PUT", "/nodes/n/lxc/100/config", "tags", "a,b c;d", ""},
		{"PUT", "/nodes/n/lxc/100/config", "tags", "-a", "invalid format - invalid characters in tag\n"},
		{"PUT", "/nodes/n/lxc/100/config", "net12", "name=eth0,bridge=vmbr0,ip=10.0.0.1/24,gw=10.0.0.254,tag=7", ""},
		{"PUT", "/nodes/n/lxc/100/config", "net0", "name=eth0,ip=10.0.0.1", "invalid format - format error\nnet0.ip: invalid format - value does not look like a valid ipv4 network configuration\n"},
		{"PUT", "/nodes/n/lxc/100/config", "net0", "bridge=vmbr0", "invalid format - format error\nnet0.name: property is missing and it is not optional\n"},
		{"PUT", "/nodes/n/lxc/100/config", "net0", "name=a,name=b", "invalid format - duplicate key in comma-separated list property: name\n"},
		{"PUT", "/nodes/n/qemu/100/config", "net0", "virtio=BC:24:11:00:00:01,bridge=vmbr0", ""},
		{"PUT", "/nodes/n/qemu/100/config", "net0", "virtio,bridge=vmbr0", ""},
		{"PUT", "/nodes/n/qemu/100/config", "scsi0", "ceph:10", ""},
		{"PUT", "/nodes/n/qemu/100/config", "sshkeys", "ssh-ed25519%20AAAA", ""},
		{"PUT", "/nodes/n/qemu/100/config", "sshkeys", "ssh-ed25519 AAAA", "invalid format - invalid urlencoded string: ssh-ed25519 AAAA\n"},
		{"GET", "/cluster/resources", "type", "bogus", "value 'bogus' does not have a value in the enumeration 'vm, storage, node, sdn'"},
		{"POST", "/cluster/bulk-action/guest/start", "vms", "100\x0099", "invalid format - value does not look like a valid VM ID\n"},
	}
	for _, test := range tests {
		m, _, params := api.Find(test.method, test.path)
		if m == nil {
			t.Errorf("there is no %s %s", test.method, test.path)
			continue
		}
		params[test.param] = test.value
		if got := m.Check(params, nil)[test.param]; got != test.want {
			t.Errorf("%s=%.40q: %q, want %q", test.param, test.value, got, test.want)
		}
	}
}

func TestCheckMissingAndReferences(t *testing.T) {
	m, pattern, params := embedded(t, "9.1").Find("POST", "/nodes/pve1/lxc/100/clone")
	if pattern != "/nodes/{node}/lxc/{vmid}/clone" || params["vmid"] != "100" {
		t.Fatalf("found %s with %v", pattern, params)
	}
	if got := m.Check(params, nil); got["newid"] != "property is missing and it is not optional" || len(got) != 1 {
		t.Errorf("missing: %v", got)
	}
	params["newid"] = "101"
	if got := m.Check(params, map[string]string{"hostname": "HASH"}); got["hostname"] != "type check ('string') failed - got HASH" {
		t.Errorf("reference: %v", got)
	}
}

func TestFind(t *testing.T) {
	api := embedded(t, "9.1")
	for path, want := range map[string]string{
		"/nodes/a/storage/s/content/s:vztmpl/x.tar.gz": "/nodes/{node}/storage/{storage}/content/{volume}",
		"/pools/labs/sub": "", // a nested pool has no path of its own
		"/nosuch":         "",
	} {
		if _, got, _ := api.Find("DELETE", path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	if m, _, _ := embedded(t, "8.4").Find("POST", "/cluster/bulk-action/guest/start"); m != nil {
		t.Error("release 8.4 has bulk actions")
	}
}

func TestEmbeddedRefusesOtherReleases(t *testing.T) {
	if _, err := schema.Embedded("7.0"); err == nil {
		t.Error("release 7.0 is played")
	}
}

// TestEmbeddedIsTheRealOne holds the files against the whole schema of the real
// servers, where that lies beside the repository.
func TestEmbeddedIsTheRealOne(t *testing.T) {
	for _, release := range []string{"9.1", "8.4"} {
		b, err := os.ReadFile("../../../../../shared/pve/api-schema-" + release + ".json")
		if err != nil {
			t.Skipf("the schema of Proxmox VE %s is not beside the repository: %s", release, err)
		}
		real, err := schema.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		for path, methods := range embedded(t, release) {
			for name, m := range methods {
				if r := real[path][name]; r == nil || !reflect.DeepEqual(facts(t, m), facts(t, r)) {
					t.Errorf("%s: %s %s is not as the real server declares it", release, name, path)
				}
			}
		}
	}
}

// facts is a method as JSON: its compiled patterns left out.
func facts(t *testing.T, m *schema.Method) map[string]any {
	t.Helper()
	b, err := json.Marshal(map[string]any{"params": m.Params, "check": m.Permissions, "protected": m.Protected, "proxyto": m.ProxyTo})
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return scrub(v).(map[string]any)
}

// scrub takes out descriptions and defaults, which the files do not have.
func scrub(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			if _, isText := x.(map[string]any); (k == "description" || k == "default") && !isText {
				continue
			}
			out[k] = scrub(x)
		}
		return out
	case []any:
		out := []any{}
		for _, x := range v {
			out = append(out, scrub(x))
		}
		return out
	}
	return v
}

func FuzzParseProperties(f *testing.F) {
	for _, s := range []string{"name=eth0,bridge=vmbr0", "virtio,bridge=x", ",,=", "a=b=c,", "virtio=BC:24:11:00:00:01"} {
		f.Add(s)
	}
	api, err := schema.Embedded("9.1")
	if err != nil {
		f.Fatal(err)
	}
	keys := api["/nodes/{node}/qemu"]["POST"].Param("net0").Keys
	f.Fuzz(func(t *testing.T, s string) {
		props, text := schema.ParseProperties(keys, "net0", s)
		if (props == nil) == (text == "") {
			t.Errorf("%q gives %v and %q", s, props, text)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"/a/{b}":{"GET":{"params":{"c[n]":{"type":"string","format":{"k":{"type":"integer","minimum":1}}}}}}}`))
	f.Add([]byte(`{"/a":{"GET":null}}`))
	f.Add([]byte(`{"/a":{"GET":{"params":{"x":null}}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		api, err := schema.Parse(b)
		if err != nil {
			return
		}
		if m, _, params := api.Find("GET", "/a/b"); m != nil {
			m.Check(params, nil)
		}
	})
}
