package proxmox

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// What a guest's mark remembers beyond its owner.
const (
	markVMID    = "vmid"    // the guest's own; a clone's copy of the mark names another
	markBoot    = "boot"    // that it is owed its first start, see owed
	markRebuild = "rebuild" // how often it was asked to be made anew; absent for 0
	markRetired = inventory.AttrRetired
	markRetain  = inventory.AttrRetain
	markRaw     = "raw" // "1" on a clone until it is configured
)

// What the attribute "boot" of a power says: a start is owed; it was made, and the
// mark is yet to forget it; neither.
const (
	bootNew  = "new"
	bootRan  = "ran"
	bootDone = "done"
)

// judge says whose a guest is: ours with its mark, or foreign and, where a mark
// has to be explained away, why.
func (c *Cluster) judge(g guest) (m inventory.Mark, ours bool, why string) {
	m, ok := inventory.ParseMark(g.cfg["description"])
	switch {
	case !ok:
		return m, false, ""
	case m.Owner.Campus != c.campus:
		return m, false, fmt.Sprintf("its mark is of campus %s", m.Owner.Campus)
	case m.Key.System() != c.name || m.Key.Kind() != inventory.KindGuest || m.Key.Name() == "":
		return m, false, fmt.Sprintf("its mark is for %s, which is no guest of this cluster", m.Key)
	case m.Extra[markVMID] != g.vmid:
		return m, false, fmt.Sprintf("its mark names VMID %s: it is a copy of %s", m.Extra[markVMID], m.Key)
	case g.template():
		return m, false, fmt.Sprintf("it was %s, and somebody has made a template of it", m.Key)
	}
	return m, true, ""
}

// ownedAs checks that the guest is ours under one of the keys. It is asked right
// before every write.
func (c *Cluster) ownedAs(g guest, keys ...inventory.Key) (inventory.Mark, error) {
	m, ours, why := c.judge(g)
	if ours {
		if slices.Contains(keys, m.Key) {
			return m, nil
		}
		why = "its mark is for " + string(m.Key)
	}
	if why == "" {
		why = "it carries no mark of ours"
	}
	return m, failf("%s %q on %s is not %s and is left alone: %s", g.ref, g.name(), g.node, keys[0], why)
}

// newMark is the mark of a guest that is made for r.
func (c *Cluster) newMark(r inventory.Resource, vmid string) inventory.Mark {
	m := c.markFor(r, vmid, nil)
	if r.Attrs["create.boot"] == bootNew {
		m.Extra[markBoot] = c.owedFrom(r.Attrs["node"])
	}
	return m
}

// rawMark is the mark of a clone, which has its source's configuration until
// it is given its own.
func (c *Cluster) rawMark(r inventory.Resource, vmid string) inventory.Mark {
	m := c.newMark(r, vmid)
	m.Extra[markRaw] = "1"
	return m
}

// configured is a description whose mark says that the guest has its own
// configuration.
func configured(text string) string {
	m, ok := inventory.ParseMark(text)
	if !ok || m.Extra[markRaw] == "" {
		return text
	}
	delete(m.Extra, markRaw)
	return inventory.WithMark(text, m)
}

// markFor is the mark that r's guest should carry, given what the present one
// remembers.
func (c *Cluster) markFor(r inventory.Resource, vmid string, present map[string]string) inventory.Mark {
	m := inventory.Mark{Key: r.Key, Owner: r.Owner, Extra: map[string]string{markVMID: vmid}}
	m.Owner.Campus = c.campus
	retired, named := r.Attrs[inventory.AttrRetired]
	switch boot := present[markBoot]; {
	case r.Attrs["boot"] == bootNew:
		m.Extra[markBoot] = bootNew // it ran when it was retired, and is not judged until it comes back
	case boot == "" || retired != "" && c.hasRun(vmid, boot):
	case present[markRetired] != "" && named && retired == "":
		m.Extra[markBoot] = c.owedFrom(r.Attrs["node"])
	default:
		m.Extra[markBoot] = boot
	}
	switch {
	case named && retired != "":
		m.Extra[markRetired], m.Extra[markRetain] = retired, r.Attrs[inventory.AttrRetain]
	case !named && present[markRetired] != "":
		m.Extra[markRetired], m.Extra[markRetain] = present[markRetired], present[markRetain]
	}
	// A lowered number changes nothing: what was rebuilt stays rebuilt.
	if n := max(number(r.Attrs["rebuild"]), number(present[markRebuild])); n > 0 {
		m.Extra[markRebuild] = strconv.Itoa(n)
	}
	return m
}

// number reads a count; what is none counts as 0.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// describe is the description that r's guest should have under the mark, given
// the text that stands.
func describe(r inventory.Resource, present string, m inventory.Mark) string {
	human, named := r.Attrs["description"]
	if !named {
		human = present
	}
	return inventory.WithMark(human, m)
}

// sameText compares descriptions; PVE ends a container's with a newline.
func sameText(a, b string) bool {
	return strings.TrimRight(a, "\n") == strings.TrimRight(b, "\n")
}
