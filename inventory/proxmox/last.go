package proxmox

import (
	"slices"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// When all that is left of a plan is under way and nothing will follow, only the last
// end counts. By how much that is seen too late, the whole plan takes longer, and
// nothing makes up for it: it is looked for more closely than any other. Who ends
// before may be seen along with others: from look to look half of the time that is left
// goes by.

// noteAheadLocked takes up what a plan has to begin. Of what its creation starts, a
// look is all that is left.
func (c *Cluster) noteAheadLocked(changes []inventory.Change) {
	c.ahead = map[inventory.Key]bool{}
	for _, ch := range changes {
		_, started := c.startAtOnce[c.key(inventory.KindGuest, ch.Key.Name())]
		if ch.Key.System() == c.name && !(started && startsGuest(ch) && !c.needed[ch.Key]) {
			c.ahead[ch.Key] = true
		}
	}
}

// noteBegun takes a change out of what has not begun.
func (c *Cluster) noteBegun(key inventory.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.ahead, key)
}

// nothingAhead reports that all changes of the plan have begun.
func (c *Cluster) nothingAhead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead != nil && len(c.ahead) == 0
}

// followed reports that somebody could go on with something when the task has ended.
func (w *waiting) followed() bool { return !w.leisurely && !w.starts }

// ending reports that only the last end counts. It is called under the watcher's lock.
func (c *Cluster) ending() bool {
	return !slices.ContainsFunc(c.watcher.waits, (*waiting).followed) && c.nothingAhead()
}

// lastCare is for who may be last.
var lastCare = care{patience: 0.01, late: 0.02, unknown: 0.15, blind: 0.05, least: leastGap}

// halfWay puts off a look that is due for who is not the last: to the middle between
// the look before and when all can have ended, unless that makes it very late.
func halfWay(before, due, last time.Time) time.Time {
	middle := before.Add(last.Sub(before) / 2)
	if latest := due.Add(leisurely); latest.Before(middle) {
		return latest
	}
	return later(middle, due)
}
