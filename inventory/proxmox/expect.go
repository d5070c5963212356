package proxmox

import "time"

// When to look at a task under way: once it should have ended, in the company that
// it had and has. Where nothing is known of such tasks, and where one takes longer
// than expected, looks follow each other after a part of the time that it has
// taken so far, so that it is seen at most that part too late, however long it is.
const (
	// patience is how much too late, as a share of its time, a task may be seen for
	// the sake of one that ends a little later.
	patience      = 0.04
	leastPatience = 50 * time.Millisecond
	// steps after the time that was expected, and where nothing is known.
	lateStep    = 1.0 / 10
	unknownStep = 1.0 / 4
	// firstLook is the first look at a task of which nothing is known.
	firstLook = 250 * time.Millisecond
)

// deadline is when to look at the latest; 0 expects nothing.
func (w *waiting) deadline(expect time.Duration) time.Time {
	if expect == 0 {
		return later(w.floor, w.lesson.began.Add(firstLook))
	}
	return later(w.floor, w.lesson.began.Add(expect+max(leastPatience, share(expect, patience))))
}

// seenAtWork puts the next look off where the time is over that was expected, or
// none was.
func (w *waiting) seenAtWork(expect time.Duration, now time.Time) {
	w.lesson.running = now
	switch passed := now.Sub(w.lesson.began); {
	case expect == 0:
		w.floor = now.Add(max(leastGap, share(passed, unknownStep)))
	case expect <= passed:
		w.floor = now.Add(max(leastGap, share(passed, lateStep)))
	}
}

func share(d time.Duration, of float64) time.Duration { return time.Duration(float64(d) * of) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
