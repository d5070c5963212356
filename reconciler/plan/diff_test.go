package plan

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/inventory"
)

var (
	alice = inventory.Owner{Campus: "isima", File: "cohorts/a.yaml", Unit: "cohort/a", Student: "alice"}
	bob   = inventory.Owner{Campus: "isima", File: "cohorts/a.yaml", Unit: "cohort/a", Student: "bob"}
)

func guest(name string, owner inventory.Owner, attrs ...string) inventory.Resource {
	r := inventory.Resource{Key: inventory.MakeKey("cri", inventory.KindGuest, name), Owner: owner, Attrs: inventory.Attrs{"type": "lxc"}}
	for i := 0; i < len(attrs); i += 2 {
		r.Attrs[attrs[i]] = attrs[i+1]
	}
	return r
}

func power(name, state, boot string, owner inventory.Owner) inventory.Resource {
	return inventory.Resource{
		Key: inventory.MakeKey("cri", inventory.KindPower, name), Owner: owner,
		Attrs: inventory.Attrs{"state": state, "boot": boot},
		Needs: []inventory.Key{inventory.MakeKey("cri", inventory.KindGuest, name)},
	}
}

func record(fqdn string, owner inventory.Owner, value string) inventory.Resource {
	_, zone, _ := strings.Cut(fqdn, ".")
	return inventory.Resource{
		Key: inventory.MakeKey("ad", inventory.KindRecord, fqdn, "A"), Owner: owner,
		Attrs: inventory.Attrs{"zone": zone, "value": value},
	}
}

func with(r inventory.Resource, edit func(*inventory.Resource)) inventory.Resource {
	r = r.Clone()
	edit(&r)
	return r
}

// line is how a step reads in the tables below.
func line(s Step) string {
	text := string(s.Action) + " " + string(s.Key)
	if len(s.Fields) > 0 {
		text += " [" + strings.Join(s.Fields, " ") + "]"
	}
	if len(s.Needs) > 0 {
		var needs []string
		for _, n := range s.Needs {
			needs = append(needs, string(n))
		}
		text += " after " + strings.Join(needs, " ")
	}
	if s.Blocked() {
		text += " !" + string(s.Gate) + ": " + s.Reason
	}
	return text
}

func lines(p Plan) []string {
	out := []string{}
	for _, s := range p.Steps {
		out = append(out, line(s))
	}
	return out
}

type list = []inventory.Resource

func TestDiff(t *testing.T) {
	foreign := inventory.Owner{}
	adopted := with(guest("old", alice, "cores", "4"), func(r *inventory.Resource) { r.Adopts = "cri/foreign/100" })
	found := with(guest("x", foreign, "cores", "4"), func(r *inventory.Resource) { r.Key = "cri/foreign/100" })
	for name, c := range map[string]struct {
		in   Input
		want []string
	}{
		"nothing": {Input{}, []string{}},
		"create, power after its guest": {
			Input{Desired: list{guest("a", alice), power("a", "running", "done", alice)}},
			[]string{"create cri/guest/a", "create cri/power/a after cri/guest/a"},
		},
		"equal": {
			Input{Desired: list{guest("a", alice, "cores", "2")}, Live: list{guest("a", alice, "cores", "2", "lock", "")}},
			[]string{},
		},
		"what is left out is not managed": {
			Input{Desired: list{guest("a", alice)}, Live: list{guest("a", alice, "onboot", "1")}},
			[]string{},
		},
		"used at creation only": {
			Input{Desired: list{guest("a", alice, "create.base", "template:9000")}, Live: list{guest("a", alice)}},
			[]string{},
		},
		"update": {
			Input{Desired: list{guest("a", alice, "cores", "4", "memory", "2048")}, Live: list{guest("a", alice, "cores", "2", "memory", "1024")}},
			[]string{"update cri/guest/a [cores memory]"},
		},
		"a changed owner is an update": {
			Input{Desired: list{guest("a", alice)}, Live: list{guest("a", bob)}},
			[]string{"update cri/guest/a [owner]"},
		},
		"an edit never replaces": {
			Input{Desired: list{guest("a", alice, "type", "qemu", "rebuild", "1")}, Live: list{guest("a", alice, "type", "lxc", "rebuild", "1")}},
			[]string{"update cri/guest/a [type]"},
		},
		"a raised rebuild replaces, and starts again what runs": {
			Input{
				Desired: list{guest("a", alice, "rebuild", "2"), power("a", "running", "done", alice)},
				Live:    list{guest("a", alice, "rebuild", "1"), power("a", "running", "done", alice)},
			},
			[]string{"replace cri/guest/a [rebuild]", "create cri/power/a after cri/guest/a"},
		},
		"a lowered rebuild changes nothing": {
			Input{Desired: list{guest("a", alice, "rebuild", "1")}, Live: list{guest("a", alice, "rebuild", "2")}},
			[]string{},
		},
		"rename": {
			Input{
				Desired: list{
					with(guest("new", alice, "name", "new"), func(r *inventory.Resource) { r.Was = "cri/guest/old" }),
					with(power("new", "running", "done", alice), func(r *inventory.Resource) { r.Was = "cri/power/old" }),
				},
				Live: list{guest("old", alice, "name", "old"), power("old", "running", "done", alice)},
			},
			[]string{"update cri/guest/new [key name]"},
		},
		"adopt": {
			Input{Desired: list{adopted}, Live: list{found}},
			[]string{"adopt cri/guest/old [owner]"},
		},
		"adopt, but it differs": {
			Input{Desired: list{with(adopted, func(r *inventory.Resource) { r.Attrs["cores"] = "2" })}, Live: list{found}},
			[]string{`adopt cri/guest/old !conflict: cannot adopt cri/foreign/100: cores is "4" there and "2" here; declare what is there, or leave it out`},
		},
		"adopt what is not there": {
			Input{Desired: list{adopted}},
			[]string{"adopt cri/guest/old !conflict: there is no cri/foreign/100 to adopt"},
		},
		"a foreign thing in the way": {
			Input{Desired: list{record("x.isima.fr", alice, "10.0.0.1")}, Live: list{record("x.isima.fr", foreign, "10.0.0.1")}},
			[]string{"update ad/record/x.isima.fr/A !conflict: it exists and does not carry our mark: remove it, rename yours, or adopt it"},
		},
		"a foreign thing elsewhere": {Input{Live: list{guest("a", foreign)}}, []string{}},
		"delete, after its power": {
			Input{Live: list{guest("a", alice), power("a", "running", "done", alice)}},
			[]string{"delete cri/guest/a after cri/power/a", "delete cri/power/a"},
		},
		"an unread system": {
			Input{
				Desired: list{guest("a", alice), record("x.isima.fr", alice, "10.0.0.1")},
				Live:    list{record("y.isima.fr", alice, "10.0.0.2")},
				Unknown: []inventory.Unknown{{Prefix: "ad", Reason: "no answer"}},
			},
			[]string{
				"create ad/record/x.isima.fr/A !frozen: cannot read ad: no answer",
				"delete ad/record/y.isima.fr/A !frozen: cannot read ad: no answer",
				"create cri/guest/a",
			},
		},
		"an unread zone": {
			Input{
				Desired: list{record("x.isima.fr", alice, "10.0.0.1"), record("x.uca.fr", alice, "10.0.0.1")},
				Unknown: []inventory.Unknown{{Prefix: "ad/zone/isima.fr", Reason: "refused"}},
			},
			[]string{"create ad/record/x.isima.fr/A !frozen: cannot read ad/zone/isima.fr: refused", "create ad/record/x.uca.fr/A"},
		},
		"a file that cannot be read deletes nothing": {
			Input{Live: list{guest("a", alice)}, FrozenFiles: map[string]string{"cohorts/a.yaml": "3 errors"}},
			[]string{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lines(Diff(c.in)); !slices.Equal(got, c.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(c.want, "\n  "))
			}
		})
	}
}

// campus draws desired and live resources that overlap in every way.
func campus(t *rapid.T) Input {
	var in Input
	owners := []inventory.Owner{alice, bob, {}}
	for _, name := range []string{"a", "b", "c", "d"} {
		value := func(label string) string { return rapid.SampledFrom([]string{"1", "2"}).Draw(t, label+name) }
		if rapid.Bool().Draw(t, "desired "+name) {
			in.Desired = append(in.Desired, guest(name, alice, "cores", value("want")), power(name, "running", "done", alice))
		}
		if rapid.Bool().Draw(t, "live "+name) {
			owner := rapid.SampledFrom(owners).Draw(t, "owner "+name)
			in.Live = append(in.Live, guest(name, owner, "cores", value("have")), power(name, "stopped", "done", owner))
		}
	}
	if rapid.Bool().Draw(t, "unread") {
		in.Unknown = []inventory.Unknown{{Prefix: "cri/guest/a", Reason: "offline"}}
	}
	return in
}

func TestDiffDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := campus(t)
		first := mustJSON(t, Diff(in))
		rand.Shuffle(len(in.Desired), func(i, j int) { in.Desired[i], in.Desired[j] = in.Desired[j], in.Desired[i] })
		rand.Shuffle(len(in.Live), func(i, j int) { in.Live[i], in.Live[j] = in.Live[j], in.Live[i] })
		if second := mustJSON(t, Diff(in)); first != second {
			t.Fatalf("two orders, two plans:\n%s\n%s", first, second)
		}
	})
}

// TestDiffIsSafeAndEnough carries the open steps out in a map: afterwards
// nothing is left to do, and whatever was not ours is as it was.
func TestDiffIsSafeAndEnough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := campus(t)
		world := map[inventory.Key]inventory.Resource{}
		for _, r := range in.Live {
			world[r.Key] = r
		}
		before := maps.Clone(world)
		for _, c := range Diff(in).Ready() {
			if old, ok := before[c.Key]; ok && old.Owner.IsZero() {
				t.Fatalf("%s %s touches what is not ours", c.Action, c.Key)
			}
			if c.Action == inventory.Delete {
				delete(world, c.Key)
			} else {
				world[c.Key] = *c.After
			}
		}
		in.Live = slices.Collect(maps.Values(world))
		if again := Diff(in).Ready(); len(again) > 0 {
			t.Fatalf("a second pass would %s %s", again[0].Action, again[0].Key)
		}
	})
}

func mustJSON(t *rapid.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
