package proxmox

import (
	"math"
	"strings"
	"time"
)

// Sources that are lent at one moment come back at one moment: then nobody copies
// until a look has shown the ends, and until the next clones have done what comes
// before their copying. Where fewer copies at once fill a storage than there are
// sources, clones therefore begin one after the other, a part of their way apart, so
// that the others copy while one source changes hands. Once out of step they stay so
// by themselves, and nothing is held back any more.
//
// What begins while the storage is not full is never held back.

// flow is how full clones to one storage go on.
type flow struct {
	speed   speed
	sources int // that they can be cloned from
	waiting int // clones that have not begun
	copying int // whatever copies to the storage, these clones included
}

// pause is how long after the last clone the next should begin.
func (f flow) pause() time.Duration {
	if f.speed.most == 0 || f.speed.alone < worthStaggering || f.sources < 2 || f.copying < f.speed.plenty() {
		return 0
	}
	// The last ones begin together, so that they end together: the first of these wait
	// for the others as long as the storage is full without them.
	switch last := f.speed.fill(); {
	case float64(f.waiting) < last/2 || f.waiting <= f.sources-f.copying:
		return 0
	case float64(f.waiting) < last:
		return f.speed.side(float64(f.copying))
	}
	return share(f.speed.side(float64(f.copying)), apart/float64(f.sources))
}

// apart is the least distance of two clones, as a share of where they would be if all
// were evenly spread. Half of it pulls them apart, and lets them catch up.
const apart = 0.5

// worthStaggering: the ends of quicker clones are seen soon enough, and one look at
// several saves requests.
const worthStaggering = 10 * time.Second

// fill is how many tasks at once do all that what they share can do.
func (s speed) fill() float64 {
	if s.most > 0 {
		return s.alone.Seconds() * s.most
	}
	return 1 / max(s.drag, leastDrag)
}

// plenty is how many tasks do so while some of them change hands.
func (s speed) plenty() int { return max(int(math.Round(s.fill())), int(handing*s.fill())) }

const (
	handing   = 1.2
	leastDrag = 0.05
)

// copyingTo counts the tasks under way that copy to where a clone copies to, and of
// these the clones like it.
func (p *pace) copyingTo(a about) (all, likes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.flying["storage "+a.storage]; c != nil {
		all = c.now
	}
	if c := p.flying["likes "+a.general]; c != nil {
		likes = c.now
	}
	return all, likes
}

// pressing reports whether each second counts by which a clone is seen ended too late,
// and how many wait for its source: whatever else copies meanwhile does not fill the
// storage.
func (c *Cluster) pressing(l *lesson) (waiting int, counts bool) {
	original, full := fullCloneOf(l.about)
	if !full {
		return 0, false
	}
	waiting, planned := c.loans.waiting(original)
	if !planned {
		return 0, false
	}
	s, known := c.pace.of(l.about)
	switch {
	case !known:
		s.drag = l.drag
	case s.alone < worthStaggering:
		return 0, false
	}
	all, _ := c.pace.copyingTo(l.about)
	return waiting, all-1 < s.plenty() || s.plenty() > 1 && c.staying(l, s) < s.plenty()
}

// staying counts what will go on copying to a task's storage when that has ended: what
// began together with it may end together with it.
func (c *Cluster) staying(l *lesson, s speed) (n int) {
	after := l.began.Add(share(s.side(s.fill()), usualCare.late))
	for _, other := range c.watcher.waits {
		if other.lesson.storage == l.storage && other.lesson.began.After(after) {
			n++
		}
	}
	return n
}

// fullCloneOf is the original of which a task makes a full clone of a container.
func fullCloneOf(a about) (original string, ok bool) {
	original, how, _ := strings.Cut(strings.TrimPrefix(a.subject, "vzclone/"), "/")
	return original, how == "full"
}

// storageWidth is how much may be written to a storage at once while containers are
// cloned to it: one clone for each source, and beside these so much else that both end
// together. What else there is then covers the moments in which a source changes
// hands, and is not spent in one go. While few copies leave the storage something to
// do, more else is written, but not so much that it delays the copies, for which all
// the clones wait. 0 when nothing is cloned there, or so quickly that it does not matter.
func (c *Cluster) storageWidth(storage string) int {
	sources, ratio, quickest := 0, 0.0, math.Inf(1)
	for _, k := range c.loans.kindsTo(storage) {
		s := c.cloneSpeed(planFrom(k.like, k.of), k.like)
		if s.alone < worthStaggering {
			return 0
		}
		sources += c.sourcesOf(k.names)
		ratio = max(ratio, k.beside)
		quickest = min(quickest, s.fill())
	}
	if sources == 0 {
		return 0
	}
	beside := max(1, int(math.Ceil(float64(sources)*ratio)), min(besideCopies, int(quickest)-sources))
	return min(c.cfg.Limits.ClonesPerStorage, sources+beside)
}
