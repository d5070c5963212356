package projects

import (
	"slices"
	"strings"
	"time"
)

// period is a window or a freeze: a time that comes once or every week, and what
// it is about. What counts is what a clock on the wall says: in the night in which
// clocks go back, hours that come twice count twice, and hours that are left out
// in spring are left out here.
type period struct {
	name        string
	first, last date             // days, both included; zero where there is no such end
	days        [7]bool          // by time.Weekday; a time over midnight belongs to the day on which it begins
	from, to    int              // minutes of the day; the same for all of it, and to is smaller over midnight
	actions     []string         // a window: what waits for it, nothing for all; a freeze: what goes out all the same
	kinds       []string         // of resources that it is about; nothing for all
	units       map[string]place // that it is about, where they are named; nothing for all
}

// covers reports whether a period is about a unit's things of a kind.
func (p period) covers(ch Change) bool {
	if len(p.kinds) > 0 && !slices.Contains(p.kinds, ch.Kind) {
		return false
	}
	_, named := p.units[ch.Unit]
	return named || len(p.units) == 0
}

// named reports whether an action waits for a window.
func (p period) named(action string) bool {
	return len(p.actions) == 0 || slices.Contains(p.actions, action)
}

// open reports whether the period lasts at a moment.
func (p period) open(now time.Time, zone *time.Location) bool {
	local := now.In(zone)
	today, minute := dateOf(local), local.Hour()*60+local.Minute()
	switch {
	case p.from == p.to:
		return p.begins(today)
	case p.from < p.to:
		return p.begins(today) && p.from <= minute && minute < p.to
	}
	return p.begins(today) && p.from <= minute || p.begins(today.plus(-1)) && minute < p.to
}

// begins reports whether the period comes on a day.
func (p period) begins(d date) bool {
	return p.days[d.weekday()] && (p.first.zero() || !d.before(p.first)) && (p.last.zero() || !p.last.before(d))
}

// next is the first moment after now at which the period may begin or end, zero
// where it is over.
func (p period) next(now time.Time, zone *time.Location) time.Time {
	day := dateOf(now.In(zone)).plus(-1)
	if !p.first.zero() && day.before(p.first) {
		day = p.first.plus(-1)
	}
	var next time.Time
	add := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if !p.last.zero() && p.last.plus(1).before(day) {
		return time.Time{}
	}
	if _, changes := now.In(zone).ZoneBounds(); !changes.IsZero() { // hours may be left out, or come twice
		add(changes)
	}
	for range 4 { // yesterday, today, and a day on which it is always later
		for _, minute := range []int{0, p.from, p.to} {
			for _, t := range day.at(minute, zone) {
				add(t)
			}
		}
		day = day.plus(1)
	}
	return next
}

// date is a day of the calendar, counted from 1970.
type date struct {
	days int
	set  bool
}

func dateOf(t time.Time) date {
	y, m, d := t.Date()
	return date{int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400), true}
}

func (d date) zero() bool             { return !d.set }
func (d date) before(other date) bool { return d.days < other.days }
func (d date) plus(n int) date        { return date{d.days + n, true} }
func (d date) weekday() time.Weekday  { return d.utc().Weekday() }
func (d date) utc() time.Time         { return time.Unix(int64(d.days)*86400, 0).UTC() }
func (d date) String() string         { return d.utc().Format(time.DateOnly) }

// at are the moments at which clocks on the wall may show a minute of the day: two
// in the night in which they go back. Where they go forward it may be none; the
// change itself is a moment of its own then.
func (d date) at(minute int, zone *time.Location) []time.Time {
	wall := d.utc().Add(time.Duration(minute) * time.Minute)
	var moments []time.Time
	for _, near := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, offset := wall.Add(near).In(zone).Zone()
		moments = append(moments, wall.Add(-time.Duration(offset)*time.Second))
	}
	return moments
}

// midnight is the first moment of a day.
func (d date) midnight(zone *time.Location) time.Time {
	t := time.Date(1970, 1, 1+d.days, 0, 0, 0, 0, zone)
	if dateOf(t).before(d) { // the day begins later: clocks go forward at midnight
		_, t = t.ZoneBounds()
	}
	return t
}

var (
	dateLike  = like(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`, "a day", "write the day as 2026-09-01")
	hoursLike = like(`^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$`, "a time of the day", "write from when to when: 20:00-06:00")
	daysLike  = like(`^(mon|tue|wed|thu|fri|sat|sun)(-(mon|tue|wed|thu|fri|sat|sun))?$`, "a day of the week", "write mon, tue … or mon-fri")
)

// readDate is a day, zero where none is said or where there is no such day.
func readDate(v value) date {
	if !v.set() {
		return date{}
	}
	t, err := time.Parse(time.DateOnly, v.text)
	if err != nil {
		v.refuse(dateLike.rule, "there is no day %s", v.text)
		return date{}
	}
	return dateOf(t)
}

// readPeriod reads a window or a freeze; what says which of its keys lists actions.
func readPeriod(name string, v value, what string) period {
	p := period{
		name: name, first: readDate(v.get("from")), last: readDate(v.get("to")),
		actions: v.get(what).texts(), kinds: v.get("kinds").texts(), units: map[string]place{},
	}
	if !p.first.zero() && !p.last.zero() && p.last.before(p.first) {
		v.get("to").refuse("write the earlier day first", "%s ends before it begins", name)
	}
	if !v.get("from").set() && !v.get("to").set() && !v.get("days").set() && !v.get("hours").set() {
		v.refuse("add from: and to:, days: or hours:", "%s does not say when it is", name)
	}
	p.readDays(v.get("days"))
	p.readHours(v.get("hours"))
	for _, kind := range []string{"cohort", "project"} {
		for _, unit := range v.get(kind + "s").items() {
			p.units[kind+"/"+unit.text] = unit.place
		}
	}
	return p
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} // as time.Weekday counts

func (p *period) readDays(v value) {
	if !v.set() {
		p.days = [7]bool{true, true, true, true, true, true, true}
		return
	}
	for _, word := range v.texts() {
		first, last, through := strings.Cut(word, "-")
		if !through {
			last = first
		}
		day, end := slices.Index(weekdays, first), slices.Index(weekdays, last)
		p.days[day] = true
		for day != end {
			day = (day + 1) % len(weekdays)
			p.days[day] = true
		}
	}
}

func (p *period) readHours(v value) {
	if !v.set() {
		return
	}
	from, to, _ := strings.Cut(v.text, "-")
	p.from, p.to = minuteOf(from), minuteOf(to)%(24*60)
	if from == to {
		v.refuse("leave hours: out for all of the day", "%s is no time at all", v.text)
	}
}

// minuteOf is the minute of the day of "20:00".
func minuteOf(clock string) int {
	var minutes int
	for i, factor := range []int{600, 60, 0, 10, 1} {
		minutes += int(clock[i]-'0') * factor
	}
	return minutes
}
