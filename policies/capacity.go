package policies

import (
	"path"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler/plan"
)

// place is a node or a storage with what the open changes would add to it.
type place struct {
	*inventory.Resource
	planned int64       // MiB on a node, GiB on a storage; negative when it empties
	ids     []*ast.Term // of the changes that make it fuller
}

// capacity is what is live and bears a load, by a name that people know:
// "cri/pve1" for a node, "cri/pve1/local" for a storage of one node,
// "cri/vol-ceph-1" for a shared one, which every node lists.
type capacity struct {
	nodes     map[string]*place
	storages  map[string]*place
	templates map[string]*inventory.Resource // "cri/9000"
}

func newCapacity() capacity {
	return capacity{nodes: map[string]*place{}, storages: map[string]*place{}, templates: map[string]*inventory.Resource{}}
}

// has notes something live.
func (c capacity) has(kind string, r *inventory.Resource) {
	name := func() string { return r.Key.System() + "/" + r.Key.Name() }
	switch kind {
	case inventory.KindNode:
		c.nodes[name()] = &place{Resource: r}
	case inventory.KindTemplate:
		c.templates[name()] = r
	case inventory.KindStorage:
		at := name()
		if r.Attrs["shared"] == "1" {
			at = r.Key.System() + "/" + path.Base(r.Key.Name())
		}
		if known := c.storages[at]; known == nil || r.Key < known.Key {
			c.storages[at] = &place{Resource: r}
		}
	}
}

// load moves a guest's weight from where it is to where it will be. A place
// remembers the changes that make it fuller.
func (c capacity) load(s *plan.Step) {
	moved := make(shift, 0, 4)
	if s.Before != nil {
		moved = c.weigh(moved, s.Key.System(), s.Before.Attrs, -1)
	}
	if s.After != nil {
		moved = c.weigh(moved, s.Key.System(), afterAttrs(&s.Change), 1)
	}
	var id *ast.Term // one for all places
	for _, m := range moved {
		m.place.planned += m.weight
		if m.weight > 0 {
			if id == nil {
				id = text(string(s.Key))
			}
			m.place.ids = append(m.place.ids, id)
		}
	}
}

// shift is by how much a change loads at most four places: two nodes, two storages.
type shift []struct {
	place  *place
	weight int64
}

func (m shift) add(p *place, weight int64) shift {
	for i := range m {
		if m[i].place == p {
			m[i].weight += weight
			return m
		}
	}
	return append(m, struct {
		place  *place
		weight int64
	}{p, weight})
}

func (c capacity) weigh(moved shift, cluster string, attrs inventory.Attrs, sign int64) shift {
	if node := c.nodes[cluster+"/"+attrs["node"]]; node != nil {
		moved = moved.add(node, sign*number(attrs, "memory"))
	}
	storage := c.storages[cluster+"/"+attrs["storage"]]
	if storage == nil {
		storage = c.storages[cluster+"/"+attrs["node"]+"/"+attrs["storage"]]
	}
	if storage != nil {
		moved = moved.add(storage, sign*number(attrs, "disk"))
	}
	return moved
}
