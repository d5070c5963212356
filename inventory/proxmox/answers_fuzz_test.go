package proxmox

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory"
)

// anything stands in for a cluster that says whatever it likes, by the path's end.
type anything map[string][]byte

func (a anything) RoundTrip(r *http.Request) (*http.Response, error) {
	body := a[""]
	for end, data := range a {
		if end != "" && strings.HasSuffix(r.URL.Path, end) {
			body = data
		}
	}
	body = fmt.Appendf(nil, `{"data":%s}`, body)
	return &http.Response{Status: "200 OK", StatusCode: 200, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(string(body)))}, nil
}

// FuzzAnswers: whatever a cluster answers, a listing ends in resources with sound
// keys, of which none is ours without our mark, and the lease in an answer.
func FuzzAnswers(f *testing.F) {
	const guest = `{"hostname":"vm-a","memory":512,"rootfs":"ceph:vm-1-disk-0,size=8G","net0":"name=eth0,bridge=b,hwaddr=BC:24:11:00:00:01","lxc":[["lxc.idmap","u 0 1 2"]],` +
		`"description":"provost: campus=isima key=cri/guest/vm-a vmid=20001","digest":"x"}`
	f.Add([]byte(`[{"type":"lxc","vmid":20001,"node":"pve1","status":"running","name":"vm-a","maxmem":1e9},{"type":"node","node":"pve1","status":"online","maxcpu":8,"maxmem":"8"},`+
		`{"type":"storage","storage":"ceph","node":"pve1","shared":1,"content":"backup,rootdir"}]`), []byte(guest), []byte(`[{"upid":"UPID:pve1:00000001:00000002:00000003:vzclone:1:root@pam:","status":"OK","starttime":1}]`), []byte(`[{"poolid":"provost-term-isima-1","comment":"x"}]`))
	f.Add([]byte(`[{"type":"qemu","vmid":"20002","node":"../x","template":1,"lock":"clone","tags":"a;b"}]`), []byte(`{"name":"q","cores":"two","sockets":-1,"boot":"order=scsi0","scsi0":"a:b,size=1e999T","sshkeys":"%zz"}`), []byte(`[{"upid":""}]`), []byte(`[]`))
	f.Add([]byte(`[null,{"vmid":{}}]`), []byte(`[]`), []byte(`{}`), []byte(`null`))
	dir := f.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("provost@pve!x=secret"), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, resources, config, tasks, pools []byte) {
		said := anything{"/cluster/resources": resources, "/config": config, "/tasks": tasks, "/pools": pools, "": []byte("[]")}
		c, err := NewWith("cri", "isima", Config{Endpoints: []string{"https://pve1:8006"}, TokenFile: token}, discard(), Options{Transport: said})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		listing, _ := c.List(t.Context())
		for _, r := range listing.Items {
			if _, err := inventory.ParseKey(string(r.Key)); err != nil || r.Key.System() != "cri" {
				t.Errorf("%q is no key", r.Key)
			}
			if !r.Owner.IsZero() && !strings.Contains(string(config), "provost:") && !strings.Contains(string(config), `\u`) {
				t.Errorf("%s became ours without a mark", r.Key)
			}
		}
		c.Term(t.Context()) //nolint:errcheck // any answer is one
		if cfg, err := parseConfJSON(config); err == nil {
			for _, typ := range []string{typeLXC, typeQEMU} {
				configAttrs(typ, cfg)
			}
		}
	})
}

// FuzzIntent: what stands in the state directory names a task that is fit for a
// path, or none.
func FuzzIntent(f *testing.F) {
	f.Add([]byte(`{"key":"cri/guest/a","vmid":"1","upid":"UPID:pve1:00000001:00000002:00000003:vzclone:1:root@pam:"}`))
	f.Add([]byte(`{"upid":"../../x"}`))
	file := filepath.Join(f.TempDir(), "intent.json")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		in, _ := readIntent(file)
		if u := string(in.UPID); u != "" && (strings.ContainsAny(u, "/? \n") || in.UPID.node() == "") {
			t.Errorf("the task %q", u)
		}
	})
}
