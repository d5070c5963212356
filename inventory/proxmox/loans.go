package proxmox

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/provost-dev/provost/inventory"
)

// loans are the sources that are being cloned. A container is lent to one clone
// at a time, since PVE locks it; a machine that is stopped to any number.
type loans struct {
	mu    sync.Mutex
	users map[string]int // by VMID
	freed chan struct{}  // closed when a source may have become free
}

// take lends the best source that is free: on the node, then the least used,
// then by VMID. Without one, freed tells when to look again.
func (l *loans) take(sources []template, node string) (t template, freed <-chan struct{}, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var free []template
	for _, t := range sources {
		if t.typ == typeQEMU || l.users[t.vmid] == 0 {
			free = append(free, t)
		}
	}
	if len(free) == 0 {
		if l.freed == nil {
			l.freed = make(chan struct{})
		}
		return template{}, l.freed, false
	}
	elsewhere := func(t template) int {
		if t.node == node {
			return 0
		}
		return 1
	}
	t = slices.MinFunc(free, func(a, b template) int {
		return cmp.Or(elsewhere(a)-elsewhere(b), l.users[a.vmid]-l.users[b.vmid], number(a.vmid)-number(b.vmid))
	})
	if l.users == nil {
		l.users = map[string]int{}
	}
	l.users[t.vmid]++
	return t, nil, true
}

func (l *loans) give(vmid string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users[vmid]--; l.users[vmid] <= 0 {
		delete(l.users, vmid)
	}
	l.announceLocked()
}

// announce wakes everybody who waits: there is another source.
func (l *loans) announce() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.announceLocked()
}

func (l *loans) announceLocked() {
	if l.freed != nil {
		close(l.freed)
		l.freed = nil
	}
}

// borrow waits for a source that r can be cloned from. The scheduler knows how
// many there are, so the wait is the exception.
func (j *job) borrow(ctx context.Context, r inventory.Resource) (clonePlan, func(), error) {
	for said := false; ; said = true {
		sources, err := j.c.look().cloneSources(r)
		if err != nil {
			return clonePlan{}, nil, failf("cannot create %s: %v", r.Key, err)
		}
		source, freed, ok := j.c.loans.take(sources, r.Attrs["node"])
		if ok {
			return planFrom(r, source), func() { j.c.loans.give(source.vmid) }, nil
		}
		if !said {
			j.say("waiting for %s to be free", sources[0].ref)
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return clonePlan{}, nil, ctx.Err()
		}
	}
}
