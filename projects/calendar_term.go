package projects

import "time"

// term is the time of a cohort, as moments: zero where no date is written.
type term struct {
	unit               string
	start, freeze, end time.Time // the end is that of its last day
	lastDay            string    // as it is written
}

// readTerm reads a cohort's dates.
func (u *unit) readTerm(v value, zone *time.Location, zoned bool) {
	start, freeze, end := readDate(v.get("start")), readDate(v.get("freeze")), readDate(v.get("end"))
	u.term = term{unit: u.owner.Unit}
	for _, key := range []string{"start", "freeze", "end"} {
		if date := v.get(key); date.set() && !zoned {
			date.refuse("add timezone: Europe/Paris to campus.yaml", "campus.yaml does not say in which time zone %s is", date.text)
			return
		}
	}
	inOrder := func(a, b date, first, second string) {
		if !a.zero() && !b.zero() && b.before(a) {
			v.get(second).refuse("write start:, freeze: and end: in this order", "%s is before %s", second, first)
		}
	}
	inOrder(start, freeze, "start", "freeze")
	inOrder(freeze, end, "freeze", "end")
	inOrder(start, end, "start", "end")
	if !start.zero() {
		u.term.start = start.midnight(zone)
	}
	if !freeze.zero() {
		u.term.freeze = freeze.midnight(zone)
	}
	if !end.zero() {
		u.term.end, u.term.lastDay = end.plus(1).midnight(zone), end.String()
	}
}

func (t term) dated() bool { return !t.start.IsZero() || !t.freeze.IsZero() || !t.end.IsZero() }

// over reports whether the cohort's last day has gone.
func (t term) over(now time.Time) bool { return !now.IsZero() && !t.end.IsZero() && !now.Before(t.end) }

// before says why nothing of the cohort is made yet, or "".
func (t term) before(now time.Time) string {
	if now.Before(t.start) {
		return t.unit + " has not begun"
	}
	return ""
}

// hold says why nothing of the cohort changes at a moment, or "". When it is
// over, what is to go may go.
func (t term) hold(now time.Time) string {
	switch {
	case t.over(now):
		return ""
	case !t.freeze.IsZero() && !now.Before(t.freeze):
		return t.unit + " is frozen"
	}
	return t.before(now)
}
