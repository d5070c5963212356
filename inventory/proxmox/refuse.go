package proxmox

import (
	"fmt"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// Refuse implements reconciler.Refuser: it says why a change cannot be made, and
// what to do instead. It looks at the last listing and sends nothing.
func (c *Cluster) Refuse(ch inventory.Change) string {
	if ch.Key.Kind() == inventory.KindReboot {
		return c.refuseReboot(ch)
	}
	if ch.Key.Kind() != inventory.KindGuest || ch.After == nil {
		return ""
	}
	if wrong := unfit(ch); wrong != "" {
		return wrong
	}
	v := c.look()
	switch ch.Action {
	case inventory.Create, inventory.Replace:
		return c.refuseCreation(v, *ch.After)
	case inventory.Update:
		if ch.Before == nil {
			return ""
		}
		return refuseUpdate(v, *ch.Before, *ch.After)
	}
	return ""
}

func (c *Cluster) refuseCreation(v view, r inventory.Resource) string {
	return firstReason(refuseNode(v, r.Attrs["node"]), refuseOptions(r), c.refuseBase(v, r))
}

func firstReason(reasons ...string) string {
	for _, r := range reasons {
		if r != "" {
			return r
		}
	}
	return ""
}

func refuseUpdate(v view, before, after inventory.Resource) string {
	changed := func(attr string) bool {
		now, named := after.Attrs[attr]
		was, listed := before.Attrs[attr]
		return named && now != was && (listed || before.Attrs["raw"] == "")
	}
	for _, attr := range []string{"type", "vmid", "storage"} {
		if changed(attr) {
			return fmt.Sprintf("%s cannot change from %s to %s in place: %s",
				attr, before.Attrs[attr], after.Attrs[attr], insteadOf(attr))
		}
	}
	if changed("disk") {
		was, okWas := parseGiB(before.Attrs["disk"] + "G")
		now, okNow := parseGiB(after.Attrs["disk"] + "G")
		if !okNow || okWas && now < was {
			return fmt.Sprintf("disk cannot shrink from %s to %s GiB: declare %s, or raise rebuild: to make the machine anew",
				before.Attrs["disk"], after.Attrs["disk"], before.Attrs["disk"])
		}
	}
	if changed("features") {
		if r := refuseOptions(after); r != "" {
			return r
		}
	}
	if after.Attrs["type"] == typeLXC && changed("sshkeys") {
		return lxcKeys
	}
	if changed("node") {
		return refuseNode(v, after.Attrs["node"])
	}
	return ""
}

func insteadOf(attr string) string {
	switch attr {
	case "vmid":
		return "a guest keeps its VMID for life; leave vmid: out"
	case "storage":
		return "move the disk in Proxmox, or raise rebuild: to make the machine anew"
	default:
		return "raise rebuild: to make the machine anew"
	}
}

const lxcKeys = "a container takes SSH keys only when it is made from an OS template: put them into the template, or use ostemplate as base"

// refuseOptions are options that no token may set.
func refuseOptions(r inventory.Resource) string {
	for _, f := range parsePairs(r.Attrs["features"], "") {
		if f.key != "nesting" && f.value != "0" {
			return fmt.Sprintf("feature %s may be set only by root@pam with a password, not with a token: set it in the template, or leave it out", f.key)
		}
	}
	return ""
}

func refuseNode(v view, node string) string {
	online, known := v.nodes[node]
	switch {
	case !v.listed:
		return ""
	case !known:
		return fmt.Sprintf("there is no node %q; there are %s", node, strings.Join(sortedKeys(v.nodes), ", "))
	case !online:
		return fmt.Sprintf("node %s is offline", node)
	}
	return ""
}

// refuseBase judges what a guest is to be made from.
func (c *Cluster) refuseBase(v view, r inventory.Resource) string {
	base := r.Attrs["create.base"]
	switch {
	case strings.HasPrefix(base, "ostemplate:"):
		return refuseImage(v, r)
	case !strings.HasPrefix(base, "template:"):
		return fmt.Sprintf("base %q is neither a template nor an OS template", base)
	case r.Attrs["type"] == typeLXC && (r.Attrs["create.sshkeys"] != "" || r.Attrs["sshkeys"] != ""):
		return lxcKeys
	case !v.listed:
		return ""
	}
	if _, err := v.planClone(r); err != nil {
		return err.Error()
	}
	if _, err := v.cloneSources(r); err != nil {
		return err.Error()
	}
	return refuseStorage(v, r.Attrs["node"], r.Attrs["storage"])
}

func refuseImage(v view, r inventory.Resource) string {
	storage, _, ok := splitImage(r.Attrs["create.base"])
	switch {
	case !ok:
		return fmt.Sprintf("base %q should be ostemplate:<storage>:<prefix>", r.Attrs["create.base"])
	case r.Attrs["type"] != typeLXC:
		return "only a container can be made from an OS template: give a virtual machine the name of a template as base"
	}
	return firstReason(refuseStorage(v, r.Attrs["node"], storage), refuseStorage(v, r.Attrs["node"], r.Attrs["storage"]))
}

func refuseStorage(v view, node, storage string) string {
	if _, known := v.storages[storageKey(node, storage)]; v.listed && storage != "" && !known {
		return fmt.Sprintf("node %s has no storage %q", node, storage)
	}
	return ""
}
