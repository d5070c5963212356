package pvesim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim/schema"
)

// permitQEMU judges a wanted change of a machine.
func (k *call) permitQEMU(e edit, vmid string) error {
	for _, name := range e.names() {
		if err := k.permitQEMUOption(name, e.set[name], "/vms/"+vmid); err != nil {
			return err
		}
	}
	return nil
}

func (k *call) permitQEMUOption(name, value, vm string) error {
	switch {
	case slices.Contains([]string{"args", "hookscript", "lock", "skiplock"}, name):
		return die("only root can set '%s' config", name)
	case isIndexed(name, "serial") && value != "" && value != "socket":
		return die("only root can set '%s' config for real devices", name)
	case isIndexed(name, "hostpci") && !strings.Contains(value, "mapping="):
		return die("only root can set '%s' config for non-mapped devices", name)
	case isIndexed(name, "ipconfig") || strings.HasPrefix(name, "ci") || name == "sshkeys" ||
		name == "nameserver" || name == "searchdomain":
		if k.c.can(k.who, vm, "VM.Config.Network") {
			return nil
		}
		return k.orPool(vm, "VM.Config.Cloudinit")
	case isNet(name):
		if err := k.orPool(vm, "VM.Config.Network"); err != nil {
			return err
		}
		return k.permitBridge(value)
	case isDisk("qemu", name):
		return k.permitDrive(value, vm)
	case name == "memory" || name == "balloon" || name == "shares":
		return k.orPool(vm, "VM.Config.Memory")
	case slices.Contains([]string{"cores", "sockets", "cpulimit", "cpuunits", "vcpus", "numa", "smp", "affinity"}, name):
		return k.orPool(vm, "VM.Config.CPU")
	case slices.Contains([]string{"cpu", "machine", "scsihw", "vga", "watchdog", "arch", "kvm"}, name):
		return k.orPool(vm, "VM.Config.HWType")
	}
	return k.orPool(vm, "VM.Config.Options")
}

func (k *call) permitDrive(value, vm string) error {
	if volumeOption(value, "media") == "cdrom" || strings.HasSuffix(volumeOf(value), ":cloudinit") {
		return k.orPool(vm, "VM.Config.CDROM")
	}
	if strings.HasPrefix(volumeOf(value), "/") || strings.HasPrefix(volumeOption(value, "import-from"), "/") {
		return forbidden("Only root can pass arbitrary filesystem paths.")
	}
	if err := k.orPool(vm, "VM.Config.Disk"); err != nil {
		return err
	}
	return k.permitVolume(value)
}

// createQEMU takes the VMID at once.
func (k *call) createQEMU() (any, error) {
	vmid := k.num("vmid")
	if err := k.taken("qemu", vmid); err != nil {
		return nil, err
	}
	e := edit{set: maps.Clone(k.params)}
	for _, name := range notStored {
		delete(e.set, name)
	}
	if err := k.permitQEMU(e, k.str("vmid")); err != nil {
		return nil, err
	}
	g := k.c.addGuest(k.node, "qemu", vmid, newConf(map[string]string{"lock": "create"}))
	k.joinPool(vmid)
	return k.spawn(job{kind: "qmcreate", id: g.id(), cost: k.createCost(), abort: fmt.Sprintf("unable to create VM %d - ", vmid),
		undo: func() { k.c.removeGuest(vmid) },
		end:  func(*task) error { return k.finishQEMU(g, e) },
	})
}

func (k *call) finishQEMU(g *guest, e edit) error {
	values := map[string]string{
		"meta":    fmt.Sprintf("creation-qemu=10.1.2,ctime=%d", time.Now().Unix()),
		"smbios1": "uuid=" + k.c.uuid(),
		"vmgenid": k.c.uuid(),
	}
	for _, name := range slices.Sorted(maps.Keys(e.set)) {
		value, err := k.prepareQEMU(g, values, name, e.set[name])
		if err != nil {
			return die("unable to create VM %d - %s", g.vmid, err)
		}
		store(values, name, value)
	}
	if order := bootOrder(values); values["boot"] == "" && order != "" {
		values["boot"] = "order=" + order
	}
	g.conf.Values = values
	k.c.written(g)
	if k.on("start") {
		k.startMade(g)
	}
	return nil
}

// prepareQEMU makes a value as it is stored, with new volumes where it asks
// for them.
func (k *call) prepareQEMU(g *guest, values map[string]string, name, value string) (string, error) {
	value = k.c.canon("qemu", name, value)
	if !isDisk("qemu", name) {
		return value, nil
	}
	if store, rest, ok := splitVolume(volumeOf(value)); ok && rest == "cloudinit" {
		s, err := k.c.storageFor(store, k.node)
		if err != nil {
			return "", err
		}
		return s.cloudInit(g.vmid), nil
	}
	return k.allocate(g, values, name, value)
}

// cloudInit names the drive that carries a machine's cloud-init data.
func (s *storage) cloudInit(vmid int) string {
	if s.files() {
		return fmt.Sprintf("%s:%d/vm-%d-cloudinit.qcow2,media=cdrom", s.name, vmid, vmid)
	}
	return fmt.Sprintf("%s:vm-%d-cloudinit,media=cdrom", s.name, vmid)
}

// bootOrder is what the server chooses: the first disk, and the first net.
func bootOrder(values map[string]string) string {
	var order []string
	if disks := bootDisks(values); len(disks) > 0 {
		order = append(order, disks[0])
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if isNet(name) {
			order = append(order, name)
			break
		}
	}
	return strings.Join(order, ";")
}

func (k *call) putQEMUConfig() (any, error) { return nil, k.changeQEMU() }

// postQEMUConfig does it in a task.
func (k *call) postQEMUConfig() (any, error) {
	if err := k.changeQEMU(); err != nil {
		return nil, err
	}
	return k.spawn(job{kind: "qmconfig", id: k.str("vmid")})
}

func (k *call) changeQEMU() error {
	g, err := k.guest()
	if err != nil {
		return err
	}
	e, err := k.readEdit()
	if err != nil {
		return err
	}
	if err := k.permitQEMU(e, g.id()); err != nil {
		return err
	}
	if d := k.str("digest"); d != "" && d != g.conf.Digest() {
		return die("checksum mismatch (file change by other user?)")
	}
	if err := g.checkLock(); err != nil {
		return err
	}
	defer k.c.written(g)
	g.revertPending(schema.SplitList(k.str("revert")))
	return k.applyQEMU(g, e)
}

func (k *call) applyQEMU(g *guest, e edit) error {
	for _, name := range e.remove {
		if g.running && !hotplugQEMU(name) {
			g.pendDelete(name)
			continue
		}
		delete(g.conf.Values, name)
		g.revertPending([]string{name})
	}
	for _, name := range slices.Sorted(maps.Keys(e.set)) {
		value, err := k.prepareQEMU(g, g.conf.Values, name, e.set[name])
		if err != nil {
			return err
		}
		if g.running && !hotplugQEMU(name) {
			g.pend(name, value)
			continue
		}
		store(g.conf.Values, name, value)
	}
	return nil
}

// hotplugQEMU says whether a running machine takes a change at once.
func hotplugQEMU(name string) bool {
	switch name {
	case "name", "description", "tags", "onboot", "protection", "startup", "hotplug", "cpulimit", "cpuunits", "shares", "hookscript", "lock":
		return true
	}
	return isNet(name) || isDisk("qemu", name)
}

// destroyQEMU finds a lock only in its task.
func (k *call) destroyQEMU() (any, error) {
	g, err := k.guest()
	if err != nil {
		return nil, err
	}
	if g.conf.Values["protection"] == "1" {
		return nil, die("can't remove VM %d - protection mode enabled", g.vmid)
	}
	if g.running {
		return nil, die("VM %d is running - destroy failed", g.vmid)
	}
	return k.spawn(job{kind: "qmdestroy", id: g.id(), files: k.machineFile(), cost: busy(k.c.costs.Destroy),
		begin: func(*task) error {
			if g, err = k.guest(); err != nil {
				return err
			}
			return g.checkLock()
		},
		end: func(t *task) error { return k.destroy(t, g) },
	})
}

func (k *call) templateQEMU() (any, error) {
	g, err := k.guest()
	if err != nil {
		return nil, err
	}
	switch {
	case g.lock() != "":
		return nil, g.checkLock()
	case g.template():
		return nil, die("you can't convert a template to a template")
	case len(g.conf.Snapshots) > 0:
		return nil, die("unable to create template, because VM contains snapshots")
	case g.running:
		return nil, die("you can't convert a VM to template if VM is running")
	}
	return k.spawn(job{kind: "qmtemplate", id: g.id(), cost: busy(k.c.costs.Template),
		end: func(*task) error { k.c.makeTemplate(g); return nil }})
}

func (k *call) resizeQEMU() (any, error) { return k.resize("shrinking disks is not supported") }

// regenerateCloudInit has nothing to do: the drive is not modelled.
func (k *call) regenerateCloudInit() (any, error) {
	g, err := k.unlocked()
	if err != nil {
		return nil, err
	}
	for _, name := range diskKeys("qemu", g.conf.Values) {
		if strings.Contains(g.conf.Values[name], "cloudinit") {
			return nil, nil
		}
	}
	return nil, die("No cloudinit drive found")
}

func (k *call) pingAgent() (any, error) {
	g, err := k.guest()
	switch {
	case err != nil:
		return nil, err
	case g.conf.Values["agent"] == "" || strings.HasPrefix(g.conf.Values["agent"], "0"):
		return nil, die("No QEMU guest agent configured")
	case !g.running:
		return nil, die("VM %d is not running", g.vmid)
	}
	return map[string]any{"result": map[string]any{}}, nil
}
