package proxmox

import (
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

func TestChooseImage(t *testing.T) {
	images := []string{
		"nfs:vztmpl/debian-11-standard_11.7-1_amd64.tar.zst",
		"nfs:vztmpl/debian-12-standard_12.2-1_amd64.tar.zst",
		"nfs:vztmpl/debian-12-standard_12.10-1_amd64.tar.zst",
		"nfs:vztmpl/debian-12-standard_12.9-2_amd64.tar.zst",
		"nfs:vztmpl/debian-12-turnkey-core_18.1-1_amd64.tar.gz",
		"nfs:vztmpl/alpine_3.20_amd64.tar.xz",
		"nfs:vztmpl/alpine-edge_3.21_amd64.tar.xz",
	}
	for prefix, want := range map[string]string{
		"debian-11":                 "nfs:vztmpl/debian-11-standard_11.7-1_amd64.tar.zst",
		"debian-12-standard":        "nfs:vztmpl/debian-12-standard_12.10-1_amd64.tar.zst",
		"debian-12-standard_12.2-1": "nfs:vztmpl/debian-12-standard_12.2-1_amd64.tar.zst",
		"alpine":                    "nfs:vztmpl/alpine_3.20_amd64.tar.xz",
		"debian-12":                 "error: fits more than one: debian-12-standard, debian-12-turnkey-core",
		"debian":                    "error: fits more than one",
		"ubuntu":                    `error: none begins with "ubuntu"`,
	} {
		got, err := chooseImage(images, prefix)
		if err != nil {
			got = "error: " + err.Error()
		}
		if part, wrong := strings.CutPrefix(want, "error: "); wrong != (err != nil) || !strings.Contains(got, part) {
			t.Errorf("%s: %s, want %s", prefix, got, want)
		}
	}
}

func TestCompareVersions(t *testing.T) {
	ordered := []string{"", "3.9", "3.10-1", "3.10-2", "12.2-1", "12.10", "12.10-1", "012.11"}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := compareVersions(a, b); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("compareVersions(%q, %q) = %d", a, b, got)
			}
		}
	}
}

func testView() view {
	return view{
		listed: true,
		nodes:  map[string]bool{"pve1": true, "pve2": true, "pve3": false},
		storages: map[string]storage{
			"pve1/ceph": {shared: true}, "pve2/ceph": {shared: true}, "pve1/local": {}, "pve2/local": {}, "pve1/nfs": {shared: true},
		},
		templates: []template{
			{ref: ref{"9000", "lxc", "pve1"}, name: "desktop", disk: 8, storage: "ceph"},
			{ref: ref{"9001", "lxc", "pve2"}, name: "desktop", disk: 8, storage: "ceph"},
			{ref: ref{"9002", "lxc", "pve1"}, name: "tiny", disk: 1, storage: "local"},
			{ref: ref{"9003", "qemu", "pve1"}, name: "desktop", disk: 20, storage: "ceph"},
		},
	}
}

func wanted(changes ...string) inventory.Resource {
	r := inventory.Resource{Key: "cri/guest/vm-x", Attrs: inventory.Attrs{
		"type": "lxc", "vmid": "20031", "name": "vm-x", "node": "pve1", "disk": "8", "storage": "ceph",
		"create.base": "template:desktop", "create.clone": "full",
	}}
	for i := 0; i < len(changes); i += 2 {
		r.Attrs[changes[i]] = changes[i+1]
	}
	return r
}

func TestPlanClone(t *testing.T) {
	for _, tt := range []struct {
		name    string
		want    inventory.Resource
		source  string
		target  string
		storage string
		err     string
	}{
		{"one on the node comes first", wanted("node", "pve2"), "9001", "", "ceph", ""},
		{"by VMID, from a shared disk", wanted("node", "pve2", "create.base", "template:9000"), "9000", "pve2", "ceph", ""},
		{"linked", wanted("create.clone", "linked"), "9000", "", "", ""},
		{"another type", wanted("type", "qemu", "disk", "20"), "9003", "", "ceph", ""},
		{"local disk of another node", wanted("node", "pve2", "create.base", "template:tiny"), "", "", "", "which pve2 does not share"},
		{"none", wanted("create.base", "template:nope"), "", "", "", `no lxc template "nope"; there are desktop (9000 on pve1)`},
		{"smaller", wanted("disk", "4"), "", "", "", "disk cannot shrink from 8 to 4 GiB"},
		{"linked elsewhere", wanted("create.clone", "linked", "storage", "local"), "", "", "", "ask for a full clone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := testView().planClone(tt.want)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil || p.source.vmid != tt.source || p.target != tt.target || p.storage != tt.storage {
				t.Errorf("%+v, %v", p, err)
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	c := &Cluster{name: "cri", cfg: Config{}.withDefaults(), view: testView()}
	update := func(changes ...string) inventory.Change {
		before, after := wanted(), wanted(changes...)
		return inventory.Change{Key: after.Key, Action: inventory.Update, Before: &before, After: &after}
	}
	create := func(changes ...string) inventory.Change {
		after := wanted(changes...)
		return inventory.Change{Key: after.Key, Action: inventory.Create, After: &after}
	}
	for _, tt := range []struct {
		name   string
		change inventory.Change
		reason string // a part; "" for none
	}{
		{"a good creation", create(), ""},
		{"a good update", update("disk", "10", "cores", "4", "node", "pve2"), ""},
		{"type", update("type", "qemu"), "type cannot change from lxc to qemu in place: raise rebuild:"},
		{"vmid", update("vmid", "20032"), "keeps its VMID"},
		{"storage", update("storage", "local"), "move the disk in Proxmox, or raise rebuild:"},
		{"shrinking", update("disk", "4"), "disk cannot shrink from 8 to 4 GiB"},
		{"feature", update("features", "keyctl=1,nesting=1"), "feature keyctl may be set only by root@pam"},
		{"nesting", update("features", "nesting=1"), ""},
		{"unknown node", update("node", "pve9"), `no node "pve9"; there are pve1, pve2, pve3`},
		{"offline node", create("node", "pve3"), "node pve3 is offline"},
		{"missing template", create("create.base", "template:nope"), "no lxc template"},
		{"keys of a cloned container", create("create.sshkeys", "ssh-ed25519 A"), "takes SSH keys only when it is made from an OS template"},
		{"keys of a new container", create("create.base", "ostemplate:nfs:debian-12", "create.sshkeys", "ssh-ed25519 A"), ""},
		{"machine from OS template", create("create.base", "ostemplate:nfs:debian-12", "type", "qemu"), "only a container"},
		{"unknown storage of images", create("create.base", "ostemplate:nope:debian-12"), `node pve1 has no storage "nope"`},
		{"unknown storage", create("storage", "nope"), `node pve1 has no storage "nope"`},
		{"damaged base", create("create.base", "debian"), "neither a template nor an OS template"},
		{"damaged OS template", create("create.base", "ostemplate:nfs"), "should be ostemplate:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := c.Refuse(tt.change)
			if (got == "") != (tt.reason == "") || !strings.Contains(got, tt.reason) {
				t.Errorf("%q, want %q", got, tt.reason)
			}
		})
	}
	blank := &Cluster{name: "cri", cfg: Config{}.withDefaults()}
	if reason := blank.Refuse(create()); reason != "" {
		t.Errorf("before the first listing nothing can be missed, but: %s", reason)
	}
}

func TestClaims(t *testing.T) {
	c := &Cluster{name: "cri", cfg: Config{}.withDefaults(), view: testView()}
	c.view.guests = map[inventory.Key]ref{"cri/guest/vm-x": {"20031", "lxc", "pve1"}}
	r := wanted()
	power := inventory.Resource{Key: "cri/power/vm-x"}
	other := inventory.Resource{Key: "cri/power/vm-new"}
	moved := wanted("node", "pve2")
	for _, tt := range []struct {
		name   string
		change inventory.Change
		want   string
	}{
		{"clone", inventory.Change{Key: r.Key, Action: inventory.Create, After: &r}, "cri/storage/ceph:64 cri/template/9000:1"},
		{"linked clone", func() inventory.Change {
			m := wanted("create.clone", "linked")
			return inventory.Change{Key: m.Key, Action: inventory.Create, After: &m}
		}(), "cri/original/9000:1"},
		{"machine", func() inventory.Change {
			m := wanted("type", "qemu", "disk", "20")
			return inventory.Change{Key: m.Key, Action: inventory.Create, After: &m}
		}(), "cri/tasks/pve1:32 cri/storage/ceph:64 cri/template/9003:64"},
		{"from OS template", func() inventory.Change {
			m := wanted("create.base", "ostemplate:nfs:debian")
			return inventory.Change{Key: m.Key, Action: inventory.Create, After: &m}
		}(), "cri/tasks/pve1:32 cri/storage/ceph:64"},
		{"options", inventory.Change{Key: r.Key, Action: inventory.Update, Fields: []string{"cores"}, Before: &r, After: &r}, ""},
		{"migration", inventory.Change{Key: r.Key, Action: inventory.Update, Fields: []string{"node"}, Before: &r, After: &moved}, "cri/tasks/pve1:32 cri/tasks/pve2:32"},
		{"start", inventory.Change{Key: power.Key, Action: inventory.Update, Before: &power, After: &power}, "cri/starts/pve1:16"},
		{"start of one to be made", inventory.Change{Key: other.Key, Action: inventory.Create, After: &other}, "cri/starts:48"},
		{"stop for good", inventory.Change{Key: power.Key, Action: inventory.Delete, Before: &power}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, claim := range c.Claims(tt.change) {
				got = append(got, claim.Name+":"+formatGiB(float64(claim.Limit)))
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("%s\nwant %s", s, tt.want)
			}
		})
	}
}

// The OS templates of a storage that nodes share are the same on each.
func TestSharedImagesAreListedOnce(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		c := r.open(t)
		list(t, c)
		r.sim.ForgetRequests()
		r.create(t, c, []string{"pve1", "pve2", "pve3"}, 6)
		listings := 0
		for _, req := range r.sim.Requests() {
			if strings.HasSuffix(req.Path, "/content") {
				listings++
			}
		}
		if listings != 1 {
			t.Errorf("they were listed %d times", listings)
		}
	})
}
