package reconciler

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/provost-dev/provost/inventory"
)

// observe lists every system at once. A system that does not answer becomes one
// unread prefix, so that it freezes itself and what depends on it and nothing else.
func (r *Reconciler) observe(ctx context.Context) inventory.Listing {
	names := slices.Sorted(maps.Keys(r.Systems))
	listings := make([]inventory.Listing, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			var listing inventory.Listing
			var err error
			if fault := r.guarded("listing "+name, func() { listing, err = r.Systems[name].System.List(ctx) }); fault != nil {
				err = fault
			}
			if err != nil {
				r.Log.Warn("system unread", "system", name, "error", err)
				listing.Unknown = append(listing.Unknown, inventory.Unknown{Prefix: inventory.Key(name), Reason: err.Error()})
			}
			listings[i] = listing
		})
	}
	wg.Wait()

	var all inventory.Listing
	for _, l := range listings {
		all.Items = append(all.Items, l.Items...)
		all.Unknown = append(all.Unknown, l.Unknown...)
	}
	slices.SortFunc(all.Items, func(a, b inventory.Resource) int { return cmp.Compare(a.Key, b.Key) })
	slices.SortFunc(all.Unknown, func(a, b inventory.Unknown) int { // a status names the first
		return cmp.Or(cmp.Compare(a.Prefix, b.Prefix), cmp.Compare(a.Reason, b.Reason))
	})
	return all
}
