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
		if mark, ok := inventory.ParseMark(g.Config["description"]); ok && mark.Owner.Campus == Campus && mark.Key.Kind() == inventory.KindGuest {
			c.Guests++
			names[strings.ToLower(g.Name)] = true
		}
	}
	records := w.Windows[0].Records()
	marked := map[string]bool{}
	for _, r := range records {
		if name, ok := strings.CutPrefix(r.Name, "_provost"); ok {
			marked[r.Zone+"/"+strings.TrimPrefix(name, ".")] = true
		}
	}
	for _, r := range records {
		host, _, _ := strings.Cut(strings.TrimSuffix(r.Value, "."), ".")
		switch {
		case strings.HasPrefix(r.Name, "_provost"):
		case r.Dynamic() && (names[r.Name] || names[host]), marked[r.Zone+"/"+strings.TrimPrefix(r.Name, "@")]:
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

func ours(description string) bool {
	mark, ok := inventory.ParseMark(description)
	return ok && mark.Owner.Campus == Campus
}
