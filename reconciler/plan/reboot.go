package plan

import (
	"cmp"
	"slices"

	"github.com/provost-dev/provost/inventory"
)

// When a running guest is restarted so that it takes what is written.
const (
	RebootWindow = "window" // in a window of the calendar that is there for reboots
	RebootNow    = "now"    // like any other change
)

// Pending is a running guest for which something is written that it takes at its
// next start only.
type Pending struct {
	Key     inventory.Key   `json:"key"`
	Owner   inventory.Owner `json:"owner,omitzero"`
	Options string          `json:"options"`          // "cores,nameserver", in Proxmox's words
	Reboot  string          `json:"reboot,omitempty"` // window or now: a step of the plan does it
}

// Reboot adds a step for each running guest that takes something at its next
// start only and may be restarted for that. It is a step of its own, after and
// apart from the one that wrote it, so that people see it, and so that it can wait
// for another time. Where anything else is planned for the guest, or it could not
// be read, the next pass decides.
func Reboot(p Plan, live []inventory.Resource, unknown []inventory.Unknown, when func(guest inventory.Key) string) Plan {
	if !slices.ContainsFunc(live, func(r inventory.Resource) bool { return r.Attrs["pending"] != "" }) {
		return p // as in nearly every pass
	}
	listed, frozen := newIndex(live), newFreezer(unknown)
	planned := map[inventory.Key]bool{}
	for _, s := range p.Steps {
		planned[s.Key] = true
	}
	var added []Step
	for _, g := range listed {
		if g.Attrs["pending"] == "" || g.Key.Kind() != inventory.KindGuest || g.Owner.IsZero() || g.Attrs[inventory.AttrRetired] != "" {
			continue
		}
		power := listed.find(powerOf(g.Key))
		if power == nil || power.Attrs["state"] != "running" || frozen.reason(g) != "" || planned[g.Key] || planned[power.Key] {
			continue
		}
		mode := when(g.Key)
		waits := Pending{Key: g.Key, Owner: g.Owner, Options: g.Attrs["pending"]}
		if mode == RebootWindow || mode == RebootNow {
			waits.Reboot = mode
			added = append(added, restart(g))
		}
		p.Pending = append(p.Pending, waits)
	}
	if len(added) > 0 {
		p.Steps = append(added, p.Steps...)
		slices.SortFunc(p.Steps, func(a, b Step) int { return cmp.Compare(a.Key, b.Key) })
	}
	return p
}

func restart(guest *inventory.Resource) Step {
	key := inventory.MakeKey(guest.Key.System(), inventory.KindReboot, guest.Key.Name())
	before := inventory.Resource{Key: key, Owner: guest.Owner, Attrs: inventory.Attrs{"pending": guest.Attrs["pending"]}}
	after := inventory.Resource{Key: key, Owner: guest.Owner, Attrs: inventory.Attrs{"pending": ""}}
	return Step{Change: inventory.Change{
		Key: key, Action: inventory.Update, Before: &before, After: &after, Fields: []string{"pending"}, Owner: guest.Owner,
		Note: "restarted, so that it takes what is written",
	}}
}
