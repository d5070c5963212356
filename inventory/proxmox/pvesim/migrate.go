package pvesim

import "strings"

// migrate moves a guest's file to another node; the VMID and all in the file
// stay. A running container must be restarted, a running machine moves live.
func (k *call) migrate() (any, error) {
	g, err := k.unlocked()
	if err != nil {
		return nil, err
	}
	target := k.c.node(k.str("target"))
	switch {
	case target == nil:
		return nil, die("no such cluster node '%s'", k.str("target"))
	case target == g.node:
		return nil, badParam("target", "target is local node.")
	case target.down:
		return nil, die("node '%s' is offline", target.name)
	case g.running && g.isLXC() && !k.on("restart") && !k.on("online"):
		return nil, die("can't migrate running container without --online or --restart")
	case g.running && !g.isLXC() && !k.on("online"):
		return nil, badParam("online", "can't migrate running VM without --online")
	}
	if err := k.canMove(g, target); err != nil {
		return nil, err
	}
	kind := "qmigrate" // without a second m
	if g.isLXC() {
		kind = "vzmigrate"
	}
	return k.spawn(job{kind: kind, id: g.id(), cost: busy(k.c.costs.Migrate), abort: "migration aborted: ",
		begin: func(*task) error {
			if err := g.checkLock(); err != nil {
				return err
			}
			g.setLock(k.c, "migrate")
			return nil
		},
		undo: func() { g.setLock(k.c, "") },
		end: func(*task) error {
			if target.down {
				return die("migration aborted: node '%s' is offline", target.name)
			}
			g.node = target
			g.setLock(k.c, "")
			return nil
		},
	})
}

// canMove asks that the target has every storage; what is on a local one is
// copied, unless it is a linked clone's.
func (k *call) canMove(g *guest, target *node) error {
	for _, key := range diskKeys(g.kind, g.conf.Values) {
		volume := volumeOf(g.conf.Values[key])
		store, _, ok := splitVolume(volume)
		if !ok {
			return die("cannot migrate local bind mount point '%s'", key)
		}
		s, err := k.c.storageFor(store, target)
		if err != nil {
			return err
		}
		if !s.shared && strings.Contains(volume, "/base-") {
			return die("can't migrate '%s' as it's a clone of a base volume", volume)
		}
	}
	return nil
}
