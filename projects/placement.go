package projects

import (
	"slices"
	"strconv"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// assignNodes chooses the node of every machine: the declared one, else the one
// it lives on, else the one with the least memory planned on it, in key order.
func (b *builder) assignNodes() {
	planned := map[string]map[string]int{} // cluster, node, MiB
	sources := b.sources()
	for _, s := range b.sites {
		known, _ := b.known(s)
		s.node = known.Attrs["node"]
		if declared := s.attrs["node"]; declared != "" {
			s.node = declared
		}
		addMemory(planned, s.cluster.name, s.node, s.attrs["memory"])
	}
	for _, r := range b.live.byKey {
		if r.Key.Kind() == inventory.KindForeign {
			addMemory(planned, r.Key.System(), r.Attrs["node"], r.Attrs["memory"])
		}
	}
	for _, s := range b.sites {
		if s.refused != "" || s.isLive {
			continue
		}
		source, found := b.sourceOf(s, sources)
		if !found {
			b.refuse(s, suggest(s.base(), sourceNames(b.live.templates[s.cluster.name])), "cluster %s has no template %q", s.cluster.name, s.base())
		}
		if s.node == "" && s.adopt == 0 && s.refused == "" {
			b.place(s, planned[s.cluster.name], source)
			addMemory(planned, s.cluster.name, s.node, s.attrs["memory"])
		}
	}
}

func addMemory(planned map[string]map[string]int, cluster, node, memory string) {
	if planned[cluster] == nil {
		planned[cluster] = map[string]int{}
	}
	n, _ := strconv.Atoi(memory)
	planned[cluster][node] += n
}

func (b *builder) place(s *site, planned map[string]int, source inventory.Resource) {
	best := ""
	nodes := b.candidates(s, source)
	for _, node := range nodes {
		if best == "" || planned[node] < planned[best] {
			best = node
		}
	}
	if s.node = best; best == "" {
		b.refuse(s, "wait for a node, or name one with node:", "cluster %s has no node online that has storage %s", s.cluster.name, s.attrs["storage"])
	}
}

// candidates are the nodes that a new machine can be on, sorted. Where the
// nodes are not known, those of campus.yaml are believed to be there.
func (b *builder) candidates(s *site, source inventory.Resource) []string {
	if only := b.pinned(source); only != "" {
		return []string{only}
	}
	var nodes []string
	for _, n := range b.live.nodes[s.cluster.name] {
		name := n.Key.Name()
		if n.Attrs["status"] == "online" && (len(s.cluster.nodes) == 0 || slices.Contains(s.cluster.nodes, name)) {
			nodes = append(nodes, name)
		}
	}
	if len(b.live.nodes[s.cluster.name]) == 0 {
		nodes = slices.Clone(s.cluster.nodes)
	}
	if storage := s.attrs["storage"]; storage != "" && b.live.listed[s.cluster.name] {
		nodes = slices.DeleteFunc(nodes, func(node string) bool {
			_, there := b.live.storages[inventory.MakeKey(s.cluster.name, inventory.KindStorage, node, storage)]
			return !there
		})
	}
	slices.Sort(nodes)
	return nodes
}

// pinned is the only node that a template can be cloned on, because it lies on
// a storage that no other node has, or "".
func (b *builder) pinned(source inventory.Resource) string {
	node, storage := source.Attrs["node"], source.Attrs["storage"]
	shared, known := b.live.storages[inventory.MakeKey(source.Key.System(), inventory.KindStorage, node, storage)]
	if known && !shared {
		return node
	}
	return ""
}

// source names what a machine may be cloned from, by name or VMID.
type source struct{ cluster, name string }

// sources are all templates and, because a stopped guest can be cloned as well,
// all guests.
func (b *builder) sources() map[source]inventory.Resource {
	all := map[source]inventory.Resource{}
	for _, r := range b.live.byKey {
		vmid := r.Attrs["vmid"]
		switch r.Key.Kind() {
		case inventory.KindTemplate, inventory.KindForeign:
			vmid = r.Key.Name()
		case inventory.KindGuest:
		default:
			continue
		}
		for _, name := range []string{r.Attrs["name"], vmid} {
			id := source{r.Key.System(), name}
			if other, twice := all[id]; !twice || r.Key < other.Key {
				all[id] = r
			}
		}
	}
	return all
}

// sourceOf is what a machine is cloned from. It is not missed where the cluster
// has shown us no template at all.
func (b *builder) sourceOf(s *site, all map[source]inventory.Resource) (inventory.Resource, bool) {
	base := s.base()
	r, found := all[source{s.cluster.name, base}]
	return r, found || base == "" || s.adopt != 0 || len(b.live.templates[s.cluster.name]) == 0
}

// base is the template that the machine is cloned from, or "".
func (m *machine) base() string {
	base, _ := strings.CutPrefix(m.attrs["create.base"], "template:")
	if base == m.attrs["create.base"] {
		return ""
	}
	return base
}

func sourceNames(list []inventory.Resource) []string {
	var names []string
	for _, r := range list {
		names = append(names, r.Attrs["name"])
	}
	return names
}
