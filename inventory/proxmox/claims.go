package proxmox

import (
	"slices"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// Claims implements reconciler.Claimer: the locks and workers of Proxmox that a
// change occupies. A clone locks its source, and a request that waits for a lock
// blocks one of a node's three workers, so refused requests cost everybody.
//
//	<cluster>/tasks/<node>          tasks that provost lets a node work on
//	<cluster>/storage/<storage>     disks that are written to it
//	<cluster>/template/<vmid+vmid>  clones of one of these, or of their copies
//	<cluster>/copies/<vmid>         copies of a template, see copyWidth
//	<cluster>/archive/<vmid+vmid>   restores from a backup of the first one
//	<cluster>/original/<vmid+vmid>  linked clones of containers, which copies cannot serve
//	<cluster>/starts/<node>         guests that boot
//	<cluster>/stops/<node>          guests that shut down
func (c *Cluster) Claims(ch inventory.Change) []inventory.Claim {
	switch ch.Key.Kind() {
	case inventory.KindPower, inventory.KindReboot:
		return c.powerClaims(ch)
	case inventory.KindGuest, kindCopy, kindArchive:
	default:
		return nil
	}
	switch ch.Action {
	case inventory.Create, inventory.Replace:
		if ch.After != nil {
			return c.createClaims(*ch.After)
		}
	case inventory.Update:
		if slices.Contains(ch.Fields, "node") && ch.Before != nil && ch.After != nil {
			return []inventory.Claim{c.nodeClaim(ch.Before.Attrs["node"]), c.nodeClaim(ch.After.Attrs["node"])}
		}
	case inventory.Delete:
		if ch.Before != nil {
			return []inventory.Claim{c.nodeClaim(ch.Before.Attrs["node"])}
		}
	}
	return nil
}

// createClaims gives the widths as they are now; where they are yet to be found,
// Width follows. A clone is worked on by its source's node; where copies may
// serve it, that is any, and the number of sources limits it well enough.
func (c *Cluster) createClaims(r inventory.Resource) []inventory.Claim {
	node := c.nodeClaim(r.Attrs["node"])
	var storage []inventory.Claim
	if name := r.Attrs["storage"]; name != "" {
		storage = []inventory.Claim{{Name: c.name + "/storage/" + name, Limit: c.cfg.Limits.ClonesPerStorage}}
	}
	if strings.HasPrefix(r.Attrs["create.base"], "ostemplate:") {
		return append([]inventory.Claim{node}, storage...) // holds no lock on its source
	}
	v := c.look()
	names := v.sourceNames(r)
	originals, err := v.originals(r)
	if err == nil && c.isRestored(r, originals[0]) {
		return append([]inventory.Claim{node, {Name: c.name + "/archive/" + names, Limit: c.cfg.Limits.ClonesPerStorage}}, storage...)
	}
	full := r.Attrs["create.clone"] != "linked"
	if err == nil && (!full || r.Attrs["type"] == typeQEMU) {
		node = c.nodeClaim(originals[0].node)
	}
	switch {
	case r.Attrs["type"] == typeQEMU && full:
		return append(append([]inventory.Claim{node}, storage...), inventory.Claim{Name: c.name + "/template/" + names, Limit: c.cfg.Limits.QemuClones})
	case r.Attrs["type"] == typeQEMU:
		return []inventory.Claim{node, {Name: c.name + "/template/" + names, Limit: c.cfg.Limits.QemuClones}}
	case full:
		if of := r.Attrs["of"]; of != "" {
			storage = append(storage, inventory.Claim{Name: c.name + "/copies/" + r.Attrs["source"], Limit: mostCopies})
		}
		return append(storage, inventory.Claim{Name: c.name + "/template/" + names, Limit: c.cfg.Limits.ClonesPerTemplate})
	}
	return []inventory.Claim{{Name: c.name + "/original/" + names, Limit: c.cfg.Limits.ClonesPerTemplate * max(1, len(originals))}}
}

// sourceNames are the VMIDs of the templates that r can be cloned from.
func (v view) sourceNames(r inventory.Resource) string {
	originals, err := v.originals(r)
	if err != nil {
		return strings.TrimPrefix(r.Attrs["create.base"], "template:")
	}
	var vmids []string
	for _, t := range originals {
		vmids = append(vmids, t.vmid)
	}
	return strings.Join(vmids, "+")
}

// powerClaims spread starts: machines that boot at once starve each other.
func (c *Cluster) powerClaims(ch inventory.Change) []inventory.Claim {
	if ch.Action == inventory.Delete {
		return nil
	}
	limit, what := c.cfg.Limits.StartsPerNode, "/starts"
	if ch.After != nil && ch.After.Attrs["state"] == "stopped" {
		what = "/stops"
	}
	j := &job{c: c, change: ch}
	if at, ok := j.known(j.guestKeys()); ok {
		return []inventory.Claim{{Name: c.name + what + "/" + at.node, Limit: limit}}
	}
	return []inventory.Claim{{Name: c.name + what, Limit: limit * max(1, len(c.look().nodes))}}
}

func (c *Cluster) nodeClaim(node string) inventory.Claim {
	return inventory.Claim{Name: c.name + "/tasks/" + node, Limit: c.tasksOn(node)}
}

// held are the names of the claims of this change.
func (j *job) held() []string {
	var names []string
	for _, claim := range j.c.Claims(j.change) {
		names = append(names, claim.Name)
	}
	return names
}
