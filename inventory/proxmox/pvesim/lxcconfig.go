package pvesim

import (
	"fmt"
	"maps"
	"slices"
)

// putLXCConfig writes a stopped container's configuration at once. What a
// running one cannot take waits in the pending section. A missing bridge is
// found after the write: the values stay.
func (k *call) putLXCConfig() (any, error) {
	g, err := k.guest()
	if err != nil {
		return nil, err
	}
	e, err := k.readEdit()
	if err != nil {
		return nil, err
	}
	if err := k.permitLXC(e, g.id()); err != nil {
		return nil, err
	}
	for _, name := range e.names() {
		if name == "unprivileged" {
			return nil, die("unable to modify read-only option: '%s'", name)
		}
	}
	if err := g.checkLock(); err != nil {
		return nil, err
	}
	if d := k.str("digest"); d != "" && d != g.conf.Digest() {
		return nil, die("detected modified configuration - file changed by other user? Try again.")
	}
	return nil, k.applyLXC(g, e)
}

func (k *call) applyLXC(g *guest, e edit) error {
	defer k.c.written(g)
	refused := map[string]string{}
	for _, name := range e.remove {
		if g.running && !hotplugLXC(name) {
			g.pendDelete(name)
			continue
		}
		delete(g.conf.Values, name)
		g.revertPending([]string{name})
	}
	for _, name := range slices.Sorted(maps.Keys(e.set)) {
		value := k.c.canon("lxc", name, e.set[name])
		if g.running && !hotplugLXC(name) {
			g.pend(name, value)
			continue
		}
		if bridge := volumeOption(value, "bridge"); g.running && isNet(name) && !k.c.bridges[bridge] {
			delete(g.conf.Values, name) // the old interface was already unplugged
			g.pend(name, e.set[name])
			refused[name] = fmt.Sprintf("unable to hotplug %s: bridge '%s' does not exist\n", name, bridge)
			continue
		}
		value, err := k.allocate(g, g.conf.Values, name, value)
		if err != nil {
			return err
		}
		store(g.conf.Values, name, value)
	}
	if len(refused) > 0 {
		return badParams(refused)
	}
	if !g.running {
		return k.c.checkBridges(g.conf.Values)
	}
	return nil
}

// hotplugLXC says whether a running container takes a change at once.
func hotplugLXC(name string) bool {
	switch name {
	case "arch", "rootfs", "ostype", "features", "timezone", "tty", "console", "cmode", "nameserver", "searchdomain", "entrypoint", "env":
		return false
	}
	return !isIndexed(name, "dev")
}
