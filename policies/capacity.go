package policies

import (
	"path"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler/plan"
)

// place is a node or a storage with what the open changes would add to it.
type place struct {
	inventory.Resource
	planned int64 // MiB on a node, GiB on a storage; negative when it empties
	keys    []inventory.Key
}

// capacity is what is live and bears a load, by a name that people know:
// "cri/pve1" for a node, "cri/pve1/local" for a storage of one node,
// "cri/vol-ceph-1" for a shared one, which every node lists.
type capacity struct {
	nodes     map[string]*place
	storages  map[string]*place
	templates map[string]inventory.Resource // "cri/9000"
}

func takeCapacity(p plan.Plan, live []inventory.Resource) capacity {
	c := capacity{nodes: map[string]*place{}, storages: map[string]*place{}, templates: map[string]inventory.Resource{}}
	for _, r := range live {
		name := r.Key.System() + "/" + r.Key.Name()
		switch r.Key.Kind() {
		case inventory.KindNode:
			c.nodes[name] = &place{Resource: r}
		case inventory.KindTemplate:
			c.templates[name] = r
		case inventory.KindStorage:
			if r.Attrs["shared"] == "1" {
				name = r.Key.System() + "/" + path.Base(r.Key.Name())
			}
			if known := c.storages[name]; known == nil || r.Key < known.Key {
				c.storages[name] = &place{Resource: r}
			}
		}
	}
	for _, s := range p.Steps {
		if !s.Blocked() && s.Key.Kind() == inventory.KindGuest {
			c.load(s)
		}
	}
	return c
}

// load moves a guest's weight from where it is to where it will be. A place
// remembers the changes that make it fuller.
func (c capacity) load(s plan.Step) {
	moved := map[*place]int64{}
	if s.Before != nil {
		c.weigh(moved, s.Key.System(), s.Before.Attrs, -1)
	}
	if s.After != nil {
		c.weigh(moved, s.Key.System(), afterAttrs(s.Change), 1)
	}
	for p, weight := range moved {
		p.planned += weight
		if weight > 0 {
			p.keys = append(p.keys, s.Key)
		}
	}
}

func (c capacity) weigh(moved map[*place]int64, cluster string, attrs inventory.Attrs, sign int64) {
	if node := c.nodes[cluster+"/"+attrs["node"]]; node != nil {
		moved[node] += sign * number(attrs, "memory")
	}
	storage := c.storages[cluster+"/"+attrs["storage"]]
	if storage == nil {
		storage = c.storages[cluster+"/"+attrs["node"]+"/"+attrs["storage"]]
	}
	if storage != nil {
		moved[storage] += sign * number(attrs, "disk")
	}
}
