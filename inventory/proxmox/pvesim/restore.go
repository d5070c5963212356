package pvesim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// notRestored are options of the archive's configuration that a restored
// container does not get from there: it has volumes of its own.
var notRestored = []string{"digest", "lock", "parent", "rootfs", "snapshots", "template", "unprivileged"}

// restoreLXC makes a container from an archive, which locks nothing but the
// container itself. What the request does not say comes from the archive.
func (k *call) restoreLXC() (any, error) {
	vmid := k.num("vmid")
	old, err := k.overwritten(vmid)
	if err != nil {
		return nil, err
	}
	e := edit{set: maps.Clone(k.params)}
	for _, name := range notStored {
		delete(e.set, name)
	}
	if err := k.admitRestore(e); err != nil {
		return nil, err
	}
	g := old
	if g == nil {
		g = k.c.addGuest(k.node, "lxc", vmid, newConf(nil))
	}
	g.setLock(k.c, "create")
	return k.spawn(job{kind: "vzrestore", id: g.id(), cost: k.restoreCost(), abort: fmt.Sprintf("unable to restore CT %d - ", vmid),
		undo: func() { k.c.removeGuest(vmid) },
		end:  func(t *task) error { return k.finishRestore(t, g, e) },
	})
}

// overwritten is the container that has the VMID and is to be replaced, or nil.
func (k *call) overwritten(vmid int) (*guest, error) {
	old := k.c.guests[vmid]
	switch {
	case old == nil:
		return nil, nil
	case !k.replaces():
		return nil, die("unable to restore CT %d - %s", vmid, k.c.exists(vmid))
	case old.running:
		return nil, die("can't overwrite running container")
	case old.conf.Values["protection"] == "1":
		return nil, die("unable to restore CT %d - protection mode enabled", vmid)
	}
	return old, old.checkLock()
}

// replaces says whether the request may overwrite the container that stands.
func (k *call) replaces() bool {
	old := k.c.guests[k.num("vmid")]
	return k.kind == "lxc" && k.on("restore") && k.on("force") && old != nil && old.isLXC() && old.node == k.node
}

func (k *call) admitRestore(e edit) error {
	if err := k.permitLXC(e, k.str("vmid")); err != nil {
		return err
	}
	store, name, _ := splitVolume(k.str("ostemplate"))
	if _, err := k.c.storageFor(store, k.node); err != nil {
		return err
	}
	b := k.c.backup(k.str("ostemplate"))
	if b == nil {
		if !strings.HasPrefix(name, "backup/") {
			return die("unable to use volume %s - content type needs to be 'backup'", k.str("ostemplate"))
		}
		return k.checkStorages(e.set) // that it is missing, the task finds out
	}
	if !k.c.can(k.who, "/storage/"+store, "Datastore.Allocate") {
		if err := k.need("/storage/"+store, "Datastore.AllocateSpace"); err != nil {
			return err
		}
		if err := k.need(fmt.Sprintf("/vms/%d", b.vmid), "VM.Backup"); err != nil {
			return err
		}
	}
	if e.set["rootfs"] == "" {
		if err := k.need("/storage/"+k.restoreStorage(), "Datastore.AllocateSpace"); err != nil {
			return err
		}
	}
	return k.checkStorages(e.set)
}

// restoreStorage is where volumes go that the request does not place.
func (k *call) restoreStorage() string {
	if s := k.str("storage"); s != "" {
		return s
	}
	return "local"
}

// restoreCost writes what was in the archive.
func (k *call) restoreCost() work {
	w := k.withStart(busy(k.c.costs.Restore))
	w.own = k.c.costs.RestoreStream
	b := k.c.backup(k.str("ostemplate"))
	if b == nil {
		return w
	}
	to, _, ok := sizeRequest(volumeOf(k.str("rootfs")))
	if !ok {
		to = k.restoreStorage()
	}
	for _, name := range diskKeys("lxc", b.conf.Values) {
		w = w.through(&k.c.costs, k.c.storages[to], float64(parseSize(volumeOption(b.conf.Values[name], "size"))), k.bwlimit())
	}
	return w
}

// finishRestore writes the configuration: the request's, and where it is silent
// the archive's.
func (k *call) finishRestore(t *task, g *guest, e edit) error {
	fail := func(err error) error { return die("unable to restore CT %d - %s", g.vmid, err) }
	b := k.c.backup(k.str("ostemplate"))
	if b == nil || b.kind != "lxc" {
		return fail(die("can't find file '%s'", k.str("ostemplate")))
	}
	values := map[string]string{}
	k.placeDisks(e, b)
	for _, name := range slices.Sorted(maps.Keys(e.set)) {
		value, err := k.allocate(g, values, name, k.c.canon("lxc", name, e.set[name]))
		if err != nil {
			return fail(err)
		}
		store(values, name, value)
	}
	if err := k.merge(values, b); err != nil {
		return fail(err)
	}
	if err := k.c.checkBridges(values); err != nil {
		return fail(err)
	}
	if len(b.conf.Raw) > 0 { // only root with a password gets them back
		t.log = append(t.log, "WARN: skipping custom lxc options, restore manually as root:")
	}
	k.joinPool(g.vmid)
	g.conf = newConf(values)
	if b.conf.Values["template"] == "1" {
		k.c.makeTemplate(g)
	}
	k.c.written(g)
	if k.on("start") && !g.template() {
		k.startMade(g)
	}
	return nil
}

// placeDisks gives each volume of the archive the size that it had, unless the
// request says what volumes there shall be.
func (k *call) placeDisks(e edit, b *backup) {
	if e.set["rootfs"] != "" {
		return
	}
	for _, name := range diskKeys("lxc", b.conf.Values) {
		value := b.conf.Values[name]
		gib := float64(parseSize(volumeOption(value, "size"))) / (1 << 30)
		e.set[name] = setVolume(value, fmt.Sprintf("%s:%g", k.restoreStorage(), gib), map[string]string{"size": ""})
	}
}

// merge adds what only the archive says. With "unique" every interface that the
// archive has is the archive's with a new address, whatever the request says.
func (k *call) merge(values map[string]string, b *backup) error {
	if values["unprivileged"] == "" && b.conf.Values["unprivileged"] != "" {
		values["unprivileged"] = b.conf.Values["unprivileged"]
	}
	if values["unprivileged"] != "1" {
		if err := k.need("/", "Sys.Modify"); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.conf.Values)) {
		value := b.conf.Values[name]
		_, given := values[name]
		switch {
		case slices.Contains(notRestored, name), isDisk("lxc", name), isIndexed(name, "unused"):
			continue
		case isNet(name) && !given:
			if err := k.permitBridge(value); err != nil {
				return err
			}
		}
		if isNet(name) && k.on("unique") {
			values[name] = k.c.canonNet(k.c.configKeys("lxc").Param(name).Keys, "lxc", value, true)
		} else if !given {
			values[name] = value
		}
	}
	for name, value := range map[string]string{"hostname": "CT" + k.str("vmid"), "memory": "512", "swap": "512"} {
		if values[name] == "" {
			values[name] = value
		}
	}
	return nil
}
