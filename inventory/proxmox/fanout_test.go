package proxmox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

func TestMakespan(t *testing.T) {
	second := speed{alone: time.Second}
	for _, tt := range []struct {
		n, sources, k, capacity int
		s                       speed
		want                    time.Duration
	}{
		{0, 1, 0, 8, second, 0},
		{10, 1, 0, 8, second, 10 * time.Second},
		{10, 2, 0, 8, second, 5 * time.Second},
		{8, 1, 7, 8, second, 4 * time.Second}, // 1, 2, 4 copies, then all at once
		{8, 1, 7, 2, second, 8 * time.Second}, // no more than two at a time
		{2, 2, 0, 8, speed{alone: time.Second, drag: 1}, 2 * time.Second},
		// Four a second is all that there is, however many there are.
		{16, 16, 0, 16, speed{alone: time.Second, most: 4}, 4 * time.Second},
		{9, 8, 0, 8, speed{alone: time.Second, most: 4}, 2250 * time.Millisecond}, // no second round
		{9, 8, 0, 8, speed{alone: time.Second, most: 9}, 2 * time.Second},         // but for one source
	} {
		if got := makespan(tt.n, tt.sources, tt.k, tt.capacity, tt.s); got != tt.want {
			t.Errorf("%+v took %s", tt, got)
		}
	}
}

func TestBestFanout(t *testing.T) {
	alone := speed{alone: 20 * time.Second, drag: 0.05}
	for _, tt := range []struct{ n, sources, most, least, atMost int }{
		{1, 1, 15, 0, 0},
		{3, 1, 15, 0, 1},
		{20, 1, 15, 3, 8},
		{600, 1, 15, 10, 15},
		{600, 1, 0, 0, 0}, // no room
		{16, 16, 15, 0, 0},
	} {
		if k := bestFanout(tt.n, tt.sources, 16, tt.most, alone); k < tt.least || k > tt.atMost {
			t.Errorf("%+v: %d copies", tt, k)
		}
	}
	if k := bestFanout(600, 1, 16, 15, speed{alone: time.Second, drag: 1}); k != 0 {
		t.Errorf("%d copies where they win nothing", k)
	}
	rapid.Check(t, func(t *rapid.T) {
		n, sources, capacity := rapid.IntRange(1, 700).Draw(t, "n"), rapid.IntRange(1, 9).Draw(t, "sources"), rapid.IntRange(1, 40).Draw(t, "capacity")
		s := speed{alone: time.Second, drag: rapid.Float64Range(0, mostDrag).Draw(t, "drag")}
		k := bestFanout(n, sources, capacity, 15, s)
		if k > 0 && makespan(n, sources, k, capacity, s) > makespan(n, sources, 0, capacity, s)*971/1000 {
			t.Fatalf("%d copies do not pay", k)
		}
	})
}

// students are creations of containers from one template.
func students(n int, changes ...string) []inventory.Change {
	var all []inventory.Change
	for i := range n {
		guest, _ := container(fmt.Sprintf("vm-%03d", i), 20000+i, changes...)
		all = append(all, creation(guest))
	}
	return all
}

func resources(t *testing.T, c *Cluster) []inventory.Resource {
	t.Helper()
	l, err := c.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l.Items
}

func TestPrepare(t *testing.T) {
	for _, tt := range []struct {
		name    string
		changes []inventory.Change
		edit    func(*Config)
		note    string // of the copies; "" for none
	}{
		{"a crowd", students(60), nil, "60 clones of 9000 take about 18m one after the other, "},
		{"two", students(2), nil, ""},
		{"linked clones", students(60, "create.clone", "linked"), nil, ""},
		{"from an OS template", students(60, "create.base", "ostemplate:nfs:debian-12-standard"), nil, ""},
		{"switched off", students(60), func(c *Config) { c.Copies = "off" }, ""},
		{"no room", students(60), func(c *Config) { c.Limits.CopiesGiB = 3 }, ""},
		{"little room", students(60), func(c *Config) { c.Limits.CopiesGiB = 9 }, "with 2 copies"},
		{"few VMIDs", students(60), func(c *Config) { c.Copies = "700-701" }, "copies"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
				if tt.edit != nil {
					tt.edit(&r.cfg)
				}
				c := r.open(t)
				out := c.Prepare(tt.changes, resources(t, c))
				if (len(out) == 0) != (tt.note == "") {
					t.Fatalf("%d copies: %+v", len(out), out)
				}
				vmids, nodes := map[string]bool{}, map[string]bool{}
				for _, ch := range out {
					if ch.Action != inventory.Create || ch.Key.Kind() != "copy" || len(ch.Needs) > 0 || !ch.Owner.IsZero() {
						t.Errorf("%+v", ch)
					}
					if !strings.Contains(ch.Note, tt.note) {
						t.Errorf("note %q", ch.Note)
					}
					if vmids[ch.After.Attrs["vmid"]] {
						t.Errorf("VMID %s twice", ch.After.Attrs["vmid"])
					}
					vmids[ch.After.Attrs["vmid"]], nodes[ch.After.Attrs["node"]] = true, true
				}
				if tt.name == "few VMIDs" && len(out) != 2 {
					t.Errorf("%d copies of 2 VMIDs", len(out))
				}
				if len(out) > 0 && len(nodes) != 1 {
					t.Errorf("clones go to pve1, copies to %v", nodes)
				}
			})
		})
	}
}

func TestCopiesGoWhereTheClonesGo(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		c := r.open(t)
		changes := slices.Concat(students(30), students(30, "node", "pve2"), students(30, "node", "pve3"))
		nodes := map[string]bool{}
		for _, ch := range c.Prepare(changes, resources(t, c)) {
			nodes[ch.After.Attrs["node"]] = true
		}
		if len(nodes) != 3 {
			t.Errorf("copies only on %v", nodes)
		}
	})
}

// The life of copies: made, used, kept, and gone when the template changes.
func TestCopies(t *testing.T) {
	costs := pvesim.Costs{Answer: 30 * time.Millisecond, FullClone: 20 * time.Second, Config: 30 * time.Millisecond, Start: time.Second}
	virtual(t, pvesim.Options{Costs: costs, Unlogged: true}, func(t *testing.T, r *rig) {
		c := r.open(t)
		machine := "base: desktop, cores: 1, memory: 128, disk: 4"
		first := r.pass(t, c, semester(16, machine, "pve1"))
		if first.took > 200*time.Second {
			t.Errorf("16 clones of 20 s took %s", first.took)
		}
		copies := func() (keys []inventory.Key, items map[inventory.Key]inventory.Resource) {
			items = list(t, r.open(t))
			for _, key := range sortedKeys(items) {
				if key.Kind() == kindCopy {
					keys = append(keys, key)
				}
			}
			return keys, items
		}
		keys, items := copies()
		if len(keys) == 0 {
			t.Fatal("no copies were made")
		}
		for _, key := range keys {
			copied := items[key]
			if copied.Attrs["ready"] != "1" || copied.Attrs["source"] != "9000" || !copied.Owner.IsZero() {
				t.Errorf("%v", copied)
			}
			if g := r.guest(t, number(copied.Attrs["vmid"])); g.Config["tags"] != "provost" || g.Status != "stopped" || g.VMID < 990000000 {
				t.Errorf("%+v", g)
			}
		}
		sources := map[string]bool{}
		for _, req := range r.sim.Requests() {
			if strings.HasSuffix(req.Path, "/clone") {
				sources[req.Path] = true
			}
		}
		t.Logf("16 clones of 20 s from %d sources: %s; %s", len(sources), first.took.Round(time.Second), first.pass.Plan.Steps[0].Note)

		// The next cohort finds them standing.
		second := r.pass(t, r.open(t), semester(32, machine, "pve1"))
		if again, _ := copies(); len(again) < len(keys) || second.took > first.took {
			t.Errorf("%d copies, %s", len(again), second.took)
		}

		// The template gets another memory: what was copied is not it any more.
		file := strings.Replace(r.sim.File(9000), "memory: 512", "memory: 600", 1)
		if err := r.sim.EditFile(9000, file); err != nil {
			t.Fatal(err)
		}
		r.pass(t, r.open(t), semester(48, machine, "pve1"))
		_, items = copies()
		now := fingerprint(parseConfFile([]byte(r.sim.File(9000))))
		for key, item := range items {
			if key.Kind() == kindCopy && item.Attrs["of"] != now {
				t.Errorf("%s is a copy of what is not there any more", key)
			}
		}
		last := r.pass(t, r.open(t), semester(48, machine, "pve1"))
		if len(last.pass.Plan.Steps) != 0 || len(last.writes) != 0 {
			t.Errorf("an idle pass plans %v and writes %v", last.pass.Plan.Steps, last.writes)
		}
	})
}

// A process that is killed while it copies leaves the rest to the next one.
func TestKilledWhileCopying(t *testing.T) {
	virtual(t, pvesim.Options{Costs: slow}, func(t *testing.T, r *rig) {
		c := r.open(t)
		ch := c.Prepare(students(60), resources(t, c))[0]
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if o := c.Apply(ctx, []inventory.Change{ch}, nil)[0]; o.State != inventory.StateUnknown {
			t.Fatalf("stopped with %+v", o)
		}
		c = r.open(t)
		half := list(t, c)[ch.Key]
		if half.Attrs["ready"] != "0" || half.Attrs["lock"] != "create" {
			t.Errorf("half-made it is %v", half.Attrs)
		}
		again := c.Prepare(students(60), resources(t, c))
		at := slices.IndexFunc(again, func(o inventory.Change) bool { return o.Key == ch.Key })
		if at < 0 || again[at].After.Attrs["vmid"] != ch.After.Attrs["vmid"] {
			t.Fatalf("%s is not taken up: %+v", ch.Key, again)
		}
		mustApply(t, c, again[at])
		if whole := list(t, c)[ch.Key]; whole.Attrs["ready"] != "1" {
			t.Errorf("it is %v", whole.Attrs)
		}
		writes := r.writes()
		mustApply(t, r.open(t), again[at])
		if r.writes() != writes {
			t.Errorf("made twice: %v", r.written()[writes:])
		}
	})
}

func TestACopyTouchesNothingForeign(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		c := r.open(t)
		made := c.Prepare(students(60), resources(t, c))[0]
		onPrinter := made
		after := made.After.Clone()
		after.Attrs["vmid"] = "500"
		onPrinter.After = &after
		file := r.sim.File(500)
		if o := apply(c, onPrinter); o.State != inventory.StateRetry || !strings.Contains(o.Error, "VMID 500 is taken") {
			t.Errorf("%+v", o)
		}
		if o := apply(c, inventory.Change{Key: made.Key, Action: inventory.Delete, Before: &after}); o.State != inventory.StateFailed {
			t.Errorf("%+v", o)
		}
		if r.sim.File(500) != file || r.writes() != 0 {
			t.Errorf("wrote %v", r.written())
		}
	})
}

// A copy that somebody has made a template of is one to clone from, and not ours any more.
func TestACopyThatBecameATemplateStays(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		c := r.open(t)
		made := c.Prepare(students(60), resources(t, c))[0]
		mustApply(t, c, made)
		copied := list(t, c)[made.Key]
		vmid := number(copied.Attrs["vmid"])
		if err := r.sim.EditFile(vmid, r.sim.File(vmid)+"template: 1\n"); err != nil {
			t.Fatal(err)
		}
		if o := apply(c, inventory.Change{Key: made.Key, Action: inventory.Delete, Before: &copied}); o.State == inventory.StateDone {
			t.Errorf("%+v", o)
		}
		if _, there := r.sim.Guest(vmid); !there {
			t.Error("it is gone")
		}
	})
}

// What is over the limit goes, unless it is needed now.
func TestCopiesAreRetired(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		c := r.open(t)
		for _, ch := range c.Prepare(students(60), resources(t, c))[:3] {
			mustApply(t, c, ch)
		}
		r.cfg.Limits.CopiesGiB = 5
		c = r.open(t)
		live := resources(t, c)
		for _, ch := range c.Prepare(students(60), live) {
			t.Errorf("with a crowd: %s %s", ch.Action, ch.Key)
		}
		out := c.Prepare(students(1, "create.base", "ostemplate:nfs:debian-12-standard"), live)
		if len(out) != 2 {
			t.Errorf("%d of 3 copies go where one has room", len(out))
		}
		for _, ch := range out {
			if ch.Action != inventory.Delete || !strings.Contains(ch.Note, "limits.copies_gib") {
				t.Errorf("%+v", ch)
			}
			mustApply(t, c, ch)
		}
		left := 0
		for key := range list(t, c) {
			if key.Kind() == kindCopy {
				left++
			}
		}
		if left != 1 {
			t.Errorf("%d copies are left", left)
		}
	})
}
