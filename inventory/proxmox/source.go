package proxmox

import (
	"context"
	"time"
)

// A clone's POST names its source by the VMID that the last listing had. Between the
// two may lie an hour of other clones, in which somebody can have deleted a template
// and put a machine of his own in its place, whose disk a clone would hand to others.
// So a template that was not looked at lately is looked at before it is cloned: once
// for all who clone it then. A container is locked while it is cloned, and cannot be
// deleted until that has ended, so that clones which follow each other need no looks.
// Our copies have VMIDs that nobody else may use.

// sameSource makes sure that what is to be cloned is what it was when it was listed:
// a template of that name.
func (j *job) sameSource(ctx context.Context, t template) error {
	if t.source != "" || !j.c.sourceDue(t.vmid) {
		return nil
	}
	cfg, err := j.c.config(ctx, t.ref)
	if g := (guest{ref: t.ref, cfg: cfg}); err == nil && g.template() && g.name() == t.name {
		return nil
	}
	j.c.sourceSeen(t.vmid, time.Time{})
	if err != nil && !gone(err) {
		return err
	}
	return retryf("%s on %s is not the template %q any more: list again", t.ref, t.node, t.name)
}

// sourceDue reports that it is time to look at what is cloned, and books the look.
func (c *Cluster) sourceDue(vmid string) bool {
	c.mu.Lock()
	seen := c.sources[vmid]
	if c.view.at.After(seen) {
		seen = c.view.at
	}
	c.mu.Unlock()
	if time.Since(seen) < lately {
		return false
	}
	c.sourceSeen(vmid, time.Now())
	return true
}

// clonedFrom notes that a clone has ended well.
func (c *Cluster) clonedFrom(t template) {
	if t.typ == typeLXC {
		c.sourceSeen(t.vmid, time.Now())
	}
}

func (c *Cluster) sourceSeen(vmid string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sources[vmid] = at
}
