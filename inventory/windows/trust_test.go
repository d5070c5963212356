package windows

import (
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/windows/winsim"
	"github.com/provost-dev/provost/reconciler/plan"
)

// being is what stands about one machine that was drawn, on each partner for itself
// where that is so, and which of it is declared.
type being struct {
	Record                string
	Reservations, Filters [2]string
	Declared              [3]bool // record, reservation, filter
}

// world is what there is and what goes wrong.
type world struct {
	Beings           []being
	Reading, Writing []winsim.Fault // of dc1 and dc2 in turn
	Unreadable       [2]bool        // the scope, while it is listed
	Planned          []string       // what happens to a being before the plan is applied
}

func drawWorld(t *rapid.T) world {
	pick := func(values ...string) *rapid.Generator[string] { return rapid.SampledFrom(values) }
	reservation := pick("", "ours", "ours", "nobody's", "another's", "renamed", "moved")
	filter := pick("", "ours", "ours", "nobody's", "another's", "denied")
	one := rapid.Custom(func(t *rapid.T) being {
		b := being{Record: pick("", "ours", "ours", "aged", "nobody's", "another's", "edited", "half", "two", "cname").Draw(t, "record")}
		for i := range 2 {
			b.Reservations[i], b.Filters[i] = reservation.Draw(t, "reservation"), filter.Draw(t, "filter")
		}
		for i := range b.Declared {
			b.Declared[i] = rapid.Bool().Draw(t, "declared")
		}
		return b
	})
	fault := rapid.Custom(func(t *rapid.T) winsim.Fault {
		return rapid.SampledFrom([]winsim.Fault{
			{Kind: winsim.Refuse, Match: "*", Skip: rapid.IntRange(0, 9).Draw(t, "skip")}, {Kind: winsim.DropAnswer}, {Kind: winsim.DropBefore},
			{Kind: winsim.Fault500}, {Kind: winsim.LoseStdin}, {Kind: winsim.FailItem, ErrorID: "WIN32 9711"}, {Kind: winsim.FailItem, ErrorID: "WIN32 5"},
			{Kind: winsim.FailItem, ErrorID: "DHCP 20022", Item: "0"}, {Kind: winsim.FailItem, ErrorID: "DHCP 20095", Item: "1"},
		}).Draw(t, "fault")
	})
	w := world{
		Beings:  rapid.SliceOfN(one, 1, 4).Draw(t, "beings"),
		Reading: rapid.SliceOfN(fault, 0, 2).Draw(t, "reading"), Writing: rapid.SliceOfN(fault, 0, 2).Draw(t, "writing"),
		Unreadable: [2]bool{rapid.IntRange(0, 5).Draw(t, "unreadable") == 0, rapid.IntRange(0, 5).Draw(t, "unreadable") == 0},
	}
	for range w.Beings {
		w.Planned = append(w.Planned, pick("", "", "", "taken over", "gone").Draw(t, "planned"))
	}
	return w
}

// Whatever stands and whatever goes wrong: what does not carry our mark stays as it
// is; and once nothing goes wrong any more, two passes leave nothing that can be done.
func TestNothingOfOthersIsTouched(t *testing.T) {
	few(t)
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		l := newLab(t)
		w.settle(t, l)
		s := l.open(t)
		_, err := s.List(t.Context())
		must(t, err)
		inject(l, w.Reading)
		l.dc1.ScopeUnreadable(netip.MustParseAddr(scope25), w.Unreadable[0])
		l.dc2.ScopeUnreadable(netip.MustParseAddr(scope25), w.Unreadable[1])
		changes := w.changes(t, s)
		calm(l)
		for i, what := range w.Planned {
			happens(t, l, i, what)
		}
		before := foreigners(l)
		inject(l, w.Writing)
		s.Apply(t.Context(), changes, func(inventory.Event) {})
		calm(l)
		for range 2 {
			s.Apply(t.Context(), w.changes(t, s), func(inventory.Event) {})
		}
		stands := l.dc1.Digest() + l.dc2.Digest()
		for _, o := range s.Apply(t.Context(), w.changes(t, s), func(inventory.Event) {}) {
			if o.State != inventory.StateFailed { // something foreign is in its place
				rt.Errorf("was left to do: %v", o)
			}
		}
		if l.dc1.Digest()+l.dc2.Digest() != stands {
			rt.Error("what failed has changed something")
		}
		if now := foreigners(l); !slices.Equal(now, before) {
			rt.Errorf("what is not ours was\n%s\nand is\n%s", strings.Join(before, "\n"), strings.Join(now, "\n"))
		}
	})
}

// few makes a property that costs much be checked seldom where nobody asks for more.
func few(t *testing.T) {
	checks := flag.Lookup("rapid.checks")
	if before := checks.Value.String(); before == checks.DefValue {
		must(t, checks.Value.Set("8"))
		t.Cleanup(func() { must(t, checks.Value.Set(before)) })
	}
}

func inject(l *lab, faults []winsim.Fault) {
	for i, f := range faults {
		[]*winsim.Server{l.dc1, l.dc2}[i%2].Inject(f)
	}
}

func calm(l *lab) {
	for _, s := range []*winsim.Server{l.dc1, l.dc2} {
		s.ClearFaults()
		s.ScopeUnreadable(netip.MustParseAddr(scope25), false)
	}
}

// changes are what a pass would make of what is declared; none where nothing is read.
func (w world) changes(t *testing.T, s *System) []inventory.Change {
	listing, err := s.List(t.Context())
	if err != nil {
		return nil
	}
	var desired []inventory.Resource
	for i, b := range w.Beings {
		for j, r := range things(i) {
			if b.Declared[j] {
				desired = append(desired, *r)
			}
		}
	}
	return plan.Diff(plan.Input{Desired: desired, Live: listing.Items, Unknown: listing.Unknown}).Ready()
}

// things are what a being may have: a record, a reservation, a filter.
func things(i int) [3]*inventory.Resource {
	name := fmt.Sprintf("vm-%d", i)
	return [3]*inventory.Resource{record(name, forward, "A", fmt.Sprintf("192.168.25.%d", 20+i)), reservation(20+i, name), filter(20+i, "allow")}
}

func (w world) settle(t *testing.T, l *lab) {
	for i, b := range w.Beings {
		of := things(i)
		settleRecord(t, l, of[0], b.Record)
		for j, s := range []*winsim.Server{l.dc1, l.dc2} {
			r := winsim.Reservation{Scope: netip.MustParseAddr(scope25), IP: netip.MustParseAddr(of[1].Attrs["ip"]), ClientID: of[1].Attrs["mac"],
				Name: of[1].Attrs["name"], Description: describedAs(of[1].Key, b.Reservations[j], "name", of[1].Attrs["name"])}
			switch b.Reservations[j] {
			case "renamed":
				r.Name += "." + forward
			case "moved":
				r.IP = netip.MustParseAddr(fmt.Sprintf("192.168.25.%d", 120+i))
			}
			if b.Reservations[j] != "" {
				must(t, s.AddReservation(r))
			}
			f := winsim.Filter{MAC: of[1].Attrs["mac"], List: "Allow", Description: describedAs(of[2].Key, b.Filters[j])}
			if b.Filters[j] == "denied" {
				f.List = "Deny"
			}
			if b.Filters[j] != "" {
				must(t, s.AddFilter(f))
			}
		}
	}
}

func describedAs(key inventory.Key, what string, extra ...string) string {
	m := inventory.Mark{Key: key, Owner: raphael(), Extra: map[string]string{}}
	if len(extra) > 0 {
		m.Extra[extra[0]] = extra[1]
	}
	switch what {
	case "nobody's":
		return "by hand"
	case "another's":
		m.Key += "0" // a description that somebody has copied
	}
	return inventory.WithMark("", m)
}

func settleRecord(t *testing.T, l *lab, r *inventory.Resource, what string) {
	name, value := r.Attrs["name"], r.Attrs["value"]
	mark := recordMark(r.Key, r.Owner, "A", value)
	stands := winsim.Record{Zone: forward, Name: name, Type: "A", Value: value}
	switch what {
	case "":
		return
	case "nobody's":
		mark.Key = ""
	case "another's":
		mark.Owner.Campus = "elsewhere"
	case "aged":
		stands.Timestamp = time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	case "edited":
		stands.Value = "10.9.9.9"
	case "two":
		must(t, l.dc1.AddRecord(winsim.Record{Zone: forward, Name: name, Type: "A", Value: "10.9.9.9"}))
	case "cname":
		stands.Type, stands.Value, mark.Key = "CNAME", "elsewhere.isima.fr", ""
	}
	if what != "half" {
		must(t, l.dc1.AddRecord(stands))
	}
	if mark.Key != "" {
		for _, text := range markTexts(mark) {
			must(t, l.dc1.AddRecord(winsim.Record{Zone: forward, Name: markName(name), Type: "TXT", Value: text}))
		}
	}
}

// happens is what an administrator does to a being's things.
func happens(t *testing.T, l *lab, i int, what string) {
	of := things(i)
	if what == "" {
		return
	}
	for _, r := range l.dc1.Records() {
		if r.Name == markName(of[0].Attrs["name"]) || what == "gone" && r.Name == of[0].Attrs["name"] {
			l.dc1.RemoveRecord(r.Zone, r.Name, r.Type, r.Value)
		}
	}
	for _, s := range []*winsim.Server{l.dc1, l.dc2} {
		for _, r := range s.Reservations() {
			if r.ClientID != of[1].Attrs["mac"] {
				continue
			}
			s.RemoveReservation(r.IP)
			if r.Description = "taken over"; what != "gone" {
				must(t, s.AddReservation(r))
			}
		}
		for _, f := range s.Filters() {
			if !strings.EqualFold(f.MAC, of[1].Attrs["mac"]) {
				continue
			}
			s.RemoveFilter(f.MAC)
			if f.Description = "taken over"; what != "gone" {
				must(t, s.AddFilter(f))
			}
		}
	}
}

// foreigners are all things without our mark, as they stand.
func foreigners(l *lab) []string {
	var all []string
	marks := map[string]string{} // by name and type
	for _, r := range l.dc1.Records() {
		if m, ok := inventory.ParseMark(r.Value); ok && r.Type == "TXT" && m.Owner.Campus == "isima" {
			marks[r.Name+" "+m.Extra["type"]] += m.Extra["hash"] + " "
		}
	}
	for _, r := range l.dc1.Records() {
		m, marked := inventory.ParseMark(r.Value)
		ours := marked && m.Owner.Campus == "isima" ||
			!r.Dynamic() && strings.Contains(marks[markName(r.Name)+" "+r.Type], valueHash(r.Value))
		if !ours {
			all = append(all, fmt.Sprint(r))
		}
	}
	for _, s := range []*winsim.Server{l.dc1, l.dc2} {
		for _, r := range s.Reservations() {
			if m, ok := inventory.ParseMark(r.Description); !ok || m.Key != inventory.MakeKey("ad", inventory.KindReservation, scope25, r.ClientID) {
				all = append(all, fmt.Sprint(r))
			}
		}
		for _, f := range s.Filters() {
			if m, ok := inventory.ParseMark(f.Description); !ok || m.Key != inventory.MakeKey("ad", inventory.KindFilter, strings.ToLower(f.MAC)) {
				all = append(all, fmt.Sprint(f))
			}
		}
	}
	return all
}
