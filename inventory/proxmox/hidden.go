package proxmox

import (
	"context"
	"fmt"
	"sync"

	"github.com/provost-dev/provost/inventory"
)

// A guest that a listing lacks is gone, or it is hidden: the token may not see it
// any more, or it moved to another node between two requests. The resources do not
// tell one from the other, and what hangs on a guest must not go because of that. One
// request tells, whoever sends it: GET /cluster/nextid refuses a VMID that somebody
// has. It is sent about guests of ours that were there in the last listing and that
// nobody saw provost delete, so an unchanged campus costs nothing. Where .vmlist is
// read over SSH, that shows all there are.
//
// A process that has just begun knows of no guest that could be missing. So it asks
// once whether the token may see all guests; if not, an Unknown of no guest's name
// ([hiddenGuests]) keeps what may hang on those that it does not see.

// hiddenGuests is the name that stands for guests that the token may not see.
const hiddenGuests = "?"

// reveal keeps the guests that are missing and still there, as they were last seen,
// as unread. lost are those that were not where the resources or .vmlist had them.
func (c *Cluster) reveal(ctx context.Context, s *survey, lost []guest, listed bool) {
	missing := map[string]guest{}
	why := map[string]string{}
	seen := c.lastSeen()
	if !listed {
		for vmid, old := range seen {
			g := guest{ref: old.ref, cfg: old.cfg}
			if _, there := s.guests[vmid]; !there && c.mayBeHidden(g) {
				missing[vmid], why[vmid] = g, "the token may not see it any more"
			}
		}
	}
	for _, g := range lost {
		missing[g.vmid], why[g.vmid] = guest{ref: g.ref, cfg: seen[g.vmid].cfg}, "it moved while it was read"
	}
	there := make(chan string, len(missing))
	slots := make(chan struct{}, readers)
	var wg sync.WaitGroup
	for vmid := range missing {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			switch exists, err := c.exists(ctx, vmid); {
			case err != nil:
				there <- vmid
				c.log.Warn("cannot tell whether a guest is gone", "vmid", vmid, "error", err)
			case exists:
				there <- vmid
			}
		})
	}
	wg.Wait()
	close(there)
	for vmid := range there {
		s.guests[vmid] = missing[vmid]
		s.unread[vmid] = fmt.Sprintf("%s is not shown: %s", missing[vmid].ref, why[vmid])
	}
	if !listed {
		s.blind = c.blind(ctx)
	}
}

// mayBeHidden reports a guest of ours that provost itself has not deleted.
func (c *Cluster) mayBeHidden(g guest) bool {
	_, ours, _ := c.judge(g)
	c.mu.Lock()
	defer c.mu.Unlock()
	return ours && !c.deleted[g.vmid]
}

// exists asks whether anybody has a VMID, whether or not the token may see him.
func (c *Cluster) exists(ctx context.Context, vmid string) (bool, error) {
	var free string
	_, err := c.api.get(ctx, "/cluster/nextid?vmid="+vmid, &free)
	if says(err, "already exists") {
		return true, nil
	}
	return false, err
}

// reallyGone is nil where nobody has the VMID of a guest that is nowhere to be seen.
// missed is how it was missed where it should be.
func (c *Cluster) reallyGone(ctx context.Context, r ref, missed error) error {
	switch exists, err := c.exists(ctx, r.vmid); {
	case err != nil || !exists:
		return err
	case forbidden(missed):
		return missed
	}
	return retryf("%s is there, and cannot be seen: it moves to another node, or the token may not see it", r)
}

// blind says why there may be guests that the token does not see, or "". What was
// once fine is not asked again: who loses sight of a guest then misses it.
func (c *Cluster) blind(ctx context.Context) string {
	c.mu.Lock()
	sees := c.seesAll
	c.mu.Unlock()
	if sees {
		return ""
	}
	var rights map[string]map[string]text
	if _, err := c.api.get(ctx, "/access/permissions?path=/vms", &rights); err != nil {
		return "nobody can tell which guests the token may see: " + err.Error()
	}
	if canonicalBool(string(rights["/vms"]["VM.Audit"])) != "1" {
		return "the token may not see all guests: it lacks VM.Audit on /vms"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seesAll = true
	return ""
}

// noteDeleted remembers that a guest is gone because provost deleted it.
func (c *Cluster) noteDeleted(vmid string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deleted[vmid] = true
}

// hidden freezes what may hang on guests that the token does not see.
func (l *lister) hidden() {
	if l.survey.blind != "" {
		l.unknown(l.c.key(inventory.KindGuest, hiddenGuests), l.survey.blind)
	}
}
