package winsim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	owned    = "provost: campus=isima key=ad/record/vm-x.etu.isima.fr/A "
	markText = owned + "hash=1 type=A"
	oldText  = owned + "hash=0 type=A"
)

// recordJSON is a change of vm-x's A record. An empty value is null, "-" is "".
func recordJSON(expect, set string, adopt bool) string {
	state := func(value string) string {
		if value == "" {
			return "null"
		}
		return fmt.Sprintf(`{"value":%q,"ttl":3600}`, strings.TrimPrefix(value, "-"))
	}
	return fmt.Sprintf(`{"id":"0","kind":"record","zone":"etu.isima.fr","name":"vm-x","type":"A","expect":%s,"set":%s,"adopt":%t,`+
		`"mark":{"name":"_provost.vm-x","ttl":3600,"texts":[%q],"owned":[%q]}}`, state(expect), state(set), adopt, markText, owned)
}

// A record is written short: "vm-x A 192.168.25.7", with "!" at the end for dynamic.
func parseShort(t *testing.T, short string) Record {
	t.Helper()
	dynamic := strings.HasSuffix(short, "!")
	words := strings.SplitN(strings.TrimSuffix(short, "!"), " ", 3)
	r := Record{Zone: "etu.isima.fr", Name: words[0], Type: words[1], Value: words[2]}
	if dynamic {
		r.Timestamp = time.Now()
	}
	return r
}

func shortRecords(s *Server) []string {
	var all []string
	for _, r := range s.Records() {
		short := r.Name + " " + r.Type + " " + r.Value
		if r.Dynamic() {
			short += "!"
		}
		all = append(all, short)
	}
	return all
}

func TestRecordRules(t *testing.T) {
	const (
		x7, x8, x9 = "vm-x A 192.168.25.7", "vm-x A 192.168.25.8", "vm-x A 192.168.25.9"
		mark       = "_provost.vm-x TXT " + markText
		old        = "_provost.vm-x TXT " + oldText
		human      = "_provost.vm-x TXT hands off"
	)
	for _, test := range []struct {
		name   string
		stands []string
		change string
		status string
		want   []string // nil: as it stood
	}{
		{"create", nil, recordJSON("", "192.168.25.7", false), "done", []string{mark, x7}},
		{"create again", []string{mark, x7}, recordJSON("", "192.168.25.7", false), "done", nil},
		{"create beside a foreign one", []string{x8}, recordJSON("", "192.168.25.7", false), "conflict", nil},
		{"create over the same foreign one", []string{x7}, recordJSON("", "192.168.25.7", false), "conflict", nil},
		{"create over a dynamic one", []string{x7 + "!"}, recordJSON("", "192.168.25.7", false), "conflict", nil},
		{"create where half was made", []string{mark}, recordJSON("-", "192.168.25.7", false), "done", []string{mark, x7}},
		{"create beside a CNAME", []string{"vm-x CNAME y.isima.fr."}, recordJSON("", "192.168.25.7", false), "failed", nil},
		{"update", []string{mark, x7}, recordJSON("192.168.25.7", "192.168.25.8", false), "done", []string{mark, x8}},
		{"update with a new mark", []string{old, human, x7}, recordJSON("192.168.25.7", "192.168.25.8", false), "done", []string{human, mark, x8}},
		{"update what is not marked", []string{human, x7}, recordJSON("192.168.25.7", "192.168.25.8", false), "conflict", nil},
		{"update what changed meanwhile", []string{mark, x9}, recordJSON("192.168.25.7", "192.168.25.8", false), "conflict", nil},
		{"update what became dynamic", []string{mark, x7 + "!"}, recordJSON("192.168.25.7", "192.168.25.8", false), "conflict", nil},
		{"update what is gone", []string{mark}, recordJSON("192.168.25.7", "192.168.25.8", false), "done", []string{mark, x8}},
		{"update keeps the others", []string{mark, x7, x9}, recordJSON("192.168.25.7", "192.168.25.8", false), "done", []string{mark, x8, x9}},
		{"update onto a dynamic one", []string{mark, x7, x8 + "!"}, recordJSON("192.168.25.7", "192.168.25.8", false), "conflict", nil},
		{"update onto somebody's", []string{old, x7, x8}, recordJSON("192.168.25.7", "192.168.25.8", false), "conflict", nil},
		{"update where both values stand marked", []string{old, mark, x7, x8}, recordJSON("192.168.25.7", "192.168.25.8", false), "conflict", nil},
		{"update of the mark alone", []string{old, x7, x9}, recordJSON("192.168.25.7", "192.168.25.7", false), "done", []string{mark, x7, x9}},
		{"delete", []string{mark, human, x7}, recordJSON("192.168.25.7", "", false), "done", []string{human}},
		{"delete again", []string{human}, recordJSON("192.168.25.7", "", false), "done", nil},
		{"delete what is not marked", []string{x7}, recordJSON("192.168.25.7", "", false), "conflict", nil},
		{"delete what is dynamic", []string{mark, x7 + "!"}, recordJSON("192.168.25.7", "", false), "conflict", nil},
		{"delete only texts", []string{mark, x8}, recordJSON("192.168.25.7", "", false), "done", []string{x8}},
		{"adopt", []string{x7}, recordJSON("192.168.25.7", "192.168.25.7", true), "done", []string{mark, x7}},
		{"adopt another", []string{x8}, recordJSON("192.168.25.7", "192.168.25.7", true), "conflict", nil},
		{"no address", nil, recordJSON("", "vm-y", false), "failed", []string{mark}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := startServer(t, nil)
			for _, short := range test.stands {
				if err := s.AddRecord(parseShort(t, short)); err != nil {
					t.Fatal(err)
				}
			}
			if test.want == nil {
				test.want = slices.Sorted(slices.Values(test.stands))
			}
			before := s.Digest()
			c := newClient(t, s, alice)
			for _, pass := range []string{"first", "second"} {
				result := c.apply(test.change)[0]
				if result.Status != test.status {
					t.Errorf("%s pass: %+v, want %s", pass, result, test.status)
				}
				if got := shortRecords(s); !slices.Equal(got, test.want) {
					t.Errorf("%s pass: stands %q, want %q", pass, got, test.want)
				}
				withdrawn := result.Status == "failed" && s.Digest() == before // what was written meanwhile
				if first := pass == "first"; !withdrawn && result.Changed != (first && s.Digest() != before) {
					t.Errorf("%s pass: changed %t", pass, result.Changed)
				}
			}
		})
	}
}

// Somebody makes the wanted record after the script has looked: the mark that
// was just written would make it ours, so it goes again.
func TestMarkIsWithdrawn(t *testing.T) {
	mark, old := "_provost.vm-x TXT "+markText, "_provost.vm-x TXT "+oldText
	for _, test := range []struct {
		cmdlet, expect string
		stands         []string
		want           []string
	}{
		{"Add-DnsServerResourceRecordA", "", nil, nil},
		{"Add-DnsServerResourceRecordA", "-", []string{mark}, []string{mark}}, // that one was not just written
		{"Set-DnsServerResourceRecord", "192.168.25.7", []string{old, "vm-x A 192.168.25.7"}, []string{old, "vm-x A 192.168.25.7"}},
	} {
		s := startServer(t, nil)
		for _, short := range test.stands {
			if err := s.AddRecord(parseShort(t, short)); err != nil {
				t.Fatal(err)
			}
		}
		s.Inject(Fault{Match: "apply", Kind: FailItem, Cmdlet: test.cmdlet, ErrorID: "WIN32 9711"})
		got := newClient(t, s, alice).apply(recordJSON(test.expect, "192.168.25.8", false))[0]
		if got.Status != "failed" || got.ErrorID != "WIN32 9711,"+test.cmdlet {
			t.Errorf("%s: %+v", test.cmdlet, got)
		}
		if stands := shortRecords(s); !slices.Equal(stands, test.want) {
			t.Errorf("%s: stands %q, want %q", test.cmdlet, stands, test.want)
		}
	}
}

func TestRecordErrorIDs(t *testing.T) {
	s := startServer(t, nil)
	if err := s.AddRecord(Record{Zone: "etu.isima.fr", Name: "vm-x", Type: "CNAME", Value: "y.isima.fr"}); err != nil {
		t.Fatal(err)
	}
	elsewhere := strings.Replace(recordJSON("", "192.168.25.7", false), "etu.isima.fr\",\"name", "no.isima.fr\",\"name", 1)
	for _, test := range []struct {
		user User
		json string
		want string
	}{
		{alice, recordJSON("", "192.168.25.7", false), "WIN32 9709,Add-DnsServerResourceRecordA"},
		{alice, elsewhere, "WIN32 9601,Get-DnsServerResourceRecord"},
		{bob, recordJSON("", "192.168.25.7", false), "WIN32 5,Get-DnsServerResourceRecord"},
	} {
		if got := newClient(t, s, test.user).apply(test.json)[0]; got.Status != "failed" || got.ErrorID != test.want {
			t.Errorf("%+v, want %s", got, test.want)
		}
	}
}

func TestRefusesDocuments(t *testing.T) {
	s := startServer(t, nil)
	c := newClient(t, s, alice)
	many := strings.Repeat(`{"id":"x","kind":"filter"},`, maxChanges) + `{"id":"x","kind":"filter"}`
	for name, test := range map[string][2]string{
		"no JSON":        {testList, `hello`},
		"unknown field":  {testList, `{"zone":[]}`},
		"two documents":  {testList, `{} {}`},
		"scope":          {testList, `{"dhcp":true,"scopes":["etu"]}`},
		"unknown kind":   {testApply, `{"changes":[{"id":"1","kind":"user"}]}`},
		"no id":          {testApply, `{"changes":[{"kind":"filter"}]}`},
		"same id":        {testApply, `{"changes":[{"id":"1","kind":"filter"},{"id":"1","kind":"filter"}]}`},
		"unknown change": {testApply, `{"changes":[{"id":"1","kind":"filter","force":true}]}`},
		"too many":       {testApply, `{"changes":[` + many + `]}`},
	} {
		sections := c.do(test[0], test[1])
		if last := sections[len(sections)-1]; last.Part != "fault" || last.Of != "script" {
			t.Errorf("%s: %+v", name, sections)
		}
	}
}

// Whatever stands and whatever is asked: a conflict changes nothing, a second
// run finds nothing to do, and what is not ours is as it was.
func TestApplySettles(t *testing.T) {
	values := []string{"192.168.25.7", "192.168.25.8", "192.168.25.9"}
	rapid.Check(t, func(t *rapid.T) {
		d := NewDomain("etu.isima.fr")
		s := &Server{dom: d, dhcp: newDHCPServer("dc1")}
		s.AddZone("etu.isima.fr")
		foreign := Record{Zone: "etu.isima.fr", Name: "other", Type: "A", Value: "192.168.25.7"}
		for _, r := range append(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Record {
			return rapid.SampledFrom([]Record{
				{Name: "vm-x", Type: "A", Value: rapid.SampledFrom(values).Draw(t, "value")},
				{Name: "vm-x", Type: "A", Value: rapid.SampledFrom(values).Draw(t, "value"), Timestamp: time.Unix(1, 0)},
				{Name: "_provost.vm-x", Type: "TXT", Value: rapid.SampledFrom([]string{markText, oldText, "hands off"}).Draw(t, "text")},
			}).Draw(t, "record")
		}), 0, 5).Draw(t, "stands"), foreign) {
			r.Zone = "etu.isima.fr"
			if z := d.zone(r.Zone); z.lookup(r.Name, r.Type, r.Value) == nil {
				if err := s.AddRecord(r); err != nil {
					t.Fatal(err)
				}
			}
		}
		value := rapid.SampledFrom(append(values, "", "-"))
		change := recordJSON(value.Draw(t, "expect"), rapid.SampledFrom(append(values, "")).Draw(t, "set"), rapid.Bool().Draw(t, "adopt"))
		apply := func() resultItem {
			x := &session{server: s, user: &alice}
			if err := x.apply([]byte(`{"changes":[` + change + `]}`)); err != nil {
				t.Fatal(err)
			}
			sections, err := parseOutput(x.answer.text())
			if err != nil {
				t.Fatal(err)
			}
			var items []resultItem
			if err := json.Unmarshal(sections[0].Items, &items); err != nil {
				t.Fatal(err)
			}
			return items[0]
		}
		start := s.Digest()
		first := apply()
		if first.Status == "conflict" && (first.Changed || s.Digest() != start) {
			t.Errorf("a conflict changed something: %+v", first)
		}
		after := s.Digest()
		if second := apply(); second.Changed || s.Digest() != after || second.Status != first.Status {
			t.Errorf("the second run changed something: %+v, %+v", first, second)
		}
		if !slices.Contains(shortRecords(s), "other A 192.168.25.7") {
			t.Error("the foreign record is gone")
		}
	})
}
