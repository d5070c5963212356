package proxmox

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory"
)

// tarOf packs a directory as "tar -cf - .vmlist nodes" does.
func tarOf(t testing.TB, dir string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: filepath.ToSlash(rel), Mode: 0o640, Size: int64(len(data)), Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestReadFiles(t *testing.T) {
	files, err := readFiles(bytes.NewReader(tarOf(t, "testdata/pve")))
	if err != nil {
		t.Fatal(err)
	}
	if len(files.guests) != 3 || len(files.vmlist.guests) != 3 || files.vmlist.guests["50003"].ref != (ref{"50003", "lxc", "pve2"}) {
		t.Errorf("read %d guests and %v", len(files.guests), files.vmlist)
	}
	t.Run("container", func(t *testing.T) {
		sameAttrs(t, files.guests["50003"].attrs(), inventory.Attrs{
			"type": "lxc", "vmid": "50003", "name": "vm-rapamato", "node": "pve2", "cores": "4", "memory": "12288",
			"swap": "512", "disk": "50", "storage": "disk1", "pool": "", "tags": "provost",
			"description": "CT perso pour Raphael AMATO - cri", "features": "nesting=1", "nameserver": "",
			"searchdomain": "", "onboot": "0", "nets": "net0", "net0.bridge": "vibr285", "net0.name": "eth0",
			"net0.mac": "BC:24:11:B3:C1:3D", "net0.firewall": "0", "net0.ip": "",
		})
		m, ok := inventory.ParseMark(files.guests["50003"].cfg["description"])
		if !ok || m.Extra[markBoot] != bootNew || m.Owner.Student != "rapamato" {
			t.Errorf("mark is %v", m)
		}
	})
	t.Run("machine, what is pending counts as set", func(t *testing.T) {
		sameAttrs(t, files.guests["200"].attrs(), inventory.Attrs{
			"type": "qemu", "vmid": "200", "name": "vm200", "node": "pve1", "cores": "4", "memory": "4096",
			"disk": "20", "storage": "local", "pool": "", "tags": "lab", "description": "hello\nwörld",
			"nameserver": "", "searchdomain": "", "onboot": "0", "nets": "net0", "net0.model": "virtio",
			"net0.bridge": "vmbr0", "net0.mac": "BC:24:11:00:00:07", "net0.firewall": "1",
			"net0.ip": "10.0.0.7/24", "net0.gw": "10.0.0.1",
			"ciuser": "debian", "sshkeys": "ssh-ed25519 AAAA me\nssh-ed25519 BBBB you",
		})
	})
	if g := files.guests["9000"]; !g.template() {
		t.Error("9000 is not known as a template")
	}
}

func TestReadFilesRefuses(t *testing.T) {
	whole := tarOf(t, "testdata/pve")
	if _, err := readFiles(bytes.NewReader(whole[:700])); err == nil {
		t.Error("a stream cut inside a file was accepted")
	}
	if _, err := readFiles(strings.NewReader("")); err == nil || !strings.Contains(err.Error(), "lacks .vmlist") {
		t.Errorf("an empty stream: %v", err)
	}
	for _, list := range []string{"", "[]", `{"ids": {"1": {}}}`, `{"ids": {"0100": {}}}`, `{"ids": {"x": {}}}`} {
		if _, err := parseVMList([]byte(list)); err == nil {
			t.Errorf(".vmlist %q was accepted", list)
		}
	}
}

func TestConfJSON(t *testing.T) {
	cfg, err := parseConfJSON([]byte(`{"memory":512,"cores":"2","onboot":true,"template":null,"lxc":[["lxc.idmap","u 0 1 2"]],"description":"a\n"}`))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"memory": "512", "cores": "2", "onboot": "1", "template": "", "lxc": "lxc.idmap: u 0 1 2\n", "description": "a\n"} {
		if cfg[key] != want {
			t.Errorf("%s is %q, want %q", key, cfg[key], want)
		}
	}
	for _, bad := range []string{"", "null", "[]", `"x"`} {
		if _, err := parseConfJSON([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func FuzzConfFile(f *testing.F) {
	for _, name := range []string{"nodes/pve2/lxc/50003.conf", "nodes/pve1/qemu-server/200.conf"} {
		data, err := os.ReadFile("testdata/pve/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("[PENDING]\ndelete: a b\ncores: 1\n#%zz\ndescription: x%0Ay"))
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg := parseConfFile(data)
		for _, typ := range []string{typeLXC, typeQEMU} {
			attrs := configAttrs(typ, cfg)
			if set, remove := configParams(typ, cfg, attrs, every); len(set)+len(remove) != 0 {
				t.Errorf("what is live is not as it is: set %v, delete %v", set, remove)
			}
		}
	})
}

func FuzzVMList(f *testing.F) {
	data, err := os.ReadFile("testdata/pve/.vmlist")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"ids":{"100":{"node":1}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parseVMList(data)
		if (list == nil) != (err != nil) {
			t.Fatalf("%v with %v", list, err)
		}
		if list == nil {
			return
		}
		for id, r := range list.guests {
			if r.vmid != id {
				t.Errorf("%q became %v", id, r)
			}
		}
	})
}

func FuzzReadFiles(f *testing.F) {
	f.Add(tarOf(f, "testdata/pve"))
	f.Add([]byte("not a tar"))
	f.Fuzz(func(t *testing.T, data []byte) {
		files, err := readFiles(bytes.NewReader(data))
		if err == nil && files.vmlist == nil {
			t.Error("a stream without .vmlist was accepted")
		}
	})
}
