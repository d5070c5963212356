package projects

import (
	"hash/fnv"
	"strconv"

	"github.com/provost-dev/provost/inventory"
)

// assignVMIDs hands out VMIDs. A VMID is a hash of the guest's key into the
// cluster's range, probed upwards in key order, so that after a crash a
// half-made guest is found where it must be. What is live keeps its own.
func (b *builder) assignVMIDs() {
	pools := map[string]*vmidPool{}
	for _, c := range b.settingsClusters() {
		pools[c.name] = b.newPool(c)
	}
	for _, s := range b.sites {
		b.fixVMID(s, pools[s.cluster.name])
	}
	for _, s := range b.sites {
		if s.vmid == 0 && s.refused == "" {
			b.probeVMID(s, pools[s.cluster.name])
		}
	}
}

func (b *builder) settingsClusters() []*cluster {
	var all []*cluster
	if b.settings != nil {
		for _, c := range b.settings.clusters {
			all = append(all, c)
		}
	}
	return all
}

// fixVMID takes what is not for us to choose: live, declared or adopted.
func (b *builder) fixVMID(s *site, pool *vmidPool) {
	if s.refused != "" {
		return
	}
	live := decimal(s.guest.Attrs["vmid"])
	switch {
	case s.machine.vmid != 0 && s.machine.vmid != live:
		s.vmid = s.machine.vmid
		if by, taken := b.live.vmids[s.cluster.name][s.vmid]; taken {
			b.refuse(s, "choose another, or write adopt: {vmid: "+strconv.Itoa(s.vmid)+"}", "VMID %d is taken by %s", s.vmid, by)
			return
		}
	case live != 0:
		s.vmid = live
	case s.adopt != 0:
		s.vmid = s.adopt
	}
	pool.take(s.vmid)
}

func (b *builder) probeVMID(s *site, pool *vmidPool) {
	s.vmid = pool.find(s.key)
	if s.vmid == 0 {
		b.refuse(s, "widen vmids in campus.yaml", "no VMID is free in %d-%d of cluster %s", s.cluster.first, s.cluster.last, s.cluster.name)
		return
	}
	pool.take(s.vmid)
	if lock, busy := pool.busy[s.vmid]; busy {
		s.frozen = "VMID " + strconv.Itoa(s.vmid) + " is being made by a task (lock " + lock + "): it may be this very machine"
	}
}

// vmidPool knows which VMIDs of a cluster's range are free. next leads from a
// taken one towards the next free one and shortens as it is walked, so that a
// nearly full range does not cost a walk for each machine.
type vmidPool struct {
	first, size int
	next        map[int]int
	busy        map[int]string // foreign guests that a task is making, and their lock
}

func (b *builder) newPool(c *cluster) *vmidPool {
	pool := &vmidPool{first: c.first, size: c.last - c.first + 1, next: make(map[int]int, len(b.live.vmids[c.name])+len(b.sites)), busy: map[int]string{}}
	for vmid, key := range b.live.vmids[c.name] {
		if key.Kind() == inventory.KindForeign {
			foreign := b.live.byKey[key].Attrs
			if lock := foreign["lock"]; foreign["stale"] == "" && (lock == "create" || lock == "clone") {
				pool.busy[vmid] = lock // whoever's first choice this is must wait and see
				continue
			}
		}
		pool.take(vmid)
	}
	return pool
}

func (p *vmidPool) take(vmid int) {
	if i := vmid - p.first; i >= 0 && i < p.size {
		p.next[i] = i + 1
	}
}

// find is the first free VMID at or after the key's own, or 0.
func (p *vmidPool) find(key inventory.Key) int {
	h := fnv.New64a()
	h.Write([]byte(key))
	i := p.walk(int(h.Sum64() % uint64(p.size)))
	if i == p.size {
		i = p.walk(0)
	}
	if i == p.size {
		return 0
	}
	return p.first + i
}

// walk is the first free index from i on, or size.
func (p *vmidPool) walk(i int) int {
	end := i
	for next, taken := p.next[end]; taken; next, taken = p.next[end] {
		end = next
	}
	for i != end {
		i, p.next[i] = p.next[i], end
	}
	return end
}
