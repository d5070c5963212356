package pvesim

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// notStored are the parameters of a creation that are no options.
var notStored = []string{"node", "vmid", "ostemplate", "storage", "pool", "password", "ssh-public-keys", "start", "force",
	"restore", "unique", "bwlimit", "ignore-unpack-errors", "ha-managed", "archive", "live-restore", "import-working-storage"}

// createLXC takes the VMID at once with "lock: create"; the rest comes when the
// task ends.
func (k *call) createLXC() (any, error) {
	if k.on("restore") {
		return k.restoreLXC()
	}
	vmid := k.num("vmid")
	if err := k.taken("lxc", vmid); err != nil {
		return nil, err
	}
	e := edit{set: maps.Clone(k.params)}
	for _, name := range notStored {
		delete(e.set, name)
	}
	k.defaultRootfs(e)
	if err := k.admitLXC(e); err != nil {
		return nil, err
	}
	g := k.c.addGuest(k.node, "lxc", vmid, newConf(map[string]string{"lock": "create"}))
	k.joinPool(vmid)
	return k.spawn(job{kind: "vzcreate", id: g.id(), cost: k.createCost(), abort: fmt.Sprintf("unable to create CT %d - ", vmid),
		undo: func() { k.c.removeGuest(vmid) },
		end:  func(*task) error { return k.finishLXC(g, e) },
	})
}

// createCost is that of a creation, and of the start that it may ask for. Only
// containers unpack an OS template.
func (k *call) createCost() work {
	costs := &k.c.costs
	w := k.withStart(busy(costs.Create))
	if k.kind == "lxc" {
		name, _, _ := strings.Cut(volumeOf(k.str("rootfs")), ":")
		if name == "" {
			name = k.str("storage")
		}
		w = w.through(costs, k.c.storages[name], costs.Unpacked, k.bwlimit())
	}
	return w
}

// withStart adds the start that a creation may ask for.
func (k *call) withStart(w work) work {
	if k.on("start") {
		w.busy += k.c.costs.CreatedStart
		w.idle = k.c.costs.Start - k.c.costs.CreatedStart
	}
	return w
}

// bwlimit is the request's limit of copying, in bytes a second.
func (k *call) bwlimit() float64 { return float64(max(k.num("bwlimit"), 0)) * 1024 }

// defaultRootfs is 4 GiB on the storage that was named, or on "local".
func (k *call) defaultRootfs(e edit) {
	storage := k.str("storage")
	if storage == "" {
		storage = "local"
	}
	if e.set["rootfs"] == "" {
		e.set["rootfs"] = storage + ":4"
	}
}

func (k *call) admitLXC(e edit) error {
	if k.c.opts.Release != "8.4" && e.set["unprivileged"] == "0" {
		if err := k.need("/", "Sys.Modify"); err != nil {
			return err
		}
	}
	if err := k.permitLXC(e, k.str("vmid")); err != nil {
		return err
	}
	store, _, _ := splitVolume(k.str("ostemplate"))
	if _, err := k.c.storageFor(store, k.node); err != nil {
		return err
	}
	return k.checkStorages(e.set)
}

// checkStorages looks whether the storages of wanted volumes are there.
func (k *call) checkStorages(values map[string]string) error {
	for _, name := range diskKeys(k.kind, values) {
		store, _, ok := sizeRequest(volumeOf(values[name]))
		if !ok {
			continue
		}
		if _, err := k.c.storageFor(store, k.node); err != nil {
			return err
		}
	}
	return nil
}

// finishLXC writes the configuration of a new container.
func (k *call) finishLXC(g *guest, e edit) error {
	fail := func(err error) error { return die("unable to create CT %d - %s", g.vmid, err) }
	if err := k.c.ostemplate(k.str("ostemplate"), k.node); err != nil {
		return fail(err)
	}
	values := map[string]string{"arch": "amd64", "hostname": "CT" + g.id(), "memory": "512", "swap": "512",
		"ostype": osType(k.str("ostemplate"))}
	if k.c.opts.Release != "8.4" {
		values["unprivileged"] = "1"
	}
	for _, name := range slices.Sorted(maps.Keys(e.set)) {
		value, err := k.allocate(g, values, name, k.c.canon("lxc", name, e.set[name]))
		if err != nil {
			return fail(err)
		}
		store(values, name, value)
	}
	if err := k.c.checkBridges(values); err != nil {
		return fail(err)
	}
	g.conf.Values = values
	k.c.written(g)
	if k.on("start") {
		k.startMade(g)
	}
	return nil
}

// osType guesses from the template's name what the real server reads in it.
func osType(template string) string {
	for _, name := range []string{"debian", "devuan", "ubuntu", "centos", "fedora", "opensuse", "archlinux", "alpine", "gentoo", "nixos"} {
		if strings.Contains(template, name) {
			return name
		}
	}
	return "unmanaged"
}

// checkBridges refuses interfaces on bridges that the nodes do not have.
func (c *Cluster) checkBridges(values map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !isNet(name) {
			continue
		}
		if bridge := volumeOption(values[name], "bridge"); !c.bridges[bridge] {
			return die("bridge '%s' does not exist", bridge)
		}
	}
	return nil
}

// destroyLXC refuses at once what it can refuse.
func (k *call) destroyLXC() (any, error) {
	g, err := k.guest()
	if err != nil {
		return nil, err
	}
	if err := g.checkLock(); err != nil {
		return nil, err
	}
	if g.conf.Values["protection"] == "1" {
		return nil, die("can't remove CT %d - protection mode enabled", g.vmid)
	}
	if g.running && !k.on("force") {
		return nil, die("unable to destroy CT %d - container is running", g.vmid)
	}
	// The worker sets the lock: one that cannot start leaves none.
	return k.spawn(job{kind: "vzdestroy", id: g.id(), cost: busy(k.c.costs.Destroy),
		begin: func(*task) error {
			if g, err = k.guest(); err != nil {
				return err
			}
			if err := g.checkLock(); err != nil {
				return err
			}
			g.setLock(k.c, "destroyed")
			return nil
		},
		undo: func() { g.setLock(k.c, "") },
		end:  func(t *task) error { return k.destroy(t, g) },
	})
}

func (k *call) destroy(t *task, g *guest) error {
	for _, name := range diskKeys(g.kind, g.conf.Values) {
		if base := volumeOf(g.conf.Values[name]); g.template() && k.c.inUse(base) {
			return die("base volume '%s' is still in use by linked cloned", base)
		}
	}
	if k.on("purge") {
		t.log = append(t.log, fmt.Sprintf("purging %s %d from related configurations..", g.word(), g.vmid))
	}
	k.c.removeGuest(g.vmid)
	return nil
}

// templateLXC answers null and goes on in a task that nobody is told of.
func (k *call) templateLXC() (any, error) {
	g, err := k.guest()
	if err != nil {
		return nil, err
	}
	switch {
	case g.lock() != "":
		return nil, g.checkLock()
	case g.template():
		return nil, die("you can't convert a template to a template")
	case g.running:
		return nil, die("you can't convert a CT to template if the CT is running")
	case len(g.conf.Snapshots) > 0:
		return nil, die("unable to create template, because CT contains snapshots")
	}
	_, err = k.spawn(job{kind: "vztemplate", id: g.id(), cost: busy(k.c.costs.Template),
		end: func(*task) error { k.c.makeTemplate(g); return nil },
	})
	return nil, err
}

func (c *Cluster) makeTemplate(g *guest) {
	for _, name := range diskKeys(g.kind, g.conf.Values) {
		value := g.conf.Values[name]
		if volume := volumeOf(value); !strings.HasPrefix(volume, "/") && volumeOption(value, "media") != "cdrom" {
			g.conf.Values[name] = setVolume(value, toBase(volume), nil)
		}
	}
	g.conf.Values["template"] = "1"
	g.setLock(c, "")
}

// resizeLXC grows a volume; shrinking is refused.
func (k *call) resizeLXC() (any, error) { return k.resize("unable to shrink disk size") }

func (k *call) resize(shrinks string) (any, error) {
	g, err := k.unlocked()
	if err != nil {
		return nil, err
	}
	if d := k.str("digest"); d != "" && d != g.conf.Digest() {
		return nil, die("detected modified configuration - file changed by other user? Try again.")
	}
	disk := k.str("disk")
	value, ok := g.conf.Values[disk]
	if !ok {
		return nil, die("disk '%s' does not exist", disk)
	}
	now, size := parseSize(volumeOption(value, "size")), k.str("size")
	want := parseSize(strings.TrimPrefix(size, "+"))
	if strings.HasPrefix(size, "+") {
		want += now
	}
	if want < now {
		return nil, die("%s", shrinks)
	}
	return k.spawn(job{kind: "resize", id: strconv.Itoa(g.vmid), cost: busy(k.c.costs.Config), end: func(*task) error {
		g.conf.Values[disk] = setVolume(value, volumeOf(value), map[string]string{"size": formatSize(want)})
		k.c.written(g)
		return nil
	}})
}
