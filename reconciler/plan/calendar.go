package plan

import (
	"slices"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// Timetable says why changes must wait for another time, "" where they need not,
// and when that turns, zero where it does not. What is done to things of a kind
// is what the campus's calendar calls it: create, update, delete, power or reboot.
type Timetable func(o inventory.Owner, kind, does string) (reason string, turns time.Time)

// What a step does, in the words of a calendar.
const (
	doesCreate = "create"
	doesUpdate = "update"
	doesDelete = "delete"
	doesPower  = "power"
	doesReboot = "reboot"
)

// Wait closes [GateCalendar] before every open step whose time is not now, notes
// on the step until when, and on those that may go out how long they may. It
// comes after the rules have judged: what waits is judged as if it went out.
func Wait(p Plan, when Timetable) Plan {
	type class struct {
		unit, kind, does string
	}
	type answer struct {
		reason string
		turns  time.Time
	}
	known := map[class]answer{}
	does := classifier(p)
	steps := slices.Clone(p.Steps)
	for i := range steps {
		s := &steps[i]
		if s.Blocked() {
			continue
		}
		c := class{s.Owner.Unit, s.Key.Kind(), does(*s)}
		a, ok := known[c]
		if !ok {
			a.reason, a.turns = when(s.Owner, c.kind, c.does)
			known[c] = a
		}
		if a.reason != "" {
			s.Gate, s.Reason, s.Until = GateCalendar, a.reason, a.turns
		} else {
			s.Closes = a.turns
		}
	}
	p.Steps = steps
	return p
}

// Wakes is when the first of the steps that wait for their time may go out; zero
// where none does.
func (p Plan) Wakes() time.Time {
	var first time.Time
	for _, s := range p.Steps {
		if !s.Until.IsZero() && (first.IsZero() || s.Until.Before(first)) {
			first = s.Until
		}
	}
	return first
}

// classifier tells what a step does. The power of a machine that is made or that
// goes belongs to that; so does making a machine anew, which loses its disk.
func classifier(p Plan) func(Step) string {
	making, going := map[inventory.Key]bool{}, map[inventory.Key]bool{}
	for _, s := range p.Steps {
		if s.Key.Kind() != inventory.KindGuest {
			continue
		}
		switch {
		case s.Action == inventory.Create:
			making[powerOf(s.Key)] = true
		case s.Action == inventory.Delete, s.Action == inventory.Replace, Retires(s.Change):
			going[powerOf(s.Key)] = true
		}
	}
	return func(s Step) string {
		switch {
		case s.Key.Kind() == inventory.KindReboot:
			return doesReboot
		case s.Key.Kind() == inventory.KindPower && making[s.Key]:
			return doesCreate
		case s.Key.Kind() == inventory.KindPower && going[s.Key]:
			return doesDelete
		case s.Key.Kind() == inventory.KindPower:
			return doesPower
		case s.Action == inventory.Create, s.Action == inventory.Adopt:
			return doesCreate
		case s.Action == inventory.Delete, s.Action == inventory.Replace, Retires(s.Change):
			return doesDelete
		}
		return doesUpdate
	}
}
