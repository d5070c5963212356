package reconciler

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler/plan"
)

// someMachines declares machines that come, go, grow and are made anew.
func someMachines(t *rapid.T) projects.Tree {
	files := map[string]string{}
	for i := range 4 {
		name := fmt.Sprintf("m%d", i)
		if i == 3 { // is renamed
			name = rapid.SampledFrom([]string{"m3", "n3"}).Draw(t, "name")
		}
		if hardware := rapid.SampledFrom([]string{"", "memory: 512", "memory: 1024", "memory: 512, rebuild: 1"}).Draw(t, "hardware"); hardware != "" {
			files[fmt.Sprintf("projects/p%d.yaml", i)] = fmt.Sprintf(
				"cluster: cri\nretain: %d\nct:\n- {hostname: %s.isima.fr, base: 'local:debian', cores: 1, disk: 8, net0: lan, ip: 10.0.0.%d/24, %s}\n", i%2, name, i+10, hardware)
		}
	}
	return tree(files)
}

// makeSome makes some steps of a plan, none before what it needs.
func makeSome(t *rapid.T, p plan.Plan, m *made) (left map[inventory.Key]bool) {
	left = map[inventory.Key]bool{}
	for _, s := range p.Steps {
		left[s.Key] = true
	}
	for range 3 {
		for i := range p.Steps {
			s := &p.Steps[i]
			ready := left[s.Key] && !slices.ContainsFunc(s.Needs, func(need inventory.Key) bool { return left[need] })
			if ready && rapid.Bool().Draw(t, "make "+string(s.Key)) {
				m.add(&s.Change)
				delete(left, s.Key)
			}
		}
	}
	return left
}

// What was made stands, as far as the plan goes: planned again is what is left,
// and nothing else but the start of what was made anew.
func TestWhatWasMadeIsNotPlannedAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHouse(nil)
		h.Now = func() time.Time { return time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC) }
		h.Guard = plan.Limits{}
		var live inventory.Listing
		for range 4 { // from nothing to something, and on from there
			campus := projects.Load(someMachines(t))
			if problems := campus.Problems(); len(problems) > 0 {
				t.Fatal(problems)
			}
			planned := h.plan(campus, campus.Desired(live.Items), live)
			var m made
			left, anew := makeSome(t, planned, &m), map[inventory.Key]bool{}
			for _, c := range m.changes {
				anew[powerOf(c.Key)] = c.Action == inventory.Replace
			}
			live = m.on(live)
			again := h.plan(campus, campus.Desired(live.Items), live)
			for _, s := range again.Steps {
				if !left[s.Key] && !anew[s.Key] {
					t.Fatalf("planned again: %s %s %v", s.Action, s.Key, s.Fields)
				}
				delete(left, s.Key)
			}
			for key := range left {
				t.Fatalf("not planned any more: %s", key)
			}
		}
	})
}

// What was loaded on nodes and storages since they were read is reckoned with, and
// what was read is not changed.
func TestWhatWasMadeIsABurden(t *testing.T) {
	observed := func(key inventory.Key, attrs inventory.Attrs) inventory.Resource {
		return inventory.Resource{Key: key, Attrs: attrs}
	}
	guest := func(node, memory, disk string) *inventory.Resource {
		return &inventory.Resource{Key: "cri/guest/a", Owner: inventory.Owner{Campus: "isima"}, Attrs: inventory.Attrs{"node": node, "memory": memory, "disk": disk, "storage": "ceph"}}
	}
	live := inventory.Listing{Items: []inventory.Resource{
		observed("cri/node/pve1", inventory.Attrs{"used": "1000"}), observed("cri/node/pve2", inventory.Attrs{"used": "1000"}),
		observed("cri/storage/pve1/ceph", inventory.Attrs{"used": "100", "shared": "1"}), observed("cri/storage/pve2/ceph", inventory.Attrs{"used": "100", "shared": "1"}),
		observed("cri/storage/pve2/local", inventory.Attrs{"used": "10", "shared": "0"}),
	}}
	local := guest("pve2", "64", "1")
	local.Attrs["storage"] = "local"
	used := func(change inventory.Change) string {
		var m made
		change.Key, change.Owner = "cri/guest/a", inventory.Owner{Campus: "isima"}
		m.add(&change)
		is := map[inventory.Key]string{}
		for _, r := range m.on(live).Items {
			is[r.Key] = r.Attrs["used"]
		}
		return fmt.Sprint(is["cri/node/pve1"], " ", is["cri/node/pve2"], " ", is["cri/storage/pve1/ceph"], " ", is["cri/storage/pve2/ceph"], " ", is["cri/storage/pve2/local"])
	}
	before := fmt.Sprint(live)
	for what, c := range map[string]struct {
		change inventory.Change
		want   string
	}{
		"made":                 {inventory.Change{Action: inventory.Create, After: guest("pve1", "512", "8")}, "1512 1000 108 108 10"},
		"made on one's own":    {inventory.Change{Action: inventory.Create, After: local}, "1000 1064 100 100 11"},
		"moved and grown":      {inventory.Change{Action: inventory.Update, Before: guest("pve1", "512", "8"), After: guest("pve2", "1024", "9")}, "488 2024 101 101 10"},
		"gone":                 {inventory.Change{Action: inventory.Delete, Before: guest("pve2", "512", "8")}, "1000 488 92 92 10"},
		"more than there was":  {inventory.Change{Action: inventory.Delete, Before: guest("pve2", "5000", "8")}, "1000 0 92 92 10"},
		"a storage not listed": {inventory.Change{Action: inventory.Create, After: &inventory.Resource{Attrs: inventory.Attrs{"node": "pve1", "memory": "1", "disk": "8"}}}, "1001 1000 100 100 10"},
	} {
		if got := used(c.change); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
	if fmt.Sprint(live) != before {
		t.Error("what was read has changed")
	}
}

// What systems make for themselves is nobody's, and a restart is no thing.
func TestWhatNobodyDeclaresIsNotSeen(t *testing.T) {
	var m made
	m.add(&inventory.Change{Key: "cri/copy/9000-1", Action: inventory.Create, After: &inventory.Resource{Key: "cri/copy/9000-1"}})
	m.add(&inventory.Change{Key: "cri/reboot/a", Action: inventory.Update, Owner: inventory.Owner{Campus: "isima"}, After: &inventory.Resource{Key: "cri/reboot/a"}})
	if items := m.on(inventory.Listing{}).Items; len(items) > 0 {
		t.Errorf("%v", items)
	}
}
