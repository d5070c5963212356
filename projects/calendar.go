package projects

import (
	"maps"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a time zone must mean the same on every machine, also in an image without any

	"github.com/provost-dev/provost/inventory"
)

// Calendar says when what may change: the campus's windows and freezes, and the
// dates of its cohorts. It looks at no clock: whoever asks says what time it is.
//
//	freeze   while it lasts, only what it allows goes out
//	window   what it names goes out only while one of the windows that name it is open
//	cohort   before its start, and from its freeze to its end, nothing of it changes
//
// What no freeze forbids and no window names goes out at any time.
type Calendar struct {
	zone             *time.Location
	windows, freezes []period
	terms            map[string]term // by unit, of those that have dates
}

// The actions that periods name. A machine that is made anew counts as deleted,
// one that is retired too, and one that is taken over as created.
const (
	ActionCreate = "create"
	ActionUpdate = "update"
	ActionDelete = "delete"
	ActionPower  = "power"
	ActionReboot = "reboot"
)

var calendarKinds = []string{inventory.KindGuest, inventory.KindPower, inventory.KindRecord, inventory.KindReservation, inventory.KindFilter}

var calendarActions = []string{ActionCreate, ActionUpdate, ActionDelete, ActionPower, ActionReboot}

// Change is what a calendar is asked about: something is done to things of a
// kind that are a unit's.
type Change struct{ Unit, Kind, Action string }

// Hold says why such a change must wait at a moment, "" where it need not, and
// when that turns; zero where it does not turn within some years.
func (c Calendar) Hold(now time.Time, ch Change) (reason string, turns time.Time) {
	reason = c.holder(now, ch)
	turns = c.turn(now, ch, reason != "")
	switch {
	case reason == "":
		return "", turns
	case turns.IsZero():
		return reason + ", and no end of that is in sight", turns
	}
	return reason + ", until " + turns.In(c.zone).Format("Mon 2 Jan 2006 15:04 MST"), turns
}

// Day is the day, YYYY-MM-DD, that it is on the campus at a moment: where no time
// zone is written, as UTC has it, and never as the host that provost runs on does.
func (c Calendar) Day(now time.Time) string {
	zone := c.zone
	if zone == nil {
		zone = time.UTC
	}
	return now.In(zone).Format(time.DateOnly)
}

// Empty reports whether everything may change at any time.
func (c Calendar) Empty() bool {
	return len(c.windows) == 0 && len(c.freezes) == 0 && len(c.terms) == 0
}

// Begun reports whether a unit is not one that is planned only as yet.
func (c Calendar) Begun(now time.Time, unit string) bool { return c.terms[unit].before(now) == "" }

// Reboots reports whether some window is there for reboots.
func (c Calendar) Reboots() bool {
	return slices.ContainsFunc(c.windows, func(p period) bool { return p.named(ActionReboot) })
}

// holder is what holds a change back at a moment, or "".
func (c Calendar) holder(now time.Time, ch Change) string {
	if t, ok := c.terms[ch.Unit]; ok {
		if reason := t.hold(now); reason != "" {
			return reason
		}
	}
	for _, p := range c.freezes {
		if p.covers(ch) && !slices.Contains(p.actions, ch.Action) && p.open(now, c.zone) {
			return "freeze " + p.name
		}
	}
	var closed []string
	for _, p := range c.windows {
		switch {
		case !p.covers(ch) || !p.named(ch.Action):
		case p.open(now, c.zone):
			return ""
		default:
			closed = append(closed, p.name)
		}
	}
	if len(closed) > 0 {
		return "waits for window " + strings.Join(closed, " or ")
	}
	return ""
}

// mostTurns is how many moments are looked at for the next turn: two a day for
// some years. Far dates are found at once, for nothing begins or ends before them.
const mostTurns = 2000

// turn is the first moment after now at which it differs whether a change is
// held. Between two moments at which something may begin or end nothing does.
func (c Calendar) turn(now time.Time, ch Change, held bool) time.Time {
	for range mostTurns {
		if now = c.next(now, ch); now.IsZero() || (c.holder(now, ch) != "") != held {
			return now
		}
	}
	return time.Time{}
}

// next is the first moment after now at which anything that concerns a change
// may begin or end.
func (c Calendar) next(now time.Time, ch Change) time.Time {
	var first time.Time
	add := func(t time.Time) {
		if t.After(now) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	if t, ok := c.terms[ch.Unit]; ok {
		add(t.start)
		add(t.freeze)
		add(t.end)
	}
	for _, p := range c.freezes {
		if p.covers(ch) && !slices.Contains(p.actions, ch.Action) {
			add(p.next(now, c.zone))
		}
	}
	for _, p := range c.windows {
		if p.covers(ch) && p.named(ch.Action) {
			add(p.next(now, c.zone))
		}
	}
	return first
}

// calendar is the campus's, with the dates of all cohorts.
func (c *Campus) calendar() Calendar {
	if c.settings == nil {
		return Calendar{zone: time.UTC}
	}
	cal := c.settings.calendar
	cal.terms = map[string]term{}
	for _, u := range c.units {
		if u.term.dated() {
			cal.terms[u.owner.Unit] = u.term
		}
	}
	return cal
}

// zoneLike is the name of a time zone as the IANA writes it.
var zoneLike = like(`^[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*)*$`, "the name of a time zone", "write it as the IANA does: Europe/Paris, or UTC")

func readCalendar(v value) Calendar {
	c := Calendar{zone: time.UTC}
	name, windows, freezes := v.get("timezone"), v.get("windows"), v.get("freezes")
	if name.set() {
		zone, err := time.LoadLocation(name.text)
		if err != nil || name.text == "Local" {
			name.refuse(zoneLike.rule, "there is no time zone %q", name.text)
		} else {
			c.zone = zone
		}
	}
	for _, list := range []value{windows, freezes} {
		if list.set() && !name.set() {
			list.refuse("add timezone: Europe/Paris", "windows and freezes need a time zone")
			return c
		}
	}
	for _, name := range windows.names() {
		c.windows = append(c.windows, readPeriod(name, windows.get(name), "actions"))
	}
	for _, name := range freezes.names() {
		c.freezes = append(c.freezes, readPeriod(name, freezes.get(name), "allow"))
	}
	return c
}

// warnOfStrangers warns of units that a period names and nobody declares: it is
// there before its cohort, or a name is misspelt.
func (c *Campus) warnOfStrangers() {
	if c.settings == nil {
		return
	}
	declared := map[string]bool{}
	for _, u := range c.units {
		declared[u.owner.Unit] = true
	}
	for _, list := range [][]period{c.settings.calendar.windows, c.settings.calendar.freezes} {
		for _, p := range list {
			for _, unit := range slices.Sorted(maps.Keys(p.units)) {
				if declared[unit] {
					continue
				}
				at := p.units[unit]
				problem := at.problem(inventory.Owner{}, suggest(unit, slices.Sorted(maps.Keys(declared))), "nobody declares %s", unit)
				problem.Warning = true
				at.file.problems = append(at.file.problems, problem)
			}
		}
	}
}
