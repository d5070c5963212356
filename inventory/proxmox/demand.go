package proxmox

import "github.com/provost-dev/provost/inventory"

// demand is what was planned to be cloned and has not begun, by the original's VMID.
type demand struct {
	linked, full, copies map[string]int
	storage              map[string]string // that the copies go to
	linkedFirst          map[string]bool
	kinds                map[string]kind // of the full clones
}

// kind is what full clones of one original have in common.
type kind struct {
	of     template
	like   inventory.Resource // one of them
	names  string             // of the sources, see sourceNames
	to     string             // storage
	beside float64            // for each of them, what else is to be written there
}

// plan takes up what is going to be cloned.
func (l *loans) plan(d demand) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.demand = d
}

// left is how many clones of an original have not begun, and how many copies of
// it are under way.
func (l *loans) left(original string) (clones, copies int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.full[original], l.copying[original]
}

// copiesTo is the storage that copies of an original go to.
func (l *loans) copiesTo(original string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.storage[original]
}

// waiting is how many clones and copies of an original have not begun, and whether
// full clones of it were planned at all.
func (l *loans) waiting(original string) (n int, planned bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, planned = l.kinds[original]
	return l.full[original] + l.copies[original], planned
}

// kindsTo are the full clones of containers to a storage that have not begun, or
// are still to have copies made for them.
func (l *loans) kindsTo(storage string) (kinds []kind) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for original, k := range l.kinds {
		if k.to == storage && l.full[original]+l.copies[original]+l.copying[original] > 0 {
			kinds = append(kinds, k)
		}
	}
	return kinds
}
