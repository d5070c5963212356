package plan

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/inventory"
)

// reporting has memory reported and description ignored, and knows what was true.
func reporting(was Truths) Drifting {
	return Drifting{
		Modes: func(_ inventory.Owner, kind string) map[string]string {
			if kind != inventory.KindGuest {
				return nil
			}
			return map[string]string{"memory": inventory.DriftReport, "description": inventory.DriftIgnore, "nets": inventory.DriftReport}
		},
		Was: was, Stood: func(inventory.Key) bool { return false },
	}
}

func modesOf(d Drifting) func(inventory.Owner, string) map[string]string { return d.Modes }

func TestDrift(t *testing.T) {
	declared := guest("a", alice, "memory", "4096", "cores", "2", "description", "lab", "net0.mac", "02:00:00:00:00:01")
	edited := guest("a", alice, "memory", "8192", "cores", "4", "description", "mine", "net0.mac", "02:00:00:00:00:02")
	truths := func(r inventory.Resource) Truths {
		return Truths{}.Learn(list{r}, list{r}, modesOf(reporting(nil)), true)
	}
	older := guest("a", alice, "memory", "2048", "cores", "2", "description", "lab", "net0.mac", "02:00:00:00:00:01")
	unsaid := guest("a", alice, "cores", "2")
	stood := func(d Drifting) Drifting { d.Stood = func(inventory.Key) bool { return true }; return d }
	asked := func(d Drifting) Drifting { d.Corrects = true; return d }
	moved := with(declared, func(r *inventory.Resource) { r.Owner.Unit = "cohort/b" })
	for name, c := range map[string]struct {
		live  inventory.Resource
		want  inventory.Resource
		how   Drifting
		steps []string
		drift []string
	}{
		"known to have been so": {edited, declared, reporting(truths(declared)), []string{"update cri/guest/a [cores]"},
			[]string{"memory 4096 8192", "net0.mac 02:00:00:00:00:01 02:00:00:00:00:02"}},
		"nothing is known": {edited, declared, reporting(nil), []string{"update cri/guest/a [cores]"},
			[]string{"memory 4096 8192", "net0.mac 02:00:00:00:00:01 02:00:00:00:00:02"}},
		"a commit asked for memory": {edited, declared, reporting(truths(older)), []string{"update cri/guest/a [cores memory]"},
			[]string{"net0.mac 02:00:00:00:00:01 02:00:00:00:00:02"}},
		"a commit named it first": {edited, declared, reporting(truths(unsaid)), []string{"update cri/guest/a [cores description memory net0.mac]"}, nil},
		"what is corrected is told where it stood before": {guest("a", alice, "cores", "4"), unsaid, stood(reporting(nil)), []string{"update cri/guest/a [cores]"},
			[]string{"cores 2 4 corrected"}},
		"a person asked": {edited, declared, asked(reporting(truths(declared))), []string{"update cri/guest/a [cores memory net0.mac]"}, nil},
		"only what is left alone differs": {with(declared, func(r *inventory.Resource) { r.Attrs["memory"] = "1" }), declared, reporting(nil), []string{},
			[]string{"memory 4096 1"}},
		"whose it is is always put right": {with(edited, func(r *inventory.Resource) { r.Attrs["cores"] = "2" }), moved, reporting(nil), []string{"update cri/guest/a [owner]"},
			[]string{"memory 4096 8192", "net0.mac 02:00:00:00:00:01 02:00:00:00:00:02"}},
		"a half-made one is finished": {with(edited, func(r *inventory.Resource) { r.Attrs["raw"] = "1" }), declared, reporting(nil),
			[]string{"update cri/guest/a [cores description memory net0.mac]"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := Drift(Diff(Input{Desired: list{c.want}, Live: list{c.live}}), c.how)
			if got := lines(p); !slices.Equal(got, c.steps) {
				t.Errorf("got %q, want %q", got, c.steps)
			}
			var drift []string
			for _, d := range p.Drift {
				text := fmt.Sprintf("%s %s %s", d.Field, d.Declared, d.Live)
				if d.Corrected {
					text += " corrected"
				}
				drift = append(drift, text)
			}
			if !slices.Equal(drift, c.drift) {
				t.Errorf("drifted %q, want %q", drift, c.drift)
			}
			for _, s := range p.Steps {
				for _, f := range []string{"memory", "description"} {
					if !slices.Contains(s.Fields, f) && s.After.Attrs[f] != s.Before.Attrs[f] {
						t.Errorf("%s is left alone, and the step says it will be %q", f, s.After.Attrs[f])
					}
				}
			}
		})
	}
}

// A thing that is gone is made again, and told of where it stood a pass before.
func TestDriftOfWhatIsGone(t *testing.T) {
	in := Input{Desired: list{record("a.fr", alice, "10.0.0.1")}}
	how := reporting(nil)
	if p := Drift(Diff(in), how); len(p.Drift) > 0 || len(p.Steps) != 1 {
		t.Errorf("new things drifted: %v", p.Drift)
	}
	how.Stood = func(inventory.Key) bool { return true }
	p := Drift(Diff(in), how)
	if len(p.Drift) != 1 || p.Drift[0].Field != Existence || !p.Drift[0].Corrected || len(p.Steps) != 1 {
		t.Errorf("%+v %v", p.Drift, lines(p))
	}
}

// Whatever commits, hands, losses of the notes and passes that are cut off come in
// whatever order: a field that is reported is changed where it was declared
// otherwise when it was last true, or first looked at, and only there.
func TestOnlyCommitsChangeWhatIsReported(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		declared, live := "1", "1"
		lastTrue := "" // what was declared then
		var notes Truths
		how := reporting(nil)
		resource := func(memory string) list { return list{guest("a", alice, "memory", memory, "cores", "2")} }
		for range rapid.IntRange(1, 30).Draw(t, "events") {
			value := rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "value")
			switch rapid.SampledFrom([]string{"commit", "hand", "lose", "pass", "pass", "pass"}).Draw(t, "event") {
			case "commit":
				declared = value
			case "hand":
				live = value
			case "lose":
				notes, lastTrue = nil, ""
			case "pass":
				if lastTrue == "" || live == declared {
					lastTrue = declared
				}
				notes = notes.Learn(resource(declared), resource(live), how.Modes, true)
				how.Was = notes
				p := Drift(Diff(Input{Desired: resource(declared), Live: resource(live)}), how)
				differs, asked := live != declared, declared != lastTrue
				if updates := len(p.Steps) == 1; updates != (differs && asked) {
					t.Fatalf("%s is live, %s declared, %s was declared when it was true: updated %v", live, declared, lastTrue, updates)
				}
				if told := len(p.Reported()) == 1; told != (differs && !asked) {
					t.Fatalf("%s is live, %s declared, %s was declared when it was true: told %v", live, declared, lastTrue, told)
				}
				if len(p.Steps) == 1 && rapid.Bool().Draw(t, "not cut off") {
					live = declared
				}
			}
		}
	})
}

// Notes on what could not be read, or is declared in a file that cannot be, stay.
func TestTruthsOutliveWhatIsUnread(t *testing.T) {
	a, b := guest("a", alice, "memory", "1"), guest("b", alice, "memory", "1")
	modes := modesOf(reporting(nil))
	known := Truths{}.Learn(list{a, b}, list{a, b}, modes, true)
	for name, c := range map[string]struct {
		desired, live list
		whole         bool
		want          int
	}{
		"its system does not answer": {list{a, b}, list{a}, false, 2},
		"it is gone":                 {list{a, b}, list{a}, true, 2},
		"its file is broken":         {list{a}, list{a, b}, false, 2},
		"nobody declares it":         {list{a}, list{a, b}, true, 1},
	} {
		if got := known.Learn(c.desired, c.live, modes, c.whole); len(got) != c.want {
			t.Errorf("%s: %d notes, want %d", name, len(got), c.want)
		}
	}
	none := func(inventory.Owner, string) map[string]string { return nil }
	if got := known.Learn(list{a, b}, list{a, b}, none, false); len(got) != 0 {
		t.Errorf("notes on what is simply corrected: %v", got)
	}
}
