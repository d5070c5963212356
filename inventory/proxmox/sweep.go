package proxmox

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Without SSH nothing tells whose configuration has changed, and to read all of them
// would be a request for each guest in each pass, for ever. So a pass reads those of
// guests that look different in the resources, are locked, or that a task worked on,
// and of the others those that were read the longest ago: as many as it takes to read
// each within sweepEvery. Once provost itself has changed anything, all of its guests
// are read anew.
//
// What is planned by an old reading does no harm: each change looks at the guest first,
// and wants it to be ours and as it was planned from.

const (
	// sweepEvery is the longest that a change by hand stays unseen, if passes are made.
	sweepEvery = 5 * time.Minute
	// sweepMargin covers times of tasks that are cut to seconds, and the moment between
	// the clocks' being read.
	sweepMargin = 2 * time.Second
)

// due are those of guests that look as they did when they were last read whose
// configurations are to be read again.
func (c *Cluster) due(alike []line, seen map[string]seenGuest, s *survey, now time.Time) []line {
	c.mu.Lock()
	last, applied := c.swept, c.applied
	c.swept = now
	c.mu.Unlock()
	at := func(l line) time.Time { return seen[l.vmid].at }
	slices.SortStableFunc(alike, func(a, b line) int { return cmp.Or(at(a).Compare(at(b)), number(a.vmid)-number(b.vmid)) })
	share := int(math.Ceil(float64(len(alike)) * now.Sub(last).Seconds() / sweepEvery.Seconds()))
	worked := s.workedOn()
	var due []line
	for i, l := range alike {
		age := now.Sub(at(l))
		task, touched := worked[l.vmid]
		switch {
		case i < share, seen[l.vmid].cfg["lock"] != "",
			tagged(l) && !at(l).After(applied),
			touched && s.now.Sub(task) <= age+sweepMargin:
			due = append(due, l)
		}
	}
	return due
}

// workedOn is when a task last worked on a guest, on the cluster's clock.
func (s *survey) workedOn() map[string]time.Time {
	last := map[string]time.Time{}
	for _, t := range s.tasks {
		at := t.touched()
		if t.running() {
			at = s.now
		}
		if vmid := string(t.ID); at.After(last[vmid]) {
			last[vmid] = at
		}
	}
	return last
}

// noteApplied lets the next listing read all of our guests.
func (c *Cluster) noteApplied() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.applied = time.Now()
}
