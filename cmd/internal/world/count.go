package world

import (
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// Counts is what stands in the campus and carries our mark. Records are those
// of ours and those that DHCP wrote for machines of ours.
type Counts struct{ Guests, Records, Reservations, Filters int }

// Count looks into the doubles.
func (w *World) Count() Counts {
	var c Counts
	names := map[string]bool{}
	for _, g := range w.PVE.Guests() {
		if mark, ok := inventory.ParseMark(g.Config["description"]); ok && mark.Owner.Campus == Campus {
			c.Guests++
			names[strings.ToLower(g.Name)] = true
		}
	}
	for _, r := range w.Windows[0].Records() {
		host, _, _ := strings.Cut(strings.TrimSuffix(r.Value, "."), ".")
		switch {
		case strings.HasPrefix(r.Name, "_provost"):
		case r.Dynamic() && (names[r.Name] || names[host]), w.owned(r.Zone, r.Name):
			c.Records++
		}
	}
	for _, r := range w.Windows[0].Reservations() {
		if ours(r.Description) {
			c.Reservations++
		}
	}
	for _, f := range w.Windows[0].Filters() {
		if ours(f.Description) {
			c.Filters++
		}
	}
	return c
}

// owned reports whether a mark stands beside a DNS name.
func (w *World) owned(zone, name string) bool {
	mark := "_provost." + name
	if name == "@" {
		mark = "_provost"
	}
	for _, r := range w.Windows[0].Records() {
		if r.Zone == zone && r.Name == mark {
			return true
		}
	}
	return false
}

func ours(description string) bool {
	mark, ok := inventory.ParseMark(description)
	return ok && mark.Owner.Campus == Campus
}
