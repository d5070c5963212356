package projects

import (
	"slices"

	"github.com/provost-dev/provost/inventory"
)

// assignNodes chooses the node of every machine: the declared one, else the one
// it lives on, else the one with the least memory planned on it, in key order.
func (b *builder) assignNodes() {
	planned := map[string]map[string]int{} // cluster, node, MiB
	sources := b.sources()
	places := candidates{}
	for _, s := range b.sites {
		known := b.known(s)
		s.node = known.Attrs["node"]
		if declared := s.attrs["node"]; declared != "" {
			s.node = declared
		}
		if s.node != "" {
			addMemory(planned, s.cluster.name, s.node, s.attrs["memory"])
		}
	}
	for _, r := range b.live.foreign {
		addMemory(planned, r.Key.System(), r.Attrs["node"], r.Attrs["memory"])
	}
	for _, s := range b.sites {
		if s.refused != "" || s.isLive {
			continue
		}
		source, found := b.sourceOf(s, sources)
		if !found {
			b.refuse(s, suggest(s.base, sourceNames(b.live.templates[s.cluster.name])), "cluster %s has no template %q", s.cluster.name, s.base)
		}
		if s.node == "" && s.adopt == 0 && s.refused == "" {
			b.place(s, planned[s.cluster.name], b.candidates(s, source, places))
			addMemory(planned, s.cluster.name, s.node, s.attrs["memory"])
		}
	}
}

func addMemory(planned map[string]map[string]int, cluster, node, memory string) {
	if planned[cluster] == nil {
		planned[cluster] = map[string]int{}
	}
	planned[cluster][node] += decimal(memory)
}

func (b *builder) place(s *site, planned map[string]int, nodes []string) {
	best := ""
	for _, node := range nodes {
		if best == "" || planned[node] < planned[best] {
			best = node
		}
	}
	if s.node = best; best == "" {
		b.refuse(s, "wait for a node, or name one with node:", "cluster %s has no node online that has storage %s", s.cluster.name, s.attrs["storage"])
	}
}

// candidates are the nodes that a new machine can be on, by what decides that.
type candidates map[storageOf][]string

type storageOf struct {
	cluster *cluster
	storage string
	source  *inventory.Resource
}

// candidates are the nodes that a new machine can be on, sorted.
func (b *builder) candidates(s *site, source *inventory.Resource, known candidates) []string {
	on := storageOf{s.cluster, s.attrs["storage"], source}
	nodes, ok := known[on]
	if !ok {
		if only := b.pinned(source); only != "" {
			nodes = []string{only}
		} else {
			nodes = b.nodesWith(on)
		}
		known[on] = nodes
	}
	return nodes
}

// nodesWith are the nodes that are online and have a storage, sorted. Where the
// nodes are not known, those of campus.yaml are believed to be there.
func (b *builder) nodesWith(on storageOf) []string {
	var nodes []string
	for _, n := range b.live.nodes[on.cluster.name] {
		name := n.Key.Name()
		if n.Attrs["status"] == "online" && (len(on.cluster.nodes) == 0 || slices.Contains(on.cluster.nodes, name)) {
			nodes = append(nodes, name)
		}
	}
	if len(b.live.nodes[on.cluster.name]) == 0 {
		nodes = slices.Clone(on.cluster.nodes)
	}
	if on.storage != "" && b.live.listed[on.cluster.name] {
		nodes = slices.DeleteFunc(nodes, func(node string) bool {
			_, there := b.live.storages[inventory.MakeKey(on.cluster.name, inventory.KindStorage, node, on.storage)]
			return !there
		})
	}
	slices.Sort(nodes)
	return nodes
}

// pinned is the only node that a template can be cloned on, because it lies on
// a storage that no other node has, or "".
func (b *builder) pinned(source *inventory.Resource) string {
	if source == absent {
		return ""
	}
	node, storage := source.Attrs["node"], source.Attrs["storage"]
	shared, known := b.live.storages[inventory.MakeKey(source.Key.System(), inventory.KindStorage, node, storage)]
	if known && !shared {
		return node
	}
	return ""
}

// source names what a machine may be cloned from, by name or VMID.
type source struct{ cluster, name string }

// sources finds what the new machines are cloned from among all templates and,
// because a stopped guest can be cloned as well, all guests; absent for what is
// not there.
func (b *builder) sources() map[source]*inventory.Resource {
	found := map[source]*inventory.Resource{}
	for _, s := range b.sites {
		if s.isLive {
			continue
		}
		if s.base != "" {
			found[source{s.cluster.name, s.base}] = absent
		}
	}
	if len(found) == 0 {
		return found
	}
	for _, r := range b.live.sources {
		vmid := r.Attrs["vmid"]
		if r.Key.Kind() != inventory.KindGuest {
			vmid = r.Key.Name()
		}
		for _, name := range [...]string{r.Attrs["name"], vmid} {
			id := source{r.Key.System(), name}
			if other, wanted := found[id]; wanted && (other == absent || r.Key < other.Key) {
				found[id] = r
			}
		}
	}
	return found
}

// sourceOf is what a machine is cloned from. It is not missed where the cluster
// has shown us no template at all.
func (b *builder) sourceOf(s *site, all map[source]*inventory.Resource) (*inventory.Resource, bool) {
	r, wanted := all[source{s.cluster.name, s.base}]
	if !wanted {
		r = absent
	}
	return r, r != absent || s.base == "" || s.adopt != 0 || len(b.live.templates[s.cluster.name]) == 0
}

func sourceNames(list []inventory.Resource) []string {
	var names []string
	for _, r := range list {
		names = append(names, r.Attrs["name"])
	}
	return names
}
