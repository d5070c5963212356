package projects

import (
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/inventory"
)

// drawTree makes a sound campus of projects and cohorts with machines of every
// way to get an address.
func drawTree(rt *rapid.T, campus File) Tree {
	tree := Tree{campusFile: campus}
	ways := []string{"net0: lan", "net0: wlan", "net0: wlan, dhcp: reserve, addresses: 10.0.1.30-10.0.1.200, zone: x.fr"}
	n := 0
	for p := range rapid.IntRange(0, 3).Draw(rt, "projects") {
		var machines []string
		for range rapid.IntRange(0, 4).Draw(rt, "machines") {
			n++
			m := fmt.Sprintf("hostname: m%d, %s", n, rapid.SampledFrom(ways).Draw(rt, "way"))
			if rapid.Bool().Draw(rt, "static") {
				m = fmt.Sprintf("hostname: m%d.x.fr, ip: 10.0.0.%d", n, n+1)
			}
			machines = append(machines, m)
		}
		tree[fmt.Sprintf("projects/p%d.yaml", p)] = File{Data: []byte(project(machines...))}
	}
	for c := range rapid.IntRange(0, 2).Draw(rt, "cohorts") {
		power := rapid.SampledFrom([]string{"initial", "running", "stopped", "ignore"}).Draw(rt, "power")
		tree[fmt.Sprintf("cohorts/c%d.yaml", c)] = File{Data: fmt.Appendf(nil, "apiVersion: provost/v1\nkind: Cohort\ncluster: cri\nroster: c%d.csv\n"+
			"template: {base: debian, cores: 1, memory: 512, power: %s, %s}\n", c, power, rapid.SampledFrom(ways).Draw(rt, "way"))}
		roster := "login;name\n"
		for s := range rapid.IntRange(0, 8).Draw(rt, "students") {
			roster += fmt.Sprintf("c%ds%d;Élève %d\n", c, s, s)
		}
		tree[fmt.Sprintf("cohorts/c%d.csv", c)] = File{Data: []byte(roster)}
	}
	return tree
}

// drawForeign makes live things that are in our way.
func drawForeign(rt *rapid.T) []inventory.Resource {
	var live []inventory.Resource
	for _, vmid := range rapid.SliceOfDistinct(rapid.IntRange(20000, 20999), rapid.ID[int]).Draw(rt, "foreign") {
		live = append(live, resource(fmt.Sprintf("cri/foreign/%d", vmid), foreign, "node=pve1", "memory=1024"))
	}
	for _, last := range rapid.SliceOfDistinct(rapid.IntRange(30, 60), rapid.ID[int]).Draw(rt, "leases") {
		live = append(live, resource(fmt.Sprintf("ad/lease/10.0.1.0/10.0.1.%d", last), foreign, "clientid=ff-00"))
	}
	return live
}

func TestPropertyUnique(t *testing.T) {
	campus := testCampus(t)
	rapid.Check(t, func(rt *rapid.T) {
		live := drawForeign(rt)
		d := Load(drawTree(rt, campus)).Desired(live)
		if len(d.Problems) > 0 {
			rt.Fatalf("unsound: %v", d.Problems)
		}
		taken := map[string]inventory.Key{}
		for _, r := range live {
			taken["vmid "+r.Key.Name()] = r.Key
			if r.Key.Kind() == inventory.KindLease {
				taken["ip "+r.Key.Name()[len("10.0.1.0/"):]] = r.Key
			}
		}
		take := func(what string, r inventory.Resource) {
			if other, twice := taken[what]; twice {
				rt.Fatalf("%s and %s both have %s", r.Key, other, what)
			}
			taken[what] = r.Key
		}
		for _, r := range d.Resources {
			take("key "+string(r.Key), r)
			switch r.Key.Kind() {
			case inventory.KindGuest:
				take("vmid "+r.Attrs["vmid"], r)
				take("mac "+r.Attrs["net0.mac"], r)
				if p, err := netip.ParsePrefix(r.Attrs["net0.ip"]); err == nil {
					take("ip "+p.Addr().String(), r)
				}
			case inventory.KindReservation:
				take("ip "+r.Attrs["ip"], r)
			}
		}
	})
}

// TestPropertyStable: once everything stands, everything stays, whatever has
// appeared beside it; and the order of what is live does not matter.
func TestPropertyStable(t *testing.T) {
	campus := testCampus(t)
	rapid.Check(t, func(rt *rapid.T) {
		c := Load(drawTree(rt, campus))
		first := c.Desired(drawForeign(rt))
		live := apply(first)
		second := c.Desired(live)
		taken := map[string]bool{}
		for _, r := range live {
			taken["cri/foreign/"+r.Attrs["vmid"]], taken["ad/lease/10.0.1.0/"+r.Attrs["ip"]] = true, true
		}
		for _, r := range drawForeign(rt) {
			if !taken[string(r.Key)] {
				live = append(live, r)
			}
		}
		third := c.Desired(rapid.Permutation(live).Draw(rt, "order"))
		if got, want := attrsOf(third), attrsOf(second); !reflect.DeepEqual(got, want) {
			rt.Fatalf("it moved:\n%v\n%v", got, want)
		}
		for key, want := range attrsOf(first) {
			if got := attrsOf(second)[key]; !maps.Equal(got, want) {
				rt.Fatalf("%s: %v became %v", key, want, got)
			}
		}
	})
}

// attrsOf are all resources' attributes by key, but for power that only shows
// once its guest lives.
func attrsOf(d Desired) map[inventory.Key]inventory.Attrs {
	all := map[inventory.Key]inventory.Attrs{}
	for _, r := range d.Resources {
		all[r.Key] = r.Attrs
	}
	return all
}

// TestPropertyNewcomersDisturbNobody: one more student moves nobody's VMID or
// MAC, unless the newcomer's own first choice was taken in key order before.
func TestPropertyNewcomersDisturbNobody(t *testing.T) {
	campus := testCampus(t)
	rapid.Check(t, func(rt *rapid.T) {
		tree := drawTree(rt, campus)
		before := attrsOf(Load(tree).Desired(nil))
		more := maps.Clone(tree)
		more["projects/new.yaml"] = File{Data: []byte(project("hostname: " + rapid.StringMatching(`new[a-z]{1,8}`).Draw(rt, "newcomer")))}
		d := Load(more).Desired(nil)
		moved := 0
		for key, was := range before {
			now := attrsOf(d)[key]
			if key.Kind() == inventory.KindGuest && now["net0.mac"] != was["net0.mac"] {
				rt.Fatalf("%s: MAC %s became %s", key, was["net0.mac"], now["net0.mac"])
			}
			if key.Kind() == inventory.KindGuest && now["vmid"] != was["vmid"] {
				moved++
			}
		}
		if collided := firstChoicesCollide(d); moved > 0 && !collided {
			rt.Fatalf("%d VMIDs moved without a collision", moved)
		}
		live := Load(more).Desired(apply(Load(tree).Desired(nil)))
		for key, was := range before {
			if now := attrsOf(live)[key]; key.Kind() == inventory.KindGuest && now["vmid"] != was["vmid"] {
				rt.Fatalf("%s is live, and its VMID %s became %s", key, was["vmid"], now["vmid"])
			}
		}
	})
}

// firstChoicesCollide reports whether some guest did not get its first choice.
func firstChoicesCollide(d Desired) bool {
	for _, r := range d.Resources {
		if r.Key.Kind() == inventory.KindGuest {
			empty := &vmidPool{first: 20000, size: 1000, next: map[int]int{}}
			if r.Attrs["vmid"] != fmt.Sprint(empty.find(r.Key)) {
				return true
			}
		}
	}
	return false
}

// TestPropertyMachineOrder: what a machine is does not depend on where in its
// file it stands.
func TestPropertyMachineOrder(t *testing.T) {
	campus := testCampus(t)
	rapid.Check(t, func(rt *rapid.T) {
		var machines []string
		for i := range rapid.IntRange(1, 8).Draw(rt, "machines") {
			machines = append(machines, fmt.Sprintf("hostname: m%d, net0: wlan, dhcp: reserve, addresses: 10.0.1.30-10.0.1.60", i))
		}
		load := func(machines []string) []inventory.Resource {
			return Load(Tree{campusFile: campus, "projects/a.yaml": File{Data: []byte(project(machines...))}}).Desired(nil).Resources
		}
		shuffled := rapid.Permutation(slices.Clone(machines)).Draw(rt, "order")
		if a, b := load(machines), load(shuffled); !reflect.DeepEqual(a, b) {
			rt.Fatalf("the order of machines matters:\n%s\n%s", show(a), show(b))
		}
	})
}

func TestPropertyVMIDPool(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.IntRange(1, 40).Draw(rt, "size")
		pool := &vmidPool{first: 100, size: size, next: map[int]int{}}
		taken := map[int]bool{}
		for range rapid.IntRange(0, 2*size).Draw(rt, "keys") {
			key := inventory.Key(rapid.StringN(1, 8, 8).Draw(rt, "key"))
			got := pool.find(key)
			if full := len(taken) == size; (got == 0) != full {
				rt.Fatalf("find gave %d with %d of %d taken", got, len(taken), size)
			}
			if got == 0 {
				return
			}
			start := (&vmidPool{first: 100, size: size, next: map[int]int{}}).find(key)
			for v := start; v != got; v = 100 + (v-100+1)%size {
				if !taken[v] {
					rt.Fatalf("find walked past the free %d", v)
				}
			}
			if taken[got] {
				rt.Fatalf("%d is taken", got)
			}
			pool.take(got)
			taken[got] = true
		}
	})
}
