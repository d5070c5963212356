package pvesim

import (
	"strings"
)

// permitLXC judges a wanted change of a container, as check_ct_modify_config_perm
// does: what a token may never do comes with the texts of the real server.
func (k *call) permitLXC(e edit, vmid string) error {
	for _, name := range e.names() {
		if err := k.permitLXCOption(name, e.set[name], vmid); err != nil {
			return err
		}
	}
	return nil
}

func (k *call) permitLXCOption(name, value, vmid string) error {
	vm := "/vms/" + vmid
	switch {
	case name == "features":
		return permitFeatures(value)
	case name == "hookscript":
		return forbidden("changing the hookscript is only allowed for root@pam")
	case isIndexed(name, "dev"):
		return forbidden("configuring device passthrough is only allowed for root@pam")
	case isDisk("lxc", name):
		if volume := volumeOf(value); strings.HasPrefix(volume, "/dev/") {
			return forbidden("mount point type device is only allowed for root@pam")
		} else if strings.HasPrefix(volume, "/") {
			return forbidden("mount point type bind is only allowed for root@pam")
		}
		if err := k.orPool(vm, "VM.Config.Disk"); err != nil {
			return err
		}
		return k.permitVolume(value)
	case name == "memory" || name == "swap":
		return k.orPool(vm, "VM.Config.Memory")
	case strings.HasPrefix(name, "cpu") || name == "cores":
		return k.orPool(vm, "VM.Config.CPU")
	case isNet(name):
		if err := k.orPool(vm, "VM.Config.Network"); err != nil {
			return err
		}
		return k.permitBridge(value)
	case name == "nameserver" || name == "searchdomain" || name == "hostname":
		return k.orPool(vm, "VM.Config.Network")
	}
	return k.orPool(vm, "VM.Config.Options")
}

// permitFeatures lets tokens set nesting and nothing else.
func permitFeatures(value string) error {
	for part := range strings.SplitSeq(value, ",") {
		if name, _, _ := strings.Cut(part, "="); name != "" && name != "nesting" {
			return forbidden("changing feature flags (except nesting) is only allowed for root@pam")
		}
	}
	return nil
}

// orPool is a privilege on the guest, or on the pool that it shall be made in.
func (k *call) orPool(path, priv string) error {
	if pool := k.str("pool"); pool != "" && k.c.can(k.who, "/pool/"+pool, priv) {
		return nil
	}
	return k.need(path, priv)
}

// permitVolume asks for the right to allocate on a storage.
func (k *call) permitVolume(value string) error {
	name, _, ok := sizeRequest(volumeOf(value))
	if !ok {
		return nil
	}
	if k.c.storages[name] == nil {
		return die("storage '%s' does not exist", name)
	}
	return k.need("/storage/"+name, "Datastore.AllocateSpace")
}

// bridgePath is where the right to use a bridge, and a VLAN on it, is granted.
func bridgePath(bridge, tag string) string {
	path := "/sdn/zones/localnetwork/" + bridge
	if tag != "" {
		path += "/" + tag
	}
	return path
}

func (k *call) permitBridge(net string) error {
	bridge := volumeOption(net, "bridge")
	if bridge == "" {
		return nil
	}
	return k.need(bridgePath(bridge, volumeOption(net, "tag")), "SDN.Use")
}

// permitCreate is the rule for a new guest: on its VMID or on its pool.
func (k *call) permitCreate() error {
	if err := k.checkPool(); err != nil {
		return err
	}
	if k.c.can(k.who, "/vms/"+k.str("vmid"), "VM.Allocate") {
		return nil
	}
	if pool := k.str("pool"); pool != "" && k.c.can(k.who, "/pool/"+pool, "VM.Allocate") {
		return nil
	}
	if k.replaces() && k.c.can(k.who, "/vms/"+k.str("vmid"), "VM.Backup") {
		return nil
	}
	return forbidden("")
}

// checkVMIDFree is looked at when a creation comes in; whoever passes it can
// still lose the race.
func (k *call) checkVMIDFree() error {
	if err := k.permitCreate(); err != nil {
		return err
	}
	if k.kind == "qemu" {
		if err := k.checkStorages(k.params); err != nil {
			return err
		}
	}
	if k.replaces() {
		return nil
	}
	return k.c.exists(k.num("vmid"))
}

// checkNewIDFree does so for a clone of a container.
func (k *call) checkNewIDFree() error {
	if err := k.checkPool(); err != nil {
		return err
	}
	if _, err := k.guest(); err != nil {
		return err
	}
	return k.c.exists(k.num("newid"))
}

// taken is the loser's text of a race for a VMID.
func (k *call) taken(kind string, vmid int) error {
	if err := k.c.exists(vmid); err != nil {
		return die("unable to create %s %d - %s", wordOf(kind), vmid, err)
	}
	return nil
}
