package proxmox

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
	"github.com/provost-dev/provost/inventory/systemtest"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

// vaulted adds to the rig a storage for backups, which all nodes share, and the
// container template 9002, "studio", of 12 GiB with one interface.
func (r *rig) vaulted(t testing.TB) *rig {
	t.Helper()
	r.sim.AddStorage("vault", "nfs", []string{"backup"}, true, 5000)
	if err := r.sim.AddTemplate(pvesim.Guest{VMID: 9002, Node: "pve1", Type: "lxc", Config: map[string]string{
		"hostname": "studio", "memory": "512", "cores": "1", "ostype": "debian", "arch": "amd64", "unprivileged": "1", "onboot": "1",
		"rootfs": "ceph:vm-9002-disk-0,size=12G", "tags": "golden", "description": "the studio", "nameserver": "10.0.0.99",
		"net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:90:02,type=veth",
	}}); err != nil {
		t.Fatal(err)
	}
	r.cfg.Backups = "vault"
	return r
}

const studio = "base: studio, cores: 2, memory: 128, disk: 12"

// studioClones are creations of containers from "studio".
func studioClones(n int, changes ...string) []inventory.Change {
	return students(n, append([]string{"create.base", "template:studio", "disk", "12"}, changes...)...)
}

// archiveChanges are those of a kind that a plan has.
func ofKind(changes []inventory.Change, kind string) []inventory.Change {
	return slices.DeleteFunc(slices.Clone(changes), func(ch inventory.Change) bool { return ch.Key.Kind() != kind })
}

func itemsOf(items map[inventory.Key]inventory.Resource, kind string) (found []inventory.Resource) {
	for _, key := range sortedKeys(items) {
		if key.Kind() == kind {
			found = append(found, items[key])
		}
	}
	return found
}

func TestUnrestorable(t *testing.T) {
	good := rawConfig{"unprivileged": "1", "rootfs": "ceph:x,size=8G", "net0": "name=eth0"}
	for _, tt := range []struct {
		option, value, why string
	}{
		{"memory", "512", ""},
		{"mpfoo", "x", ""},
		{"mp0", "ceph:y,mp=/srv", "it has more than its root disk"},
		{"unprivileged", "0", "only administrators may restore a privileged container"},
		{rawLines, "lxc.idmap: u 0 100000 65536\n", "only root gets raw lxc lines back from a backup"},
	} {
		cfg := rawConfig{}
		maps.Copy(cfg, good)
		cfg[tt.option] = tt.value
		if why := unrestorable(template{cfg: cfg}); why != tt.why {
			t.Errorf("%s: %s: %q, want %q", tt.option, tt.value, why, tt.why)
		}
	}
	if unrestorable(template{}) == "" {
		t.Error("what nobody has read is restored")
	}
}

func TestKeepsBackups(t *testing.T) {
	v := view{nodes: map[string]bool{"pve1": true, "pve2": true}, storages: map[string]storage{
		storageKey("pve2", "vault"): {backup: true}, storageKey("pve1", "nfs"): {shared: true},
	}}
	for name, want := range map[string]bool{"vault": true, "nfs": false, "attic": false} {
		if got := v.keepsBackups(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestBackupsNeedCopies(t *testing.T) {
	for _, tt := range []struct{ backups, copies, wrong string }{
		{"vault", "", ""},
		{"", "off", ""},
		{"vault", "off", "it needs copies: not to be off"},
		{"../vault", "", "is no name of a storage"},
	} {
		cfg := Config{Endpoints: []string{"https://pve1:8006"}, TokenFile: "/x", Backups: tt.backups, Copies: tt.copies}.withDefaults()
		if err := cfg.check(); (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

func TestArchiveOf(t *testing.T) {
	c := &Cluster{name: "cri", campus: "isima"}
	mark := func(campus, key, vmid string) text {
		m := inventory.Mark{Key: inventory.Key(key), Owner: inventory.Owner{Campus: campus}, Extra: map[string]string{"vmid": vmid, "source": "9002", "of": "abc"}}
		return text(m.String())
	}
	ours := mark("isima", "cri/archive/9002", "990000000")
	const volid = "vault:backup/vzdump-lxc-990000000-2026_11_21-13_37_00.tar.zst"
	for _, tt := range []struct {
		name string
		line archived
		ours bool
	}{
		{"ours", archived{VolID: volid, VMID: "990000000", Notes: ours}, true},
		{"on a backup server", archived{VolID: "vault:backup/ct/990000000/2026-11-21T13:37:00Z", VMID: "990000000", Notes: ours}, true},
		{"no notes", archived{VolID: volid, VMID: "990000000"}, false},
		{"another campus's", archived{VolID: volid, VMID: "990000000", Notes: mark("ens", "cri/archive/9002", "990000000")}, false},
		{"another cluster's", archived{VolID: volid, VMID: "990000000", Notes: mark("isima", "paris/archive/9002", "990000000")}, false},
		{"notes of a machine", archived{VolID: volid, VMID: "990000000", Notes: mark("isima", "cri/guest/vm-a", "990000000")}, false},
		{"notes that were copied", archived{VolID: volid, VMID: "101", Notes: ours}, false},
		{"on another storage", archived{VolID: "x" + volid, VMID: "990000000", Notes: ours}, false},
		{"out of the path", archived{VolID: "vault:backup/../../../x", VMID: "990000000", Notes: ours}, false},
		{"no backup", archived{VolID: "vault:vztmpl/x", VMID: "990000000", Notes: ours}, false},
	} {
		if a, ok := c.archiveOf(tt.line, store{name: "vault"}); ok != tt.ours {
			t.Errorf("%s: %v %+v", tt.name, ok, a)
		}
	}
}

// FuzzArchives: whatever a storage says of its backups, what is taken for ours has
// our mark, a sound key, and a name that stays where it is put in a path.
func FuzzArchives(f *testing.F) {
	f.Add([]byte(`[{"volid":"vault:backup/vzdump-lxc-990000000-2026_11_21-13_37_00.tar.zst","vmid":990000000,"size":6442450944,"ctime":1795268220,` +
		`"notes":"provost: campus=isima key=cri/archive/9002 of=abc source=9002 vmid=990000000","content":"backup"}]`))
	f.Add([]byte(`[{"volid":"vault:backup/ct/990000000/2026-11-21T13:37:00Z","vmid":"990000000","protected":true,"notes":"provost: campus=isima key=cri/archive/x vmid=990000000"}]`))
	f.Add([]byte(`[{"volid":"vault:backup/../../x","vmid":1,"size":"1e999","notes":"provost: campus=isima key=cri/archive/x vmid=1"},null,{"volid":{}}]`))
	c := &Cluster{name: "cri", campus: "isima"}
	f.Fuzz(func(t *testing.T, content []byte) {
		var lines []archived
		if json.Unmarshal(content, &lines) != nil {
			return
		}
		l := lister{c: c, view: view{archives: map[string][]archive{}}}
		for _, line := range lines {
			if a, ours := c.archiveOf(line, store{name: "vault", node: "pve1"}); ours {
				l.archives([]archive{a})
			}
		}
		for _, r := range l.out.Items {
			if _, err := inventory.ParseKey(string(r.Key)); err != nil || r.Key.Kind() != kindArchive || !r.Owner.IsZero() {
				t.Errorf("%q is no key of an archive", r.Key)
			}
			if volid := r.Attrs["volid"]; strings.ContainsAny(volid, "?#% \\") || strings.Contains(volid, "..") || !strings.HasPrefix(volid, "vault:backup/") {
				t.Errorf("%q reaches out of its path", volid)
			}
		}
	})
}

// A restored machine is what was asked for but for what is to be deleted, and no
// interface has the template's address.
func TestRestoreParamsMakeItTrue(t *testing.T) {
	source := template{ref: ref{vmid: "9002", typ: typeLXC, node: "pve1"}, disk: 12, storage: "ceph", cfg: rawConfig{
		"hostname": "studio", "memory": "512", "cores": "1", "unprivileged": "1", "onboot": "1", "tags": "golden", "template": "1", "nameserver": "10.0.0.99",
		"rootfs": "ceph:base-9002-disk-0,size=12G", "net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:90:02,type=veth",
		"net1": "name=eth1,bridge=vmbr1,hwaddr=BC:24:11:00:90:03,type=veth",
	}}
	a := archive{volid: "vault:backup/x", vmid: "990000000"}
	rapid.Check(t, func(t *rapid.T) {
		pick := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, name) }
		guest, _ := container("vm-a", 20001, "create.base", "template:studio", "memory", pick("memory", "512", "2048"), "disk", pick("disk", "12", "30", ""),
			"nameserver", pick("nameserver", "", "10.0.0.99", "10.0.0.53"), "storage", pick("storage", "", "ceph", "local"), "onboot", pick("onboot", "0", "1"),
			"nets", pick("nets", "net0", "net0,net1"), "name", pick("name", "vm-a", ""))
		if rapid.Bool().Draw(t, "unmanaged") {
			for attr := range guest.Attrs {
				if strings.HasPrefix(attr, "net") && attr != "net0.bridge" {
					delete(guest.Attrs, attr)
				}
			}
		}
		p, rest := restoreParams(guest, ref{vmid: "20001", typ: typeLXC, node: "pve1"}, a, source)
		for _, net := range []string{"net0", "net1"} {
			if p[net] == "" || strings.Contains(p[net], "BC:24:11:00:90") {
				t.Errorf("%s is %q", net, p[net])
			}
		}
		if p["template"] != "" || p["unique"] != "" || p["unprivileged"] != "1" || p["ostemplate"] != a.volid || p["restore"] != "1" {
			t.Errorf("%v", p)
		}
		if _, size, _ := strings.Cut(p["rootfs"], ":"); size != "12" && size != "30" {
			t.Errorf("rootfs is %s", p["rootfs"])
		}
		set, remove := configParams(typeLXC, restored(source, guest, p), guest.Attrs, every)
		if len(set) > 0 || (len(remove) > 0) != rest {
			t.Errorf("%v is left to set, and %v to delete", set, remove)
		}
	})
}

// What restores were seen to do to a storage, clones are thought to do, too.
func TestClonesAsRestoresTell(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		r.vaulted(t)
		c := r.open(t)
		resources(t, c)
		source, _ := c.look().template("9002")
		w := c.look().crowds(studioClones(100))[0]
		f := fanout{c: c, view: c.look()}
		clone := c.cloneSpeed(planFrom(w.clones[0], source), w.clones[0])
		if told := f.asRestoresTell(clone, w); told != clone {
			t.Errorf("nothing was seen, and %+v is thought", told)
		}
		for i := range 8 { // twice as many take twice as long
			about := c.look().aboutRestore(source, w.clones[0])
			c.pace.recordLocked(about.subject, float64(i), float64(60*(i+1)), about.drag)
		}
		told := f.asRestoresTell(clone, w)
		if told.drag < 0.9 || told.most == 0 {
			t.Errorf("%+v is thought", told)
		}
		if k := bestFanout(100, 1, 64, 15, told); k > 1 {
			t.Errorf("%d copies where they win nothing", k)
		}
	})
}

// A plan is chosen by what is known or assumed, and says why.
func TestRestoringIsWeighed(t *testing.T) {
	for _, tt := range []struct {
		name    string
		changes []inventory.Change
		edit    func(*rig)
		note    string // of the archive; "" for none
	}{
		{"a crowd", studioClones(100), nil, "restored from a backup"},
		{"two", studioClones(2), nil, ""},
		{"no storage is named", studioClones(100), func(r *rig) { r.cfg.Backups = "" }, ""},
		{"a storage that is not there", studioClones(100), func(r *rig) { r.cfg.Backups = "attic" }, ""},
		{"a storage for other things", studioClones(100), func(r *rig) { r.cfg.Backups = "nfs" }, ""},
		{"a storage that does not answer", studioClones(100), func(r *rig) {
			r.sim.Inject(pvesim.Fault{Path: "/nodes/*/storage/vault/content", Times: -1, Kind: pvesim.Refuse, Status: 500, Reason: "not online"})
		}, ""},
		{"no room for the backup", studioClones(100), func(r *rig) { r.cfg.Limits.BackupsGiB = 11 }, ""},
		{"no room for the copy", studioClones(100), func(r *rig) { r.cfg.Limits.CopiesGiB = 11 }, ""},
		{"linked clones", studioClones(100, "create.clone", "linked"), nil, ""},
		{"raw lines", studioClones(100), func(r *rig) {
			if err := r.sim.EditFile(9002, r.sim.File(9002)+"lxc.idmap: u 0 100000 65536\n"); err != nil {
				panic(err)
			}
		}, ""},
		{"a storage of one node, and clones on others", slices.Concat(studioClones(50), studioClones(50, "node", "pve2")),
			func(r *rig) { r.sim.AddStorage("vault", "dir", []string{"backup"}, false, 5000) }, ""},
		{"a storage of one node, and all there", studioClones(100),
			func(r *rig) { r.sim.AddStorage("vault", "dir", []string{"backup"}, false, 5000) }, "restored from a backup"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
				r.vaulted(t)
				if tt.edit != nil {
					tt.edit(r)
				}
				c := r.open(t)
				out := c.Prepare(tt.changes, resources(t, c))
				archives, copies := ofKind(out, kindArchive), ofKind(out, kindCopy)
				if tt.note == "" {
					if len(archives) > 0 {
						t.Errorf("%+v", archives)
					}
					return
				}
				if len(archives) != 1 || len(copies) != 0 || len(out) != 1 {
					t.Fatalf("%d archives, %d copies: %+v", len(archives), len(copies), out)
				}
				ch := archives[0]
				t.Log(ch.Note)
				if ch.Key != "cri/archive/9002" || ch.Action != inventory.Create || len(ch.Needs) > 0 || !ch.Owner.IsZero() || !strings.Contains(ch.Note, tt.note) ||
					!strings.HasPrefix(ch.Note, "100 clones of 9002 take about ") || !strings.Contains(ch.Note, "copies, ") {
					t.Errorf("%+v", ch)
				}
			})
		})
	}
}

// restoredFrom counts the requests that restore a machine, and those that clone one.
func (r *rig) restoredFrom() (restores, clones int) {
	for _, req := range r.sim.Requests() {
		switch {
		case req.Method == "POST" && strings.HasSuffix(req.Path, "/lxc") && req.Params["restore"] == "1" && req.Status == 200:
			restores++
		case strings.HasSuffix(req.Path, "/clone") && req.Status == 200:
			clones++
		}
	}
	return restores, clones
}

// A semester is restored: each machine as it would be had it been cloned. The
// next one finds the archive, and a template that has changed gets a new one.
func TestASemesterIsRestored(t *testing.T) {
	costs, _ := pvesim.Preset("campus")
	virtual(t, pvesim.Options{Costs: costs, StatDelay: 10 * time.Second}, func(t *testing.T, r *rig) {
		r.vaulted(t)
		nodes := []string{"pve1", "pve2", "pve3"}
		first := r.pass(t, r.open(t), semester(60, studio, nodes...))
		restores, clones := r.restoredFrom()
		if restores+clones != 61 || clones > 3 || first.refused > 0 {
			t.Errorf("%d restored, %d cloned, %d refused", restores, clones, first.refused)
		}
		note := first.pass.Plan.Steps[0].Note
		t.Logf("60 restored: %s, %.1f requests each; %s", first.took.Round(time.Second), float64(first.requests)/60, note)
		macs := map[string]bool{}
		for _, g := range r.sim.Guests() {
			if g.VMID < 20000 || g.VMID > 29999 {
				continue
			}
			net := parsePairs(g.Config["net0"], "")
			if g.Status != "running" || g.Template || g.Lock != "" || g.Config["memory"] != "128" || g.Config["hostname"] == "studio" ||
				!strings.HasPrefix(g.Config["rootfs"], "ceph:vm-"+strconv.Itoa(g.VMID)+"-disk-0,") || g.Config["nameserver"] != "10.0.0.99" ||
				strings.Contains(g.Config["description"], "raw=") || g.Pool != "students" || macs[net.get("hwaddr")] {
				t.Errorf("%+v", g)
			}
			macs[net.get("hwaddr")] = true
		}
		items := list(t, r.open(t))
		archives := itemsOf(items, kindArchive)
		if len(archives) != 1 || archives[0].Attrs["source"] != "9002" || !archives[0].Owner.IsZero() {
			t.Fatalf("archives: %+v", archives)
		}
		idle := r.pass(t, r.open(t), semester(60, studio, nodes...))
		if len(idle.pass.Plan.Steps) != 0 || len(idle.writes) != 0 {
			t.Errorf("an idle pass plans %v and writes %v", idle.pass.Plan.Steps, idle.writes)
		}

		r.pass(t, r.open(t), semester(120, studio, nodes...))
		if restores, clones := r.restoredFrom(); restores != 60 || clones != 0 {
			t.Errorf("the next cohort: %d restored, %d cloned", restores, clones)
		}
		if again := itemsOf(list(t, r.open(t)), kindArchive); len(again) != 1 || again[0].Key != archives[0].Key {
			t.Errorf("archives: %+v", again)
		}

		if err := r.sim.EditFile(9002, strings.Replace(r.sim.File(9002), "memory: 512", "memory: 600", 1)); err != nil {
			t.Fatal(err)
		}
		r.pass(t, r.open(t), semester(180, studio, nodes...))
		if again := itemsOf(list(t, r.open(t)), kindArchive); len(again) != 1 || again[0].Key == archives[0].Key {
			t.Errorf("archives: %+v", again)
		}
	})
}

// A daemon that has timed clones, restores and starts weighs one with all that it
// takes: what is restored is started by the same request.
func TestWhatWasTimedIsWeighed(t *testing.T) {
	virtual(t, pvesim.Options{Costs: pvesim.CostsTiny, StatDelay: 10 * time.Second}, func(t *testing.T, r *rig) {
		r.vaulted(t)
		c := r.open(t)
		r.pass(t, c, semester(20, studio, "pve1"))
		live := resources(t, c)
		w := c.look().crowds(studioClones(40))[0]
		f := fanout{c: c, view: c.look(), archives: c.newArchiving(live), planned: 5}
		took, stands, ok := f.restoring(w, speed{})
		if !stands || !ok || took == 0 {
			t.Fatalf("restored in %s: %v, %v", took, stands, ok)
		}
		for _, tt := range []struct {
			clone    time.Duration
			restored bool
		}{
			{0, false},
			{took / 40, true}, // one after the other as quick, were it not for the starts
		} {
			clone := speed{alone: tt.clone, drag: 1}
			started := f.started(w, clone)
			if started < makespan(40, 2, 5, 64, clone)+time.Second {
				t.Errorf("clones of %s and their starts take %s", tt.clone, started)
			}
			if f.restored(w, clone, took*9/10, "40 clones take a while") != tt.restored {
				t.Errorf("with clones of %s, which take %s with their starts: restored in %s: %v", tt.clone, started, took, !tt.restored)
			}
		}
	})
}

// archived makes an archive of a template, whatever is quickest.
func (r *rig) archived(t *testing.T, base string) inventory.Resource {
	t.Helper()
	c := r.open(t)
	out := ofKind(c.Prepare(students(600, "create.base", base, "disk", "12"), resources(t, c)), kindArchive)
	if len(out) != 1 {
		t.Fatalf("no archive is planned: %+v", out)
	}
	mustApply(t, c, out[0])
	writes := r.writes()
	mustApply(t, r.open(t), out[0]) // again, it changes nothing
	if r.writes() != writes {
		t.Errorf("made twice: %v", r.written()[writes:])
	}
	archives := itemsOf(list(t, r.open(t)), kindArchive)
	if len(archives) != 1 {
		t.Fatalf("archives: %+v", archives)
	}
	return archives[0]
}

// The suite that every system passes, with containers that are restored and no
// more rights than anybody needs. "desktop" has an interface too many, so that
// something is left to configure.
func TestConformanceOfWhatIsRestored(t *testing.T) {
	for name, opts := range map[string]pvesim.Options{
		"with SSH": {StatDelay: 10 * time.Second}, "without SSH": {NoSSH: true}, "8.4": {Release: "8.4"},
	} {
		t.Run(name, func(t *testing.T) {
			systemtest.RunVirtual(t, func(t *testing.T) systemtest.Fixture {
				r := newVirtualRig(t, opts).vaulted(t)
				r.restrict(t, rights)
				r.archived(t, "template:desktop")
				f := fixture(r)
				f.Open = func(t *testing.T) reconciler.System {
					c := r.open(t)
					c.restores.plan(map[string]bool{"9000": true}, nil)
					return c
				}
				return f
			})
		})
	}
}

// reconciler makes a tree true on a cluster.
func (r *rig) reconciler(c *Cluster, tree projects.Tree) *reconciler.Reconciler {
	return &reconciler.Reconciler{
		Source: commit{tree}, Policy: permitAll{}, Guard: plan.DefaultLimits, Log: discard(),
		Systems: map[string]reconciler.Managed{"cri": {System: c, Apply: reconciler.ApplyAuto, Prune: true}},
	}
}

// Whatever goes wrong, the machines are made.
func TestRestoringGoesWrong(t *testing.T) {
	restore := map[string]string{"restore": "1"}
	for _, tt := range []struct {
		name  string
		fault pvesim.Fault
		// The least and the most that may be restored all the same; whether the
		// archive itself fails.
		least, most int
		failed      bool
	}{
		{"the backup's task fails", pvesim.Fault{Path: "/nodes/*/vzdump", Times: -1, Kind: pvesim.FailTask, Reason: "job errors"}, 0, 0, true},
		{"the backup is refused", pvesim.Fault{Path: "/nodes/*/vzdump", Times: -1, Kind: pvesim.Refuse, Status: 403, Reason: "Permission check failed (/storage/vault, Datastore.AllocateSpace)"}, 0, 0, true},
		{"one restore fails half-way", pvesim.Fault{Path: "/nodes/*/lxc", Params: restore, Kind: pvesim.FailTask, Reason: "unable to restore CT - command 'tar' failed: exit code 2"}, 36, 39, false},
		{"one restore is refused", pvesim.Fault{Path: "/nodes/*/lxc", Params: restore, Kind: pvesim.Refuse, Status: 403, Reason: "Permission check failed"}, 36, 39, false},
		{"the archive is damaged", pvesim.Fault{Path: "/nodes/*/lxc", Params: restore, Times: -1, Kind: pvesim.FailTask, Reason: "unable to restore CT - command 'tar' failed: exit code 2"}, 0, 0, false},
		{"the server cannot start its worker", pvesim.Fault{Path: "/nodes/*/lxc", Params: restore, Kind: pvesim.LoseWorker}, 36, 40, false},
		{"a lost answer", pvesim.Fault{Path: "/nodes/*/lxc", Params: restore, Times: 2, Kind: pvesim.DropAnswer}, 36, 40, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			costs, _ := pvesim.Preset("campus")
			virtual(t, pvesim.Options{Costs: costs, Unlogged: true}, func(t *testing.T, r *rig) {
				r.vaulted(t)
				r.sim.Inject(tt.fault)
				c := r.open(t)
				const n = 40
				rec := r.reconciler(c, semester(n, studio, "pve1", "pve2"))
				passes, failed := 0, false
				for converged := false; !converged && passes < 4; passes++ {
					pass, err := rec.RunOnce(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					for _, result := range pass.Results {
						failed = failed || result.Key.Kind() == kindArchive && result.State != inventory.StateDone
						if result.Key.Kind() == kindArchive && result.State != inventory.StateDone {
							t.Logf("%s: %s", result.Key, result.Error)
						}
					}
					converged = pass.Converged()
					r.sim.ClearFaults()
				}
				made, restored := 0, 0
				for _, g := range r.sim.Guests() {
					if g.VMID >= 20000 && g.VMID < 30000 && g.Status == "running" && g.Lock == "" {
						made++
					}
				}
				tasks, _ := r.restoredFrom()
				if restored = tasks; tt.most == 0 {
					restored = 0
				}
				if made != n || failed != tt.failed || restored < tt.least || tt.most > 0 && restored > tt.most+1 {
					t.Errorf("%d made, %d restored, the archive failed: %v, %d passes", made, restored, failed, passes)
				}
			})
		})
	}
}

// Archives that are of no use go; what is somebody's, is protected or was taken
// for himself by somebody stays.
func TestArchivesAreRetired(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		r.vaulted(t)
		if err := r.sim.AddBackup("vault", 500); err != nil {
			t.Fatal(err)
		}
		a := r.archived(t, "template:studio")
		volumes := func() (all []string) {
			for _, b := range r.sim.Backups("vault") {
				all = append(all, b.VolID)
			}
			return all
		}
		before := volumes()
		nothing := func(why string) {
			t.Helper()
			c := r.open(t)
			for _, ch := range ofKind(c.Prepare(nil, resources(t, c)), kindArchive) {
				t.Errorf("%s: %s %s: %s", why, ch.Action, ch.Key, ch.Note)
			}
		}
		retired := func(want string) inventory.Change {
			t.Helper()
			c := r.open(t)
			out := ofKind(c.Prepare(nil, resources(t, c)), kindArchive)
			if len(out) != 1 || out[0].Action != inventory.Delete || out[0].Before.Attrs["volid"] != a.Attrs["volid"] || !strings.Contains(out[0].Note, want) {
				t.Fatalf("retired: %+v, want because %q", out, want)
			}
			return out[0]
		}
		nothing("it is kept for the next time")

		r.cfg.Limits.BackupsGiB = 5
		retired("more than the 5 GiB of limits.backups_gib")
		r.cfg.Limits.BackupsGiB = 0
		if err := r.sim.EditFile(9002, strings.Replace(r.sim.File(9002), "memory: 512", "memory: 600", 1)); err != nil {
			t.Fatal(err)
		}
		planned := retired("template 9002 has changed")

		r.sim.Annotate(a.Attrs["volid"], "Camille's, keep", false)
		if o := apply(r.open(t), planned); o.State != inventory.StateFailed || !strings.Contains(o.Error, "left alone") {
			t.Errorf("what somebody has taken: %+v", o)
		}
		nothing("its notes are not ours")
		r.sim.Annotate(a.Attrs["volid"], r.archiveNotes(a), true)
		if o := apply(r.open(t), planned); o.State != inventory.StateFailed || !strings.Contains(o.Error, "is protected") {
			t.Errorf("what somebody protects: %+v", o)
		}
		nothing("it is protected")
		if now := volumes(); !slices.Equal(now, before) {
			t.Errorf("%v are now %v", before, now)
		}

		r.sim.Annotate(a.Attrs["volid"], r.archiveNotes(a), false)
		mustApply(t, r.open(t), retired("template 9002 has changed"))
		mustApply(t, r.open(t), planned) // it is gone already
		if left := r.sim.Backups("vault"); len(left) != 1 || left[0].VMID != 500 {
			t.Errorf("left are %+v", left)
		}
	})
}

func (r *rig) archiveNotes(a inventory.Resource) string {
	return inventory.Mark{Key: "cri/archive/9002", Owner: inventory.Owner{Campus: "isima"}, Extra: map[string]string{
		"vmid": a.Attrs["vmid"], "source": a.Attrs["source"], "of": a.Attrs["of"],
	}}.String()
}

// A process that is killed while it backs up leaves the rest to the next one.
func TestKilledWhileBackingUp(t *testing.T) {
	costs := slow
	costs.FullClone, costs.Backup = 20*time.Second, 20*time.Second
	virtual(t, pvesim.Options{Costs: costs}, func(t *testing.T, r *rig) {
		r.vaulted(t)
		c := r.open(t)
		ch := ofKind(c.Prepare(studioClones(600), resources(t, c)), kindArchive)[0]
		for cut, lock := range []string{"create", "backup"} {
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			if o := c.Apply(ctx, []inventory.Change{ch}, nil)[0]; o.State != inventory.StateUnknown {
				t.Fatalf("stopped the %d. time with %+v", cut+1, o)
			}
			cancel()
			if g := r.guest(t, number(ch.After.Attrs["vmid"])); g.Lock != lock {
				t.Fatalf("it was stopped with lock %q", g.Lock)
			}
			c = r.open(t)
			again := ofKind(c.Prepare(studioClones(600), resources(t, c)), kindArchive)
			if len(again) != 1 || again[0].After.Attrs["vmid"] != ch.After.Attrs["vmid"] {
				t.Fatalf("it is not taken up: %+v", again)
			}
			ch = again[0]
		}
		mustApply(t, c, ch)
		if n := len(r.sim.Backups("vault")); n != 1 {
			t.Errorf("%d backups", n)
		}
		if copies := itemsOf(list(t, r.open(t)), kindCopy); len(copies) != 1 || copies[0].Attrs["ready"] != "1" {
			t.Errorf("%+v", fmt.Sprint(copies))
		}
	})
}
