package windows

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/untrusted"
	"github.com/provost-dev/provost/inventory/windows/winsim"
)

// The texts of TXT records come back equal or are refused before anything is sent.
func TestUntrustedTXT(t *testing.T) {
	l := newLab(t)
	l.addForeign(t)
	foreign := l.foreign()
	s := l.open(t)
	for _, u := range untrusted.Texts() {
		r := record("vm-a", forward, "TXT", u.Text)
		o := s.Apply(t.Context(), []inventory.Change{{Key: r.Key, Action: inventory.Create, After: r}}, func(inventory.Event) {})[0]
		if o.State != inventory.StateDone {
			readable(t, u, o.Error)
			if fits := len(u.Text) <= maxText && isPrintable(u.Text); fits {
				t.Errorf("%s: refused: %s", u.Name, o.Error)
			}
			continue
		}
		live := l.live(t, r.Key)
		if live == nil || live.Attrs["value"] != u.Text || live.Owner != raphael() {
			t.Fatalf("%s: became %v", u.Name, live)
		}
		l.make(t, inventory.Delete, live, nil)
	}
	if l.foreign() != foreign || len(l.stands()) != 4 {
		t.Errorf("something else was changed: %v", l.stands())
	}
}

// What a person wrote beside the mark is not ours, so it stays as it is; and the
// mark is found whatever stands beside it.
func TestUntrustedDescriptions(t *testing.T) {
	l, id := newLab(t), netip.MustParseAddr(scope25)
	texts := untrusted.Texts()
	texts = slices.DeleteFunc(texts, func(u untrusted.Text) bool { return !utf8.ValidString(u.Text) }) // Windows has none such
	var changes []inventory.Change
	for i, u := range texts {
		r, f := reservation(20+i, "vm-a"), filter(20+i, "allow")
		for _, server := range []*winsim.Server{l.dc1, l.dc2} {
			must(t, server.AddReservation(winsim.Reservation{Scope: id, IP: netip.MustParseAddr(r.Attrs["ip"]),
				ClientID: r.Attrs["mac"], Name: "vm-a", Description: u.Text, Type: "Both"}))
			must(t, server.AddFilter(winsim.Filter{MAC: f.Key.Name(), List: "Allow", Description: u.Text}))
		}
		changes = append(changes, inventory.Change{Key: r.Key, Action: inventory.Adopt, After: r}, inventory.Change{Key: f.Key, Action: inventory.Adopt, After: f})
	}
	s := l.open(t)
	// Adopted, and then written once more: the text stays in both.
	for _, action := range []inventory.Action{inventory.Adopt, inventory.Update} {
		items := l.list(t).Items
		for i := range changes {
			changes[i].Action, changes[i].Before = action, find(items, changes[i].Key)
		}
		outcomes := s.Apply(t.Context(), changes, func(inventory.Event) {})
		items = l.list(t).Items
		for i, o := range outcomes {
			u, live := texts[i/2], find(items, o.Key)
			if o.State != inventory.StateDone {
				t.Errorf("%s: %s: %s", u.Name, o.State, o.Error)
			} else if live.Owner != raphael() || live.Attrs["description"] != inventory.StripMark(u.Text) {
				t.Errorf("%s: %s stands as %.200q of %v", u.Name, o.Key, live.Attrs["description"], live.Owner)
			}
		}
	}
}

// Anything else is refused with a word, and reaches no cmdlet.
func TestUntrustedNames(t *testing.T) {
	l := newLab(t)
	s := l.open(t)
	for _, u := range untrusted.Texts() {
		if u.Text == "no" {
			continue // a good name
		}
		var changes []inventory.Change
		add := func(r *inventory.Resource) {
			changes = append(changes, inventory.Change{Key: r.Key, Action: inventory.Create, After: r})
		}
		for _, attr := range []string{"zone", "name", "type", "value", "ttl"} {
			for _, kind := range []string{"A", "CNAME", "PTR", "AAAA"} {
				add(with(record("vm-a", forward, kind, "vm-b.etu.isima.fr"), attr, u.Text))
			}
		}
		add(record(u.Text, forward, "A", "192.168.25.9"))
		add(record("vm-a", u.Text, "A", "192.168.25.9"))
		for _, attr := range []string{"ip", "mac", "name", "on"} {
			add(with(reservation(20, "vm-a"), attr, u.Text))
		}
		add(with(filter(20, "allow"), "list", u.Text))
		for _, key := range []inventory.Key{
			inventory.MakeKey("ad", inventory.KindReservation, scope25, u.Text), inventory.MakeKey("ad", inventory.KindReservation, u.Text, "bc-24-11-00-00-14"),
			inventory.MakeKey("ad", inventory.KindFilter, u.Text), inventory.Key(u.Text),
		} {
			r := reservation(20, "vm-a")
			r.Key = key
			add(r)
		}
		for _, o := range s.Apply(t.Context(), changes, func(inventory.Event) {}) {
			if o.State == inventory.StateDone {
				t.Errorf("%s: made %s", u.Name, o.Key)
			} else {
				readable(t, u, o.Error)
			}
		}
	}
	if all := l.stands(); len(all) != 0 || len(l.dc1.Reservations())+len(l.dc1.Filters()) != 0 {
		t.Errorf("something was made: %v", all)
	}
}

// Texts are data of the document, base64 on the way: no line of what PowerShell
// reads holds any of them.
func TestUntrustedTextsReachNoScript(t *testing.T) {
	for _, u := range untrusted.Texts() {
		document, err := json.Marshal(applyDocument{Changes: []changeDocument{{ID: u.Text, Name: u.Text, Set: &stateDocument{Description: &u.Text}}}})
		if err != nil {
			t.Fatal(err)
		}
		input := string(encodeInput("script", document))
		if strings.Count(input, "\n") != 3 || strings.Trim(input, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/= \n") != "" {
			t.Errorf("%s: reached the command as it is", u.Name)
		}
	}
}

// readable demands an error that says something and can be shown.
func readable(t *testing.T, u untrusted.Text, text string) {
	t.Helper()
	if r := untrusted.Obeyed(text); r >= 0 || len(text) < 5 || len(text) > 1000 {
		t.Errorf("%s: the error is %.200q (%d)", u.Name, text, len(text))
	}
}
