package projects

import "github.com/provost-dev/provost/inventory"

// defaultRetain is for how many days a machine is kept where nothing says so:
// long enough to come back from a holiday and miss it.
const defaultRetain = 30

// Retention is for how many days machines are kept, stopped, after their
// declaration went.
type Retention struct {
	byDefault int            // the campus's
	units     map[string]int // of the cohorts and projects that are there
}

// Days is for how long a unit's machines are kept; of a unit that is gone nobody
// knows any more what it asked for.
func (r Retention) Days(unit string) int {
	if days, ok := r.units[unit]; ok {
		return days
	}
	return r.byDefault
}

var retain = described("days for which a machine is kept, stopped, after it is no longer declared; 0 deletes at once; 30 where nothing says so",
	shape{kind: whole, max: 3650})

func readRetain(v value, byDefault int) int {
	if days := v.get("retain"); days.set() {
		return days.number()
	}
	return byDefault
}

// retain is the campus's.
func (c *Campus) retain() int {
	if c.settings == nil {
		return defaultRetain
	}
	return c.settings.retain
}

// retired reports whether the live guest is one that is kept, and so is about to
// come back.
func (s *site) retired() bool { return s.guest.Attrs[inventory.AttrRetired] != "" }

// comeBack says that a retired guest is in use again.
func (s *site) comeBack(attrs inventory.Attrs) {
	if s.retired() {
		attrs[inventory.AttrRetired] = ""
	}
}

// refuseKept refuses a machine under whose name another owner's is kept: it would
// get that one's disk. A student's own follows him from cohort to cohort.
func (b *builder) refuseKept() {
	for _, s := range b.sites {
		if s.refused != "" || !s.retired() {
			continue
		}
		was, is := s.guest.Owner, s.owner
		if was.Student != "" && was.Student == is.Student || was.Student == is.Student && was.Unit == is.Unit {
			continue
		}
		b.refuse(s, "choose another name; or declare it where it was, and move it then",
			"%s is kept for %s since %s", s.guest.Key.Name(), was, s.guest.Attrs[inventory.AttrRetired])
	}
}
