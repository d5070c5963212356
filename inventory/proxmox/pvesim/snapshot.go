package pvesim

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

func (g *guest) snapshot(name string) *Section {
	for i := range g.conf.Snapshots {
		if g.conf.Snapshots[i].Name == name {
			return &g.conf.Snapshots[i]
		}
	}
	return nil
}

// taskType is "vz" or "qm" and a verb.
func (k *call) taskType(verb string) string {
	if k.kind == "lxc" {
		return "vz" + verb
	}
	return "qm" + verb
}

func (k *call) listSnapshots() (any, error) {
	g, err := k.guest()
	if err != nil {
		return nil, err
	}
	rows := []map[string]any{}
	for _, s := range g.conf.Snapshots {
		at, _ := strconv.Atoi(s.Values["snaptime"])
		row := map[string]any{"name": s.Name, "snaptime": at, "description": s.Values["description"]}
		if p := s.Values["parent"]; p != "" {
			row["parent"] = p
		}
		rows = append(rows, row)
	}
	now := map[string]any{"name": "current", "description": "You are here!", "running": bit(g.running), "digest": g.conf.Digest()}
	if p := g.conf.Values["parent"]; p != "" {
		now["parent"] = p
	}
	return append(rows, now), nil
}

func (k *call) createSnapshot() (any, error) {
	name := k.str("snapname")
	if name == "current" || name == "pending" {
		return nil, die("unable to use snapshot name '%s' (reserved name)", name)
	}
	return k.snapshotJob("snapshot", func(g *guest) error {
		if g.snapshot(name) != nil {
			return die("snapshot name '%s' already used", name)
		}
		if err := k.canSnapshot(g); err != nil {
			return err
		}
		s := g.conf.Section.clone()
		s.Name = name
		delete(s.Values, "description")
		store(s.Values, "description", k.c.canon(g.kind, "description", k.str("description")))
		s.Values["snaptime"] = strconv.FormatInt(time.Now().Unix(), 10)
		g.conf.Snapshots = append(g.conf.Snapshots, s)
		g.conf.Values["parent"] = name
		return nil
	})
}

func (k *call) canSnapshot(g *guest) error {
	for _, key := range diskKeys(g.kind, g.conf.Values) {
		store, name, ok := splitVolume(volumeOf(g.conf.Values[key]))
		if !ok || volumeOption(g.conf.Values[key], "media") == "cdrom" {
			continue
		}
		s, err := k.c.storageFor(store, k.node)
		if err != nil {
			return err
		}
		if !strings.Contains(name, "-disk-") {
			return die("unable to parse directory volume name '%s'", name)
		}
		if !s.canSnapshot(volumeOf(g.conf.Values[key])) {
			return die("snapshot feature is not available")
		}
	}
	return nil
}

// snapshotJob runs a change of a guest's snapshots in a task, where everything
// that is wrong is found.
func (k *call) snapshotJob(verb string, change func(*guest) error) (any, error) {
	g, err := k.guest()
	if err != nil {
		return nil, err
	}
	return k.spawn(job{kind: k.taskType(verb), id: g.id(), cost: busy(k.c.costs.Snapshot),
		begin: func(*task) error { return g.checkLock() },
		end: func(*task) error {
			if err := change(g); err != nil {
				return err
			}
			k.c.written(g)
			return nil
		},
	})
}

func (k *call) deleteSnapshot() (any, error) {
	name := k.str("snapname")
	return k.snapshotJob("delsnapshot", func(g *guest) error {
		s := g.snapshot(name)
		if s == nil {
			return die("snapshot '%s' does not exist", name)
		}
		if g.conf.Values["parent"] == name {
			g.conf.Values["parent"] = s.Values["parent"]
			if g.conf.Values["parent"] == "" {
				delete(g.conf.Values, "parent")
			}
		}
		g.conf.Snapshots = slices.DeleteFunc(g.conf.Snapshots, func(s Section) bool { return s.Name == name })
		return nil
	})
}

func (k *call) rollbackSnapshot() (any, error) {
	name := k.str("snapname")
	return k.snapshotJob("rollback", func(g *guest) error {
		s := g.snapshot(name)
		if s == nil {
			return die("snapshot '%s' does not exist", name)
		}
		back := s.clone()
		back.Name = ""
		delete(back.Values, "snaptime")
		// The snapshot's own text says what it is for; the guest keeps the guest's. [src]
		delete(back.Values, "description")
		store(back.Values, "description", g.conf.Values["description"])
		for option, value := range g.conf.Values {
			if strings.HasPrefix(option, "unused") {
				back.Values[option] = value
			}
		}
		back.Values["parent"] = name
		g.setRunning(false)
		g.conf.Section = back
		return nil
	})
}

func (k *call) getSnapshotConfig() (any, error) {
	g, err := k.guest()
	if err != nil {
		return nil, err
	}
	s := g.snapshot(k.str("snapname"))
	if s == nil {
		return nil, die("snapshot '%s' does not exist", k.str("snapname"))
	}
	return k.c.present(g.kind, s.Values), nil
}
