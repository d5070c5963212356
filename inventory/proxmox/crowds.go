package proxmox

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// crowd is the full clones of containers that share their sources.
type crowd struct {
	original template
	sources  []template // original, its siblings and usable copies
	clones   []inventory.Resource
}

// crowds are sorted by the original's VMID.
func (v view) crowds(changes []inventory.Change) []crowd {
	byNames := map[string]*crowd{}
	for r := range containerClones(changes) {
		sources, err := v.cloneSources(r)
		if err != nil || r.Attrs["create.clone"] == "linked" {
			continue // an error will be said when the guest is made
		}
		names := v.sourceNames(r)
		if byNames[names] == nil {
			byNames[names] = &crowd{original: sources[0]}
		}
		if len(sources) > len(byNames[names].sources) {
			byNames[names].sources = sources
		}
		byNames[names].clones = append(byNames[names].clones, r)
	}
	var all []crowd
	for _, crowd := range byNames {
		all = append(all, *crowd)
	}
	slices.SortFunc(all, func(a, b crowd) int { return number(a.original.vmid) - number(b.original.vmid) })
	return all
}

// demand counts the clones of containers by the template's VMID; of several that
// are alike by the first one's.
func (v view) demand(changes []inventory.Change) demand {
	d := demand{linked: map[string]int{}, full: map[string]int{}, copies: map[string]int{}, storage: map[string]string{},
		linkedFirst: map[string]bool{}, kinds: map[string]kind{}}
	for r := range containerClones(changes) {
		originals, err := v.originals(r)
		switch {
		case err != nil:
		case r.Attrs["create.clone"] == "linked":
			d.linked[originals[0].vmid]++
		default:
			t := originals[0]
			d.full[t.vmid]++
			if d.kinds[t.vmid].names == "" {
				d.kinds[t.vmid] = kind{of: t, like: r, names: v.sourceNames(r), to: cmp.Or(r.Attrs["storage"], t.storage)}
			}
		}
	}
	for original, k := range d.kinds {
		k.beside = float64(othersTo(k.to, changes)) / float64(d.full[original])
		d.kinds[original] = k
	}
	return d
}

// othersTo counts what is made and written to a storage but clones of containers.
func othersTo(storage string, changes []inventory.Change) (n int) {
	for r := range creations(changes) {
		if r.Attrs["storage"] == storage && r.Attrs["create.clone"] != "linked" && !clonesContainer(r) {
			n++
		}
	}
	return n
}

// containerClones are the containers to be cloned.
func containerClones(changes []inventory.Change) iter.Seq[inventory.Resource] {
	return func(yield func(inventory.Resource) bool) {
		for r := range creations(changes) {
			if clonesContainer(r) && !yield(r) {
				return
			}
		}
	}
}

func clonesContainer(r inventory.Resource) bool {
	return r.Attrs["type"] == typeLXC && strings.HasPrefix(r.Attrs["create.base"], "template:")
}

// creations are the guests to be made.
func creations(changes []inventory.Change) iter.Seq[inventory.Resource] {
	return func(yield func(inventory.Resource) bool) {
		for _, ch := range changes {
			made := ch.Action == inventory.Create || ch.Action == inventory.Replace
			if ch.Key.Kind() == inventory.KindGuest && ch.After != nil && made && !yield(*ch.After) {
				return
			}
		}
	}
}
