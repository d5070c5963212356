package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// Limits say how much may begin to go in one pass. A group trips when it would
// lose more than Count things and more than Percent of those it has.
type Limits struct {
	Count   int `yaml:"count" json:"count"`
	Percent int `yaml:"percent" json:"percent"`
}

// DefaultLimits refuse more than 3 and more than 10 %.
var DefaultLimits = Limits{Count: 3, Percent: 10}

// Declared is what the guard must know of the declarations.
type Declared struct {
	Files map[string]string // the files that are there
	Units map[string]int    // declared machines by unit
	// Ends are the cohorts that are over: "" where the end has stood long enough to
	// be an intention, else why it is not believed yet.
	Ends map[string]string
}

// Guard holds back deletions that look like an accident. They are counted for
// the whole pass, each system, source file, cohort or project, and student, and
// within each of these by kind; where one kind trips, nothing of that group is
// deleted. What vanished with its file, or with its cohort's whole roster, is
// held back however little it is: that is how a bad merge looks. What is held
// back may go with an approval of exactly that: see [Hold].
//
// A machine is judged once, when it is taken out of use: to retire it counts as
// deleting it. Its purge, days later, is not judged again: whoever let it be
// retired has let it go, and everybody has had the days between to object. The end
// of a cohort is an intention that was written down in advance: once it has stood
// long enough, what goes with it is neither counted nor held back.
func Guard(p Plan, live []inventory.Resource, declared Declared, limits Limits) Plan {
	removes := declared.unannounced(removals(p))
	losing, having := map[group]int{}, map[group]int{}
	open := false
	for i := range p.Steps {
		if s := &p.Steps[i]; !s.Blocked() && removes(s) {
			open = true
			if counted(*s.Before) {
				tally(losing, *s.Before)
			}
		}
	}
	if !open {
		return p
	}
	for _, r := range live {
		if counted(r) {
			tally(having, r)
		}
	}
	tripped := map[string]string{}
	for _, kind := range []string{inventory.KindGuest, inventory.KindFilter, inventory.KindReservation, inventory.KindRecord} {
		for g, n := range losing {
			total := having[g]
			if g.kind == kind && tripped[g.name] == "" && n > limits.Count && n*100 > limits.Percent*total {
				tripped[g.name] = fmt.Sprintf("would delete %d of %d %ss of %s; at most %d, or %d %%, may go at once",
					n, total, g.kind, g.name, limits.Count, limits.Percent)
			}
		}
	}
	return p.Block(GateGuard, func(s Step) string {
		if !removes(&s) {
			return ""
		}
		if reason := vanished(s.Owner, declared); reason != "" {
			return reason
		}
		for _, name := range groupNames(*s.Before) {
			if reason := tripped[name]; reason != "" {
				return reason
			}
		}
		return ""
	})
}

// removals tells the steps that take something away which nobody has judged yet:
// all but those that purge a retired guest, with what hangs on it.
func removals(p Plan) func(*Step) bool {
	purged := map[inventory.Key]bool{}
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Action == inventory.Delete && Purges(s.Change) {
			purged[s.Key], purged[powerOf(s.Key)] = true, true
		}
	}
	goes := func(k inventory.Key) bool { return purged[k] }
	return func(s *Step) bool {
		if s.Action == inventory.Delete {
			return !purged[s.Key] && !slices.ContainsFunc(s.Needs, goes)
		}
		return s.Action == inventory.Update && Retires(s.Change)
	}
}

// unannounced leaves out what goes with a cohort whose end was announced.
func (d Declared) unannounced(removes func(*Step) bool) func(*Step) bool {
	return func(s *Step) bool {
		if !removes(s) {
			return false
		}
		doubt, ended := d.Ends[s.Owner.Unit]
		return !ended || doubt != ""
	}
}

func vanished(o inventory.Owner, declared Declared) string {
	if doubt := declared.Ends[o.Unit]; doubt != "" {
		return doubt
	}
	if _, ok := declared.Files[o.File]; !ok && o.File != "" {
		return fmt.Sprintf("its file %s is gone; bring the file back and take single entries out of it", o.File)
	}
	if strings.HasPrefix(o.Unit, "cohort/") && declared.Units[o.Unit] == 0 {
		return fmt.Sprintf("the roster of %s is empty; that is never taken for an intention", o.Unit)
	}
	return ""
}

// group is one level at which deletions are counted, and one kind within it.
type group struct{ name, kind string }

func tally(counts map[group]int, r inventory.Resource) {
	for _, name := range groupNames(r) {
		counts[group{name, r.Key.Kind()}]++
	}
}

// groupNames are the levels that a thing counts in, the narrowest first.
func groupNames(r inventory.Resource) []string {
	var names []string
	if r.Owner.Student != "" {
		names = append(names, "student "+r.Owner.Student)
	}
	if r.Owner.Unit != "" {
		names = append(names, r.Owner.Unit)
	}
	if r.Owner.File != "" {
		names = append(names, r.Owner.File)
	}
	return append(names, r.Key.System(), "the whole campus")
}

// counted leaves out power, which goes with its guest, guests that are out of
// use already, and what is not ours.
func counted(r inventory.Resource) bool {
	return !r.Owner.IsZero() && r.Key.Kind() != inventory.KindPower && r.Attrs[inventory.AttrRetired] == ""
}
