package proxmox

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// Prepare implements reconciler.Preparer. It finds out which guests may start as
// soon as they are made; and where many containers are cloned from
// one template, copies of it are made first, as many as make the whole quickest.
// They are kept for the next time, within limits.copies_gib, and deleted once the
// template has changed or the room is needed. Where that is quicker still, one copy
// is backed up, and the containers are restored from that: see [fanout.restored].
func (c *Cluster) Prepare(changes []inventory.Change, live []inventory.Resource) []inventory.Change {
	c.readPlan(changes)
	demand := c.look().demand(changes)
	defer func() { c.loans.plan(demand) }()
	first, last, err := c.cfg.copyVMIDs()
	if err != nil || first == 0 {
		return c.unlocking(live)
	}
	f := fanout{c: c, view: c.look(), first: first, last: last, room: float64(c.cfg.Limits.CopiesGiB), archives: c.newArchiving(live)}
	defer func() { c.restores.plan(f.archives.planned, f.archives.making) }()
	for _, r := range live {
		if r.Key.System() == c.name && r.Key.Kind() == kindCopy {
			f.standing = append(f.standing, r)
		}
	}
	slices.SortFunc(f.standing, func(a, b inventory.Resource) int { return number(a.Attrs["vmid"]) - number(b.Attrs["vmid"]) })
	crowds := f.view.crowds(changes)
	f.retire(crowds)
	for _, crowd := range crowds {
		f.serve(crowd)
		vmid := crowd.original.vmid
		demand.copies[vmid], demand.storage[vmid] = f.planned, f.places(crowd)[0].storage
		if f.archives.planned[vmid] { // nothing is cloned
			delete(demand.kinds, vmid)
		}
		demand.linkedFirst[vmid] = time.Duration(demand.linked[vmid])*c.linkedSpeed(crowd.original).alone > f.took
	}
	f.clear()
	c.notePlanned(f.out)
	return append(f.out, c.unlocking(live)...)
}

// fanout is the work of one Prepare.
type fanout struct {
	c           *Cluster
	view        view
	first, last int // VMIDs of copies
	standing    []inventory.Resource
	room        float64 // GiB that copies may still take
	given       map[string]bool
	archives    archiving
	out         []inventory.Change
	// Of the crowd that was served last: copies, and how long all takes.
	planned int
	took    time.Duration
}

// retire deletes copies of what is not so any more, and counts the room that the
// others take. When they take too much, those that nobody needs now go first.
func (f *fanout) retire(crowds []crowd) {
	wanted := map[string]bool{}
	for _, crowd := range crowds {
		wanted[crowd.original.vmid] = true
	}
	var keep []inventory.Resource
	for _, r := range f.standing {
		source, ok := f.view.template(r.Attrs["source"])
		switch {
		case r.Attrs["lock"] != "": // half-made; whoever needs it looks at it again
			keep = append(keep, r)
		case !ok:
			f.remove(r, fmt.Sprintf("template %s, of which it is a copy, is gone", r.Attrs["source"]))
		case r.Attrs["of"] != source.print && !wanted[source.vmid]:
			f.remove(r, fmt.Sprintf("template %s has changed since it was copied", source.vmid))
		default:
			keep = append(keep, r)
		}
	}
	f.standing = keep
	for _, r := range keep {
		f.room -= diskOf(r)
	}
	f.retireArchives(wanted)
	for _, r := range slices.Backward(keep) {
		if f.room < 0 && r.Attrs["lock"] == "" && !wanted[r.Attrs["source"]] {
			f.remove(r, fmt.Sprintf("copies take more than the %d GiB of limits.copies_gib", f.c.cfg.Limits.CopiesGiB))
			f.room += diskOf(r)
		}
	}
}

// clear deletes what a stop left of copies that nobody asks for any more.
func (f *fanout) clear() {
	for _, r := range f.standing {
		asked := slices.ContainsFunc(f.out, func(ch inventory.Change) bool { return ch.Key == r.Key || makesOf(ch, r.Key) })
		if r.Attrs["raw"] == "1" && !asked {
			f.remove(r, "it was not finished, and is not needed any more")
		}
	}
}

// makesOf reports whether a change makes an archive, and that copy for it.
func makesOf(ch inventory.Change, copied inventory.Key) bool {
	return ch.Key.Kind() == kindArchive && ch.After != nil && ch.After.Attrs["copy"] == string(copied)
}

func (f *fanout) remove(r inventory.Resource, note string) {
	if r.Key.Kind() == kindCopy {
		f.c.dropCopy(r.Attrs["vmid"])
	}
	f.out = append(f.out, inventory.Change{Key: r.Key, Action: inventory.Delete, Before: &r, Note: note})
}

func diskOf(r inventory.Resource) float64 {
	disk, _ := parseGiB(r.Attrs["disk"] + "G")
	return disk
}

// serve adds the copies that make a crowd's clones quicker.
func (f *fanout) serve(w crowd) {
	t := w.original
	pace := f.c.cloneSpeed(planFrom(w.clones[0], t), w.clones[0])
	if places := f.places(w); pace.assumed && len(places) == 1 { // they share its processors, too
		pace.drag = max(pace.drag, workShare/float64(max(1, f.view.cores[places[0].node])))
	}
	pace = f.asRestoresTell(pace, w)
	capacity := f.c.cfg.Limits.ClonesPerStorage
	most := min(mostCopies, len(w.clones), capacity)
	if t.disk > 0 {
		most = min(most, max(0, int(f.room/t.disk)))
	}
	k := bestFanout(len(w.clones), len(w.sources), capacity, most, pace)
	f.planned, f.took = k, makespan(len(w.clones), len(w.sources), k, capacity, pace)
	before := makespan(len(w.clones), len(w.sources), 0, capacity, pace)
	note := fmt.Sprintf("%d clones of %s take about %s %s", len(w.clones), t.vmid, roughly(before), atATime(len(w.sources)))
	if k > 0 {
		note += fmt.Sprintf(", %s with %s", roughly(f.took), copiesMore(k, len(w.sources)))
	}
	if f.restored(w, pace, f.took, note) {
		return
	}
	places := f.places(w)
	for i := range k {
		f.add(w, places[i%len(places)], before, note)
		f.room -= t.disk
	}
}

// workShare is how much of its time a clone keeps a core busy; the rest it waits.
const workShare = 0.7

// mostCopies of one template: four doublings.
const mostCopies = 15

// place is where a copy is to be.
type place struct{ node, storage string }

// places are where the copies of a crowd's template should be: on the nodes and
// the storage that most clones go to, where the storages allow a choice.
func (f *fanout) places(w crowd) []place {
	t := w.original
	storage := mostCommon(w.clones, "storage")[0]
	if storage == "" || !f.has(t.node, storage) {
		storage = t.storage
	}
	places := []place{}
	if f.view.shared(t.node, t.storage) && f.view.shared(t.node, storage) {
		for _, node := range mostCommon(w.clones, "node") {
			if f.view.nodes[node] && f.has(node, storage) {
				places = append(places, place{node, storage})
			}
		}
	}
	if len(places) == 0 {
		places = append(places, place{t.node, storage})
	}
	return places
}

func (f *fanout) has(node, storage string) bool {
	_, ok := f.view.storages[storageKey(node, storage)]
	return ok
}

// mostCommon are the values of an attribute, the most common first.
func mostCommon(rs []inventory.Resource, attr string) []string {
	counts := map[string]int{}
	for _, r := range rs {
		counts[r.Attrs[attr]]++
	}
	return slices.SortedFunc(slices.Values(sortedKeys(counts)), func(a, b string) int {
		return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b))
	})
}

// copiesMore says how many copies there are besides those that stand.
func copiesMore(k, sources int) string {
	if sources == 1 {
		return plural(k, "copy", "copies")
	}
	return plural(k, "more copy", "more copies")
}

// add plans one more copy.
func (f *fanout) add(w crowd, at place, saves time.Duration, note string) {
	if ch, ok := f.newCopy(w, at, saves, note); ok {
		f.out = append(f.out, ch)
	}
}

// newCopy is one more copy: a half-made or outdated one made good, or a new one;
// false when the range is full.
func (f *fanout) newCopy(w crowd, at place, saves time.Duration, note string) (inventory.Change, bool) {
	t := w.original
	for n := 1; ; n++ {
		key := f.c.copyKey(t.vmid, n)
		if slices.ContainsFunc(f.out, func(ch inventory.Change) bool { return ch.Key == key || makesOf(ch, key) }) {
			continue
		}
		ch := inventory.Change{Key: key, Action: inventory.Create, Note: note}
		vmid := ""
		for _, r := range f.standing {
			if r.Key == key {
				vmid, at = r.Attrs["vmid"], place{r.Attrs["node"], at.storage}
				ch.Action, ch.Before = inventory.Replace, &r
				if r.Attrs["of"] == t.print {
					ch.Action, ch.Before = inventory.Create, nil
				}
				if r.Attrs["of"] == t.print && r.Attrs["ready"] == "1" || r.Attrs["stale"] != "" && r.Attrs["raw"] == "" {
					vmid = "ready"
				}
			}
		}
		switch vmid {
		case "ready":
			continue
		case "":
			if vmid = f.freeVMID(); vmid == "" {
				return ch, false
			}
		}
		ch.After = &inventory.Resource{Key: key, Attrs: inventory.Attrs{
			"type": typeLXC, "vmid": vmid, "name": copyName(t, n), "node": at.node, "storage": at.storage, "disk": formatGiB(t.disk),
			"source": t.vmid, "of": t.print, "create.base": "template:" + t.vmid, "create.clone": "full",
			createQueue: strconv.Itoa(int(saves.Seconds()) + 1),
		}}
		return ch, true
	}
}

// createQueue says how many seconds of cloning wait for a copy, so that copies
// are made before what they make quicker.
const createQueue = "create.queue"

func copyName(t template, n int) string {
	name, _, _ := strings.Cut(t.name, ".")
	return fmt.Sprintf("%s-copy-%d", cmp.Or(name[:min(len(name), 50)], "template-"+t.vmid), n)
}

// freeVMID is the first of the range that nobody has.
func (f *fanout) freeVMID() string {
	for n := f.first; n <= f.last; n++ {
		if vmid := strconv.Itoa(n); !f.view.taken[vmid] && !f.given[vmid] {
			if f.given == nil {
				f.given = map[string]bool{}
			}
			f.given[vmid] = true
			return vmid
		}
	}
	return ""
}

// template finds a template by its VMID.
func (v view) template(vmid string) (template, bool) {
	for _, t := range v.templates {
		if t.vmid == vmid {
			return t, true
		}
	}
	return template{}, false
}
