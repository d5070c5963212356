package pvesim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// cloneLXC locks the source with "disk" and the target with "create" until the
// task ends; a second clone of the same source is refused meanwhile. The target
// has all but its volumes from the start: tags, raw lines and, unless the
// request says otherwise, host name and description are the source's.
func (k *call) cloneLXC() (any, error) {
	g, err := k.unlocked()
	if err != nil {
		return nil, err
	}
	plan, err := k.planClone(g)
	if err != nil {
		return nil, err
	}
	if plan.full && g.running && !k.has("snapname") {
		return nil, die("Full clone of a running container is only possible from a snapshot")
	}
	newid := k.num("newid")
	if err := k.c.exists(newid); err != nil {
		return nil, err
	}
	target := k.c.addGuest(plan.node, "lxc", newid, k.inherit(plan))
	target.conf.Values["lock"] = "create"
	if v := k.str("hostname"); v != "" {
		target.conf.Values["hostname"] = v
	}
	k.joinPool(newid)
	g.setLock(k.c, "disk")
	return k.spawn(job{kind: "vzclone", id: g.id(), cost: k.cloneCost(plan), abort: "clone failed: ",
		undo: func() { k.c.removeGuest(newid); g.setLock(k.c, "") },
		end: func(t *task) error {
			if err := k.copyDisks(t, target, plan); err != nil {
				return die("clone failed: %s", err)
			}
			g.setLock(k.c, "")
			target.setLock(k.c, "")
			return nil
		},
	})
}

// clonePlan is what a clone is made of.
type clonePlan struct {
	kind    string
	source  Section
	full    bool
	node    *node
	storage string // of a full clone, "" for the source's
}

// cloneCost of a full clone copies every disk; where a clone has disks on more
// than one storage, all is taken to go through the last of them.
func (k *call) cloneCost(p clonePlan) work {
	costs := &k.c.costs
	switch {
	case !p.full && p.kind == "qemu":
		return busy(cmp.Or(costs.LinkedMachine, costs.LinkedClone))
	case !p.full:
		return busy(costs.LinkedClone)
	}
	w := busy(costs.FullClone)
	for _, name := range diskKeys(p.kind, p.source.Values) {
		value := p.source.Values[name]
		store, _, _ := splitVolume(volumeOf(value))
		if p.storage != "" {
			store = p.storage
		}
		if volumeOption(value, "media") != "cdrom" {
			w = w.through(costs, k.c.storages[store], float64(parseSize(volumeOption(value, "size"))), k.bwlimit())
		}
	}
	return w
}

// planClone decides whether the clone is linked, and refuses what the storages
// cannot do.
func (k *call) planClone(g *guest) (clonePlan, error) {
	p := clonePlan{kind: g.kind, source: g.conf.Section, full: !g.template(), node: k.node, storage: k.str("storage")}
	if k.has("full") {
		p.full = k.on("full")
	}
	if p.storage != "" && !p.full {
		return p, die("parameter 'storage' not allowed for linked clones")
	}
	if err := k.permitClone(p); err != nil {
		return p, err
	}
	if name := k.str("snapname"); name != "" {
		s := g.snapshot(name)
		if s == nil {
			return p, die("snapshot '%s' does not exist", name)
		}
		p.source = *s
	}
	for _, name := range diskKeys(g.kind, p.source.Values) {
		if err := k.checkDisk(g, name, p); err != nil {
			return p, err
		}
	}
	return p, k.retarget(&p)
}

func (k *call) permitClone(p clonePlan) error {
	if p.storage != "" {
		if _, err := k.c.storageFor(p.storage, k.node); err != nil {
			return err
		}
		if err := k.need("/storage/"+p.storage, "Datastore.AllocateSpace"); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.source.Values)) {
		if !isNet(name) {
			continue
		}
		if err := k.permitBridge(p.source.Values[name]); err != nil {
			return err
		}
	}
	return nil
}

func (k *call) checkDisk(g *guest, name string, p clonePlan) error {
	value := p.source.Values[name]
	volume := volumeOf(value)
	if volumeOption(value, "media") == "cdrom" {
		return nil
	}
	store, _, ok := splitVolume(volume)
	if !ok && g.isLXC() {
		return die("unable to clone mountpoint '%s' (type bind)", name)
	}
	s, err := k.c.storageFor(store, k.node)
	if err != nil {
		return err
	}
	if p.storage == "" {
		if err := k.need("/storage/"+store, "Datastore.AllocateSpace"); err != nil {
			return err
		}
	}
	if !p.full && (!s.canLink(volume) || !g.template()) {
		what := "'" + volume + "'"
		if !g.isLXC() {
			what = "drive '" + name + "'"
		}
		return die("Linked clone feature for %s is not available", what)
	}
	return nil
}

// retarget sends a clone to another node, which shared storage alone allows.
func (k *call) retarget(p *clonePlan) error {
	name := k.str("target")
	if name == "" || name == k.node.name {
		return nil
	}
	if p.node = k.c.node(name); p.node == nil {
		return die("no such cluster node '%s'", name)
	}
	for _, key := range diskKeys(p.kind, p.source.Values) {
		store, _, _ := splitVolume(volumeOf(p.source.Values[key]))
		if p.full && p.storage != "" {
			store = p.storage
		}
		if s := k.c.storages[store]; s != nil && !s.shared {
			return die("can't clone %s to node '%s' (%s uses local storage)", wordOf(p.kind), name, wordOf(p.kind))
		}
	}
	return nil
}

// inherit makes a clone's configuration without its volumes: all is copied,
// MAC addresses are new.
func (k *call) inherit(p clonePlan) *Conf {
	conf := newConf(nil)
	conf.Raw = slices.Clone(p.source.Raw)
	for _, name := range slices.Sorted(maps.Keys(p.source.Values)) {
		value := p.source.Values[name]
		switch {
		case slices.Contains([]string{"lock", "template", "parent", "snaptime", "snapstate", "digest"}, name),
			isIndexed(name, "unused"), isDisk(p.kind, name) && volumeOption(value, "media") != "cdrom":
			continue
		case isNet(name):
			value = k.c.canonNet(k.c.configKeys(p.kind).Param(name).Keys, p.kind, value, true)
		}
		conf.Values[name] = value
	}
	if k.has("description") {
		store(conf.Values, "description", k.c.canon(p.kind, "description", k.str("description")))
	}
	return conf
}

// copyDisks gives a clone its volumes.
func (k *call) copyDisks(t *task, target *guest, p clonePlan) error {
	for _, name := range diskKeys(p.kind, p.source.Values) {
		value := p.source.Values[name]
		if volumeOption(value, "media") == "cdrom" {
			target.conf.Values[name] = strings.ReplaceAll(value, "vm-"+k.str("vmid")+"-cloudinit", "vm-"+target.id()+"-cloudinit")
			continue
		}
		volume, err := k.copyDisk(target, volumeOf(value), p)
		if err != nil {
			return err
		}
		how := "linked clone"
		if p.full {
			how = "full clone"
		}
		t.log = append(t.log, fmt.Sprintf("create %s of %s (%s)", how, name, volumeOf(value)))
		target.conf.Values[name] = setVolume(value, volume, nil)
	}
	return nil
}

func (k *call) copyDisk(target *guest, from string, p clonePlan) (string, error) {
	store, _, _ := splitVolume(from)
	if p.storage != "" {
		store = p.storage
	}
	s, err := k.c.storageFor(store, p.node)
	if err != nil {
		return "", err
	}
	format := "raw"
	if i := strings.LastIndex(baseName(from), "."); i >= 0 {
		format = baseName(from)[i+1:]
	}
	if f := k.str("format"); f != "" {
		format = f
	}
	fresh := s.newVolume(target, nil, format)
	if p.full {
		return fresh, nil
	}
	return s.linkVolume(from, fresh), nil
}
