package pvesim

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// cloneQEMU does its work in the task, under file locks with a limit of one
// second: shared on a stopped source, so that clones of a template run side by
// side. Two requests for one VMID may both be answered 200; the task of one of
// them then fails. The target has no name until the end.
func (k *call) cloneQEMU() (any, error) {
	if err := k.checkPool(); err != nil {
		return nil, err
	}
	g, err := k.unlocked()
	if err != nil {
		return nil, err
	}
	plan, err := k.planClone(g)
	if err != nil {
		return nil, err
	}
	newid := k.num("newid")
	if t := k.c.guests[newid]; t != nil && t.kind == "qemu" {
		return nil, die("unable to create VM %d: config file already exists", newid)
	}
	var target *guest
	return k.spawn(job{kind: "qmclone", id: g.id(), fork: true, cost: k.cloneCost(plan), abort: "clone failed: ",
		files: []fileClaim{
			{path: lockPath("qemu", k.vmid), exclusive: g.running, limit: time.Second},
			{path: lockPath("qemu", newid), exclusive: true, limit: time.Second},
		},
		begin: func(*task) (err error) { target, err = k.reserve(plan, newid); return err },
		undo:  func() { k.c.removeGuest(newid) },
		end: func(t *task) error {
			if err := k.finishClone(t, target, g, plan); err != nil {
				return die("clone failed: %s", err)
			}
			return nil
		},
	})
}

// reserve takes the VMID in the worker, where a race is decided.
func (k *call) reserve(p clonePlan, newid int) (*guest, error) {
	switch t := k.c.guests[newid]; {
	case t == nil:
	case t.kind == "qemu":
		return nil, die("unable to create VM %d: config file already exists", newid)
	default:
		return nil, die("close (rename) atomic file '/etc/pve/nodes/%s/qemu-server/%d.conf' failed: File exists", p.node.name, newid)
	}
	conf := newConf(map[string]string{"lock": "clone", "description": " qmclone temporary file"})
	target := k.c.addGuest(p.node, "qemu", newid, conf)
	k.joinPool(newid)
	return target, nil
}

func (k *call) finishClone(t *task, target, source *guest, p clonePlan) error {
	conf := k.inherit(p)
	conf.Values["smbios1"] = "uuid=" + k.c.uuid()
	conf.Values["vmgenid"] = k.c.uuid()
	switch name := p.source.Values["name"]; {
	case k.str("name") != "":
		conf.Values["name"] = k.str("name")
	case name != "":
		conf.Values["name"] = "Copy-of-VM-" + name
	default:
		conf.Values["name"] = fmt.Sprintf("Copy-of-VM-%d", source.vmid)
	}
	target.conf.Values = map[string]string{}
	if err := k.copyDisks(t, target, p); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(target.conf.Values)) {
		conf.Values[name] = target.conf.Values[name]
	}
	target.conf = conf
	k.c.written(target)
	return nil
}
