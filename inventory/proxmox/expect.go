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
	care    care
	// gone is the part of the company that it had on average which has left with
	// nobody to follow: the end of all is near, and what is left goes the quicker.
	gone float64
	// measured: it is known from another template only.
	measured bool
	// alone is how long it takes in all if everybody else leaves now.
	alone time.Duration
}

// expectation follows the company that the task had and has. What company does to
// such tasks is assumed until it was seen, and may be nothing.
func (p *pace) expectation(l *lesson) expectation {
	e := expectation{usual: p.expect(l), care: usualCare}
	p.mu.Lock()
	defer p.mu.Unlock()
	s, known := p.aboutLocked(l.about)
	since := p.sinceLocked(l, time.Now())
	e.alone = p.expectLocked(l, 1)
	switch {
	case !known:
		e.usual = guessFor(l.about)
		if g, ok := p.guesses.of(l.about); ok {
			company := max(since, p.nowLocked(l))
			e.usual, e.known = max(g.among(company), g.side(company)), true
			e.soonest, e.alone, e.measured = share(e.usual, measured), g.alone, true
		}
	case s.lone > 0 && max(since, p.nowLocked(l)) < 1+hardlyAny:
		e.soonest, e.usual, e.known = s.lone, s.lone, true
	case s.assumed || since < unlike*s.seen:
		s = s.dragged(l.drag)
		e.soonest, e.known = min(s.least(since), e.usual), true
	default:
		e.soonest, e.known = e.usual, true
	}
	if _, full := fullCloneOf(l.about); !full { // who waits for those says how close to look
		e.gone = max(0, 1-fluctuation*p.nowLocked(l)/since)
	}
	return e
}

// unlike the companies that a task was seen in is one of which those tell little: a
// line through sightings says less the further it is followed.
const unlike = 0.5

// fluctuation: so many times fewer there may be now and then while others follow.
const fluctuation = 1.3

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

// dragged takes as long where it was seen, but is dragged that much at least.
func (s speed) dragged(drag float64) speed {
	if s.seen == 0 || drag <= s.drag {
		return s
	}
	s.alone, s.drag = share(s.among(s.seen), 1/(1+drag*(s.seen-1))), drag
	return s
}

// measured is the part of what somebody has measured after which such a task may have
// ended: it was another template, and its disk fuller or emptier.
const measured = 0.5

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

// care is with what pains the end of a task is looked for, in shares of the time that
// it takes or has taken.
type care struct {
	// patience is how much too late a task may be seen for the sake of one that ends
	// a little later.
	patience float64
	// Steps, once a task takes longer than expected, and where nothing is known.
	late, unknown float64
	// blind is the step where nothing is known, however long it has been.
	blind float64
	// least is what is not worth another look, whatever the shares say.
	least time.Duration
}

var usualCare = care{patience: 0.04, late: 0.10, unknown: 0.25, blind: 0.10, least: leastStep}

// closeCare is for when so many wait, and each second counts. What a look costs is
// little where many wait.
func closeCare(waiting int) care {
	return care{patience: 0.01, late: 0.02, blind: 0.02, unknown: min(0.25, max(0.03, 3/float64(max(1, waiting)))), least: leastStep}
}

const (
	leastPatience = 50 * time.Millisecond
	// A second is not worth more looks, however many wait.
	leastStep = time.Second
	// leisurely is how much too late what nobody needs may be seen along with what
	// is more urgent.
	leisurely = time.Minute
	firstLook = 250 * time.Millisecond // at a task of which nothing is known
	mostStep  = 10 * time.Second       // where nothing is known
)

// slack is how much later than expected the first look may be.
func (e expectation) slack() time.Duration {
	usual := share(e.soonest, usualCare.patience)
	return max(leastPatience, e.hurried(min(usual, max(share(e.soonest, e.care.patience), e.care.least/2))))
}

// steps are how long after a look the next may be, at a task that is late and at one
// of which nothing is known.
func (e expectation) steps(passed time.Duration) (late, unknown time.Duration) {
	late = min(share(passed, usualCare.late), max(share(passed, e.care.late), e.care.least))
	unknown = min(share(passed, usualCare.unknown), max(share(passed, e.care.unknown), e.care.least))
	return e.hurried(late), e.hurried(max(share(passed, e.care.blind), min(unknown, mostStep)))
}

// hurried shortens what would be waited for a look by as much as is gone.
func (e expectation) hurried(d time.Duration) time.Duration {
	return share(d, max(mostHurry, 1-e.gone))
}

const mostHurry = 0.125

// deadline is when to look at a task at the latest. It should have been seen
// ended; after that, or where that is uncertain, looks follow each other in steps.
func (w *waiting) deadline(e expectation, leisure bool) time.Time {
	due := max(firstLook, e.usual/24)
	if e.known {
		due = e.soonest + e.slack()
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
	step, unknown := e.steps(passed)
	switch {
	case !e.known && 2*passed < e.usual:
		step = passed
	case !e.known:
		step = unknown
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
