package proxmox

import (
	"slices"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// Claims implements reconciler.Claimer: the locks and workers of Proxmox that a
// change occupies. A clone locks its source, and a request that waits for a lock
// blocks one of a node's three workers, so refused requests cost everybody.
func (c *Cluster) Claims(ch inventory.Change) []inventory.Claim {
	switch {
	case ch.Key.Kind() == inventory.KindPower:
		return c.powerClaims(ch)
	case ch.Key.Kind() != inventory.KindGuest:
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

func (c *Cluster) createClaims(r inventory.Resource) []inventory.Claim {
	claims := []inventory.Claim{c.nodeClaim(r.Attrs["node"])}
	if storage := r.Attrs["storage"]; storage != "" {
		claims = append(claims, inventory.Claim{Name: c.name + "/storage/" + storage, Limit: c.cfg.Limits.ClonesPerStorage})
	}
	base := r.Attrs["create.base"]
	if strings.HasPrefix(base, "ostemplate:") {
		return claims // holds no lock on its source
	}
	source := strings.TrimPrefix(base, "template:")
	if plan, err := c.look().planClone(r); err == nil {
		source = plan.source.vmid
	}
	limit := c.cfg.Limits.ClonesPerTemplate
	if r.Attrs["type"] == typeQEMU {
		limit = c.cfg.Limits.QemuClones
	}
	return append(claims, inventory.Claim{Name: c.name + "/template/" + source, Limit: limit})
}

// powerClaims spread starts: machines that boot at once starve each other. The
// node of a guest that is yet to be made is not known here; its start counts
// against the cluster.
func (c *Cluster) powerClaims(ch inventory.Change) []inventory.Claim {
	if ch.Action == inventory.Delete {
		return nil
	}
	v, limit := c.look(), c.cfg.Limits.StartsPerNode
	j := &job{c: c, change: ch}
	if at, ok := j.known(j.guestKeys()); ok {
		return []inventory.Claim{{Name: c.name + "/starts/" + at.node, Limit: limit}}
	}
	return []inventory.Claim{{Name: c.name + "/starts", Limit: limit * max(1, len(v.nodes))}}
}

func (c *Cluster) nodeClaim(node string) inventory.Claim {
	return inventory.Claim{Name: c.name + "/tasks/" + node, Limit: c.cfg.Limits.TasksPerNode}
}
