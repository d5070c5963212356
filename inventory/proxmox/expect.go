package proxmox

import (
	"strings"
	"time"
)

// expectation is how long a task will take in all, as far as that is known.
type expectation struct {
	soonest time.Duration // it may have ended
	usual   time.Duration // it should have
	known   bool          // from tasks like it; otherwise usual is a guess
}

// expectation follows the company that the task had and has. What company does to
// such tasks is assumed until it was seen, and may be nothing.
func (p *pace) expectation(l *lesson) expectation {
	e := expectation{usual: p.expect(l)}
	p.mu.Lock()
	defer p.mu.Unlock()
	s, known := p.aboutLocked(l.about)
	switch {
	case !known:
		e.usual = guessFor(l.about)
	case s.assumed:
		e.soonest, e.known = min(s.least(p.sinceLocked(l, time.Now())), e.usual), true
	default:
		e.soonest, e.known = e.usual, true
	}
	return e
}

// least is how long a task takes at least in a company in which it was never seen:
// in a larger one as long as in the one in which it was, in a smaller one as much
// less as if company did a few times what is assumed.
func (s speed) least(company float64) time.Duration {
	if s.seen == 0 {
		return s.alone
	}
	more := speed{alone: time.Second, drag: min(1, doubt*s.drag)}
	return share(s.among(s.seen), min(1, more.among(company).Seconds()/more.among(s.seen).Seconds()))
}

const doubt = 3

// guessFor is about how long a task takes alone of which nothing is known.
func guessFor(a about) time.Duration {
	switch {
	case a.storage != "":
		return guessFixed + time.Duration(a.units*float64(guessPerGiB))
	case strings.HasSuffix(a.subject, "start"):
		return guessBoot
	case a.subject == "vzcreate":
		return guessInstall
	}
	return guessLinked
}

const (
	// patience is how much too late, as a share of its time, a task may be seen for
	// the sake of one that ends a little later.
	patience      = 0.06
	leastPatience = 50 * time.Millisecond
	// leisurely is how much too late what nobody needs may be seen along with what
	// is more urgent.
	leisurely = time.Minute
	firstLook = 250 * time.Millisecond // at a task of which nothing is known
	// Steps, as a share of the time so far, once a task takes longer than expected,
	// and where nothing is known.
	lateStep    = 0.10
	unknownStep = 0.25
	mostStep    = 10 * time.Second // unless lateStep is more
)

// deadline is when to look at a task at the latest. It should have been seen
// ended; after that, or where that is uncertain, looks follow each other in steps.
func (w *waiting) deadline(e expectation, leisure bool) time.Time {
	due := max(firstLook, e.usual/24)
	if e.known {
		due = e.soonest + max(leastPatience, share(e.soonest, patience))
	}
	at := later(w.floor, w.lesson.began.Add(due))
	if leisure && w.leisurely {
		return at.Add(leisurely)
	}
	return at
}

// seenAtWork puts the next look off. What may end at any time between two moments
// is looked for half-way; what is late, after a part of the time that it took.
func (w *waiting) seenAtWork(e expectation, now time.Time) {
	passed := now.Sub(w.lesson.began)
	step := share(passed, lateStep)
	switch {
	case !e.known && 2*passed < e.usual:
		step = passed
	case !e.known:
		step = max(step, min(share(passed, unknownStep), mostStep))
	case passed < e.soonest:
		return // in good time: somebody else was due
	case passed < e.usual:
		step = max(step, (e.usual-passed)/2)
	}
	w.floor = now.Add(max(leastGap, step))
}

func share(d time.Duration, of float64) time.Duration { return time.Duration(float64(d) * of) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
