package projects

import "github.com/provost-dev/provost/inventory"

// reportLocks warns of locks that no task holds: whoever waits for one waits until
// somebody takes it away. What is half-made under one is made anew elsewhere.
func (b *builder) reportLocks() {
	for _, r := range b.live.sources {
		advice := r.Attrs["stale"]
		if advice == "" {
			continue
		}
		if why := r.Attrs["why"]; why != "" && r.Key.Kind() == inventory.KindForeign {
			advice += "; " + why + ": the machine is made anew under another VMID"
		}
		b.out.Problems = append(b.out.Problems, Problem{File: campusFile, Message: advice, Warning: true})
	}
}
