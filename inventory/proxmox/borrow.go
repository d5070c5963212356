package proxmox

import (
	"cmp"
	"context"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// borrower is a clone that waits for a source.
type borrower struct {
	key inventory.Key
	how int
	// original is the VMID of the template.
	original string
	node     string
	sources  func() []template // that it can be cloned from now
	to       string            // storage that a container's disk is copied to, or ""
	// around gives the speed of such clones, and how much else copies to where they do.
	around func() (speed, int)
	lent   chan template // has room for one
}

// How a borrower clones, in the order of service.
const (
	byCopying = iota
	byLinking
	byCloning
)

// original is the VMID of what a copy is a copy of, or the template's own.
func (t template) original() string { return cmp.Or(t.source, t.vmid) }

// borrow waits for a source that r can be cloned from. The scheduler knows how
// many there are, so that a long wait is the exception.
func (j *job) borrow(ctx context.Context, r inventory.Resource) (clonePlan, func(), error) {
	sources, err := j.c.look().cloneSources(r)
	if err != nil {
		return clonePlan{}, nil, failf("cannot create %s: %v", r.Key, err)
	}
	b := j.c.borrowerOf(r, sources[0])
	j.c.loans.ask(b)
	said := time.NewTimer(100 * moment)
	defer said.Stop()
	for {
		select {
		case t := <-b.lent:
			return planFrom(r, t), func() { j.c.loans.give(t, b) }, nil
		case <-said.C:
			j.say("waiting for %s to be free", sources[0].ref)
		case <-ctx.Done():
			if !j.c.loans.leave(b) {
				j.c.loans.give(<-b.lent, b)
			}
			return clonePlan{}, nil, ctx.Err()
		}
	}
}

// borrowerOf is r as one who waits; source is any that it can be cloned from.
func (c *Cluster) borrowerOf(r inventory.Resource, source template) *borrower {
	b := &borrower{key: r.Key, how: byCloning, original: source.original(), node: r.Attrs["node"], lent: make(chan template, 1)}
	switch {
	case r.Key.Kind() == kindCopy:
		b.how = byCopying
	case r.Attrs["create.clone"] == "linked":
		b.how = byLinking
	}
	b.sources = func() []template {
		now, _ := c.look().cloneSources(r) // none where they cannot be had now
		return now
	}
	if plan := planFrom(r, source); plan.full && source.typ == typeLXC {
		a := c.look().aboutClone(plan, r)
		b.to, b.around = a.storage, func() (speed, int) {
			all, likes := c.pace.copyingTo(a)
			return c.cloneSpeed(plan, r), all - likes
		}
	}
	return b
}
