package plan

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// Retention says what becomes of guests that nothing declares any more.
type Retention struct {
	Day  string                    // today on the campus, YYYY-MM-DD
	Days func(inventory.Owner) int // for how many days an owner's guests are kept; 0 keeps none
	// Unread are the parts of the live systems that could not be read.
	Unread []inventory.Unknown
}

// Kept is a guest that nothing declares and that is kept all the same.
type Kept struct {
	Key   inventory.Key   `json:"key"`
	Owner inventory.Owner `json:"owner,omitzero"`
	Since string          `json:"since"`           // the day on which it was retired
	Until string          `json:"until,omitempty"` // the day on which it is purged; "" where its mark names none
}

// Retain makes the deletion of a guest a matter of three steps, each told by the
// guest's own mark, so that a pass needs to remember nothing:
//
//	the mark says          the guest            its power   what hangs on it
//	nothing                retired: an update   stopped     kept
//	retired, not yet due   kept: no step        stopped     kept
//	retired and due        purged: a delete     deleted     deleted after it
//
// What hangs on a guest are its records, reservations and filters: see [kin].
// They stay while it stays, so that it can come back as it was, and go when it
// has gone. What hangs on no guest goes as before, unless a guest that could not
// be read may be the one it hangs on.
//
// A guest comes back by being declared again: [Diff] sees to that, as its
// declaration then says that it is not retired.
func Retain(p Plan, live []inventory.Resource, how Retention) Plan {
	leaving := map[inventory.Key]*leaver{}
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Action == inventory.Delete && s.Key.Kind() == inventory.KindGuest {
			leaving[s.Key] = newLeaver(s.Before, how)
		}
	}
	if !slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Action == inventory.Delete }) {
		return p
	}
	r := retainer{how: how, leaving: leaving, kin: newKin(leaving), hidden: hidden(live, how.Unread)}
	for i := range p.Steps {
		r.remember(&p.Steps[i])
	}
	var steps []Step
	for _, s := range p.Steps {
		if s, ok := r.step(s); ok {
			steps = append(steps, s)
		}
	}
	keepPlannedNeeds(steps)
	p.Steps, p.Kept = steps, r.kept
	return p
}

// Retires reports whether a change takes a guest out of use without deleting it.
func Retires(c inventory.Change) bool {
	return c.Action == inventory.Update && c.Before != nil && c.After != nil &&
		c.Before.Attrs[inventory.AttrRetired] == "" && c.After.Attrs[inventory.AttrRetired] != ""
}

// Purges reports whether a change deletes a guest whose days are over.
func Purges(c inventory.Change) bool {
	return c.Action == inventory.Delete && c.Key.Kind() == inventory.KindGuest &&
		c.Before != nil && c.Before.Attrs[inventory.AttrRetired] != ""
}

// stage is where a guest stands on its way out.
type stage int

const (
	retiring stage = iota // it is to be retired now
	staying               // it is retired and kept
	going                 // it is to be deleted now
)

// leaver is a live guest that nothing declares.
type leaver struct {
	*inventory.Resource
	stage stage
	days  int    // retiring: for how long it will be kept
	until string // staying: the day of its purge, "" where nobody can tell
	runs  bool   // retiring: it runs
	// Why nobody can tell whether it runs, and so whether it must be started
	// when it comes back.
	unsure string
}

func newLeaver(guest *inventory.Resource, how Retention) *leaver {
	l := &leaver{Resource: guest}
	since := guest.Attrs[inventory.AttrRetired]
	if since == "" {
		if l.days = how.Days(guest.Owner); l.days == 0 {
			l.stage = going
		}
		return l
	}
	l.stage, l.until = staying, after(since, guest.Attrs[inventory.AttrRetain])
	if l.until != "" && l.until <= how.Day {
		l.stage = going
	}
	return l
}

// after is the day that comes days after another, or "" where either cannot be
// read: what cannot be read is never due.
func after(day, days string) string {
	n, err := strconv.Atoi(days)
	start, err2 := time.Parse(time.DateOnly, day)
	if err != nil || err2 != nil || n < 0 {
		return ""
	}
	return start.AddDate(0, 0, n).Format(time.DateOnly)
}

type retainer struct {
	how     Retention
	leaving map[inventory.Key]*leaver
	kin     kin
	hidden  string // why a guest may be there that is not listed, or ""
	kept    []Kept
}

// remember notes whether a guest that leaves runs, from the step that would
// have deleted its power.
func (r *retainer) remember(s *Step) {
	if s.Key.Kind() != inventory.KindPower || s.Action != inventory.Delete {
		return
	}
	if l := r.leaving[guestOf(s.Key)]; l != nil {
		l.runs = s.Before.Attrs["state"] == "running"
		if s.Gate == GateFrozen {
			l.unsure = s.Reason
		}
	}
}

// step is what becomes of one step; false drops it.
func (r *retainer) step(s Step) (Step, bool) {
	if s.Action != inventory.Delete {
		return s, true
	}
	switch s.Key.Kind() {
	case inventory.KindGuest:
		return r.guest(s, r.leaving[s.Key])
	case inventory.KindPower:
		return r.power(s, r.leaving[guestOf(s.Key)])
	case inventory.KindRecord, inventory.KindReservation, inventory.KindFilter:
		return r.hanging(s)
	}
	return s, true
}

func (r *retainer) guest(s Step, l *leaver) (Step, bool) {
	switch l.stage {
	case staying:
		r.kept = append(r.kept, Kept{Key: s.Key, Owner: s.Owner, Since: l.Attrs[inventory.AttrRetired], Until: l.until})
		return s, false
	case going:
		return s, true
	}
	days := strconv.Itoa(l.days)
	retired := l.Clone()
	retired.Attrs[inventory.AttrRetired] = r.how.Day
	retired.Attrs[inventory.AttrRetain] = days
	retired.Attrs["tags"] = inventory.TagRetired(l.Attrs["tags"], r.how.Day)
	if l.runs {
		retired.Attrs["boot"] = "new"
	}
	s.Action, s.After, s.Needs = inventory.Update, &retired, nil
	s.Fields = []string{inventory.AttrRetain, inventory.AttrRetired, "tags"}
	s.Note = "nothing declares it any more: it is stopped, and kept until " + after(r.how.Day, days)
	if !s.Blocked() && l.unsure != "" {
		s.Gate, s.Reason = GateFrozen, l.unsure
	}
	return s, true
}

// power stops what runs. The guest's mark must say first that it ran.
func (r *retainer) power(s Step, l *leaver) (Step, bool) {
	if l == nil || l.stage == going {
		return s, true
	}
	if s.Before.Attrs["state"] == "stopped" {
		return s, false
	}
	stopped := inventory.Resource{Key: s.Key, Attrs: inventory.Attrs{"state": "stopped"}, Owner: s.Owner}
	s.Action, s.After, s.Fields = inventory.Update, &stopped, []string{"state"}
	if l.stage == retiring {
		s.Needs = []inventory.Key{guestOf(s.Key)}
	}
	return s, true
}

// hanging is a record, reservation or filter that nothing declares.
func (r *retainer) hanging(s Step) (Step, bool) {
	l := r.kin.of(s.Before)
	switch {
	case l == nil && r.hidden != "" && !s.Blocked():
		s.Gate, s.Reason = GateFrozen, r.hidden
	case l == nil:
	case l.stage == going:
		s.Needs = append(slices.Clone(s.Needs), l.Key)
	default:
		return s, false
	}
	return s, true
}

// hidden says why there may be guests that the listing does not show, or "".
// Where a guest is listed, it does not matter that it could not be read now.
func hidden(live []inventory.Resource, unread []inventory.Unknown) string {
	for _, u := range unread {
		kind := u.Prefix.Kind()
		if kind != "" && kind != inventory.KindGuest {
			continue
		}
		listed := slices.ContainsFunc(live, func(r inventory.Resource) bool { return r.Key == u.Prefix })
		if !listed {
			return "cannot read " + string(u.Prefix) + ", and it may hang on a machine there: " + u.Reason
		}
	}
	return ""
}

// kin finds the guest that a record, a reservation or a filter hangs on, among
// those that leave. DNS and DHCP servers keep no mark of the guest, so it is
// found by what they do keep: a MAC address, or a name that is the guest's, lies
// below it or points to it, with the same owner.
type kin struct {
	byMAC   map[string]*leaver            // as DHCP servers write it
	byOwner map[inventory.Owner][]*leaver // the file left out: it may have been renamed
}

func newKin(leaving map[inventory.Key]*leaver) kin {
	k := kin{byMAC: map[string]*leaver{}, byOwner: map[inventory.Owner][]*leaver{}}
	for _, l := range leaving {
		for net := range strings.SplitSeq(l.Attrs["nets"], ",") {
			if mac := l.Attrs[net+".mac"]; mac != "" {
				k.byMAC[strings.ToLower(strings.ReplaceAll(mac, ":", "-"))] = l
			}
		}
		who := sameOwner(l.Owner)
		k.byOwner[who] = append(k.byOwner[who], l)
	}
	for _, list := range k.byOwner {
		// The longest name is the nearest; guests of one name leave together.
		slices.SortFunc(list, func(a, b *leaver) int {
			return cmp.Or(cmp.Compare(len(b.Attrs["name"]), len(a.Attrs["name"])), cmp.Compare(a.Key, b.Key))
		})
	}
	return k
}

func sameOwner(o inventory.Owner) inventory.Owner { o.File = ""; return o }

func (k kin) of(r *inventory.Resource) *leaver {
	if r.Key.Kind() != inventory.KindRecord {
		name := r.Key.Name()
		return k.byMAC[name[strings.LastIndexByte(name, '/')+1:]]
	}
	fqdn, _, _ := strings.Cut(r.Key.Name(), "/")
	for _, l := range k.byOwner[sameOwner(r.Owner)] {
		name := l.Attrs["name"]
		if name != "" && (within(fqdn, name) || isNameOf(r.Attrs["value"], name)) {
			return l
		}
	}
	return nil
}

// isNameOf reports whether a full name is that of a guest, whose own name may
// lack the zone; within, whether it is or lies below it.
func isNameOf(fqdn, guest string) bool { return strings.HasPrefix(fqdn+".", guest+".") }
func within(fqdn, guest string) bool   { return strings.Contains("."+fqdn+".", "."+guest+".") }
