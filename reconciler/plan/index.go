package plan

import (
	"cmp"
	"slices"

	"github.com/provost-dev/provost/inventory"
)

// index is resources in key order, one a key. Both sides of a plan come in that
// order nearly always, so that making one costs a look at each key, and two of
// them can be walked side by side: a map of either would cost several times that.
type index []*inventory.Resource

// newIndex points into list. Of two with one key the later counts.
func newIndex(list []inventory.Resource) index {
	x := make(index, len(list))
	for i := range list {
		x[i] = &list[i]
	}
	byKey := func(a, b *inventory.Resource) int { return cmp.Compare(a.Key, b.Key) }
	if !slices.IsSortedFunc(x, byKey) {
		slices.SortStableFunc(x, byKey)
	}
	kept := x[:0]
	for i, r := range x {
		if i+1 == len(x) || x[i+1].Key != r.Key {
			kept = append(kept, r)
		}
	}
	return kept
}

// find is the resource under a key, or nil.
func (x index) find(key inventory.Key) *inventory.Resource {
	at, ok := slices.BinarySearchFunc(x, key, func(r *inventory.Resource, key inventory.Key) int { return cmp.Compare(r.Key, key) })
	if !ok {
		return nil
	}
	return x[at]
}

// pairs gives every key of either side in order, with what stands under it on
// each side, nil where nothing does.
func pairs(desired, live index) func(yield func(want, have *inventory.Resource) bool) {
	return func(yield func(want, have *inventory.Resource) bool) {
		for len(desired) > 0 || len(live) > 0 {
			var want, have *inventory.Resource
			switch {
			case len(live) == 0 || len(desired) > 0 && desired[0].Key < live[0].Key:
				want, desired = desired[0], desired[1:]
			case len(desired) == 0 || live[0].Key < desired[0].Key:
				have, live = live[0], live[1:]
			default:
				want, desired = desired[0], desired[1:]
				have, live = live[0], live[1:]
			}
			if !yield(want, have) {
				return
			}
		}
	}
}

// Finder finds the places of keys in a list in order. It looks first behind the
// one of the same kind that it found last: the powers of a plan, in order, need
// guests in order.
func Finder(sorted []inventory.Key) func(inventory.Key) (at int, found bool) {
	behind := map[string]int{} // by kind
	return func(key inventory.Key) (int, bool) {
		kind := key.Kind()
		at := behind[kind]
		if at == len(sorted) || sorted[at] != key {
			var found bool
			if at, found = slices.BinarySearch(sorted, key); !found {
				return 0, false
			}
		}
		behind[kind] = at + 1
		return at, true
	}
}
