package reconciler

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler/plan"
)

// inTime is a house whose campus.yaml has these lines more. In a bubble of
// synctest it is the first of January 2000 at first.
func inTime(t *testing.T, lines string, files map[string]string) *house {
	t.Helper()
	h := newHouse(files)
	h.with(lines)
	h.Notes = NewNotes(filepath.Join(t.TempDir(), "notes.json"))
	return h
}

func (h *house) with(lines string) {
	next := projects.Tree{}
	maps.Copy(next, h.repo.tree)
	next["campus.yaml"] = projects.File{Data: []byte(campusYAML + lines)}
	h.repo.tree = next
}

func TestAFreezeHoldsBackAndThePassWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inTime(t, "timezone: Europe/Paris\nfreezes: {exams: {to: 2000-01-02, allow: [power]}}\n", map[string]string{"projects/a.yaml": project("a")})
		passes := make(chan *Pass, 9)
		h.History = func(p *Pass) {
			if p.Stage == StageDone {
				passes <- p
			}
		}
		go h.Run(t.Context(), 1000*time.Hour, nil)
		synctest.Wait()
		first := <-passes
		want := "3 of 3 changes wait: freeze exams, until Mon 3 Jan 2000 00:00 CET"
		if s := first.Statuses[len(first.Statuses)-1]; s.State != StatusPending || s.Description != want {
			t.Errorf("%+v, want %s", s, want)
		}
		if first.Changed() != 0 || first.Plan.Steps[0].Gate != plan.GateCalendar {
			t.Fatalf("made %v", first.Results)
		}
		time.Sleep(46*time.Hour + 59*time.Minute) // a minute before midnight in Paris
		synctest.Wait()
		if len(passes) != 0 {
			t.Fatal("a pass came early")
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if len(passes) != 1 {
			t.Fatal("no pass came")
		}
		if p := <-passes; !p.Converged() || p.Changed() != 3 {
			t.Fatalf("made %v", p.Results)
		}
	})
}

// slowly takes ten minutes for a change.
type slowly struct{ *memory }

func (s slowly) Apply(ctx context.Context, changes []inventory.Change, tell func(inventory.Event)) []inventory.Outcome {
	time.Sleep(10 * time.Minute)
	return s.memory.Apply(ctx, changes, tell)
}

// What is not begun when its window closes waits for the next one.
func TestNothingBeginsWhenTheWindowHasClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inTime(t, "timezone: UTC\nwindows: {nights: {hours: 00:00-00:05}}\n", map[string]string{"projects/a.yaml": project("a")})
		h.Systems["cri"] = Managed{System: slowly{h.cri}, Apply: ApplyAuto}
		h.pass(t)
		if h.cri.things["cri/guest/a.isima.fr"].Key == "" || h.cri.things["cri/power/a.isima.fr"].Key != "" {
			t.Fatalf("%v", h.cri.things)
		}
		h.expect(t, head, "apply pending 1 of 3 changes wait: "+msgShut)
		if p := h.pass(t); !p.Wakes.Equal(time.Date(2000, 1, 2, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("wakes %s", p.Wakes)
		}
	})
}

const cohortDates = `apiVersion: provost/v1
kind: Cohort
cluster: cri
start: 2000-02-01
end: %s
template: {base: 'local:debian', cores: 1, memory: 512, disk: 8, net0: lan}
students: [{login: ada}, {login: bob}]
`

// A cohort begins and ends by itself. An end that was written down a week before
// needs nobody's consent; one that is new does, for a week.
func TestACohortBeginsAndEnds(t *testing.T) {
	for name, c := range map[string]struct {
		announced time.Duration // before its end
		held      bool
	}{"announced": {30 * 24 * time.Hour, false}, "new": {24 * time.Hour, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dates := func(end string) map[string]string {
					return map[string]string{"cohorts/a.yaml": fmt.Sprintf(cohortDates, end)}
				}
				h := inTime(t, "timezone: UTC\n", dates("2000-12-31"))
				now := time.Date(2000, 1, 31, 23, 59, 0, 0, time.UTC)
				h.Now = func() time.Time { return now }
				h.rules.deny = func(c inventory.Change) string { return "judged before it began" }
				if p := h.pass(t); len(h.cri.things) != 0 || len(p.Violations) != 0 || !p.Wakes.Equal(now.Add(time.Minute)) {
					t.Fatalf("made %v, %v, wakes %s", h.cri.things, p.Violations, p.Wakes)
				}
				h.expect(t, head, "apply pending 4 of 4 changes wait: cohort/a has not begun, until Tue 1 Feb 2000 00:00 UTC")
				h.rules.deny = nil
				now = now.Add(time.Minute)
				if h.pass(t); len(h.cri.things) != 4 {
					t.Fatalf("not made when it began: %v", h.cri.things)
				}
				over := time.Date(2000, 7, 1, 0, 0, 0, 0, time.UTC)
				now = over.Add(-c.announced)
				h.repo.tree = tree(dates("2000-06-30"))
				h.with("timezone: UTC\n")
				if p := h.pass(t); len(p.Plan.Steps) != 0 || !p.Wakes.Equal(over) {
					t.Fatalf("%v, wakes %s", p.Plan.Steps, p.Wakes)
				}
				now = over
				p := h.pass(t)
				if held := p.Plan.Held != nil; held != c.held || len(p.Plan.Steps) == 0 {
					t.Fatalf("held %v, want %v: %v", held, c.held, p.Plan.Steps)
				}
				if c.held && !strings.Contains(p.Plan.Steps[0].Reason, "needs an approval until 2000-07-07") {
					t.Errorf("%s", p.Plan.Steps[0].Reason)
				}
				now = over.Add(8 * 24 * time.Hour)
				h.pass(t)
				if h.cri.things["cri/guest/vm-ada"].Attrs[inventory.AttrRetired] == "" {
					t.Errorf("not retired a week later: %v", h.cri.things["cri/guest/vm-ada"])
				}
			})
		})
	}
}

// edit changes a live thing behind provost's back.
func (m *memory) edit(key inventory.Key, attr, value string) {
	r := m.things[key].Clone()
	r.Attrs[attr] = value
	m.things[key] = r
}

func TestDriftIsReportedOrCorrected(t *testing.T) {
	h := inTime(t, "drift: {guest: {memory: report, description: ignore}}\n", map[string]string{"projects/a.yaml": project("a")})
	const a = inventory.Key("cri/guest/a.isima.fr")
	h.pass(t)
	if p := h.pass(t); !p.Converged() || len(p.Plan.Drift) > 0 {
		t.Fatalf("%+v", p.Plan)
	}
	h.cri.edit(a, "memory", "9999")
	h.cri.edit(a, "cores", "7")
	p := h.pass(t)
	if h.cri.things[a].Attrs["memory"] != "9999" || h.cri.things[a].Attrs["cores"] != "1" || !p.Converged() {
		t.Fatalf("%v", h.cri.things[a])
	}
	if len(p.Plan.Drift) != 2 || !p.Plan.Drift[0].Corrected || p.Plan.Drift[1].Corrected {
		t.Errorf("%+v", p.Plan.Drift)
	}
	drifted := "apply success 1 guest, 1 record: applied; 1 field drifted: cri/guest/a.isima.fr memory"
	h.expect(t, head, drifted)

	// Without the notes, and in a new process, it is drift all the same.
	if err := os.Remove(h.Notes.file); err != nil {
		t.Fatal(err)
	}
	h.last = standing{}
	h.pass(t)
	h.expect(t, head, drifted)

	// A commit that declares something else is made so, and a person's pass corrects.
	h.repo.tree = tree(map[string]string{"projects/a.yaml": strings.Replace(project("a"), "memory: 512", "memory: 1024", 1)})
	h.with("drift: {guest: {memory: report, description: ignore}}\n")
	if h.pass(t); h.cri.things[a].Attrs["memory"] != "1024" {
		t.Errorf("a commit's memory is not made so: %v", h.cri.things[a])
	}
	h.cri.edit(a, "memory", "9999") // before another pass has looked
	if h.pass(t); h.cri.things[a].Attrs["memory"] != "9999" {
		t.Errorf("a hand's memory was taken for the commit's: %v", h.cri.things[a])
	}
	h.Manual = true
	if h.pass(t); h.cri.things[a].Attrs["memory"] != "1024" {
		t.Errorf("not corrected though a person asked: %v", h.cri.things[a])
	}
}

// A merge request is planned by what is noted of the branch.
func TestARequestThatDeclaresAnotherValueIsNoDrift(t *testing.T) {
	const lines = "drift: {guest: {memory: report}}\n"
	h := inTime(t, lines, map[string]string{"projects/a.yaml": project("a")})
	h.pass(t)
	more := tree(map[string]string{"projects/a.yaml": strings.Replace(project("a"), "memory: 512", "memory: 1024", 1)})
	more["campus.yaml"] = projects.File{Data: []byte(campusYAML + lines)}
	h.repo.proposals = []Proposal{{ID: "!1", Commit: "feed", Tree: more}}
	h.pass(t)
	h.expect(t, "feed", "plan success update 1 guest")
}

func FuzzDecodeNotes(f *testing.F) {
	f.Add([]byte(`{"ends":{"cohort/a":{"last_day":"2027-01-31","since":"2026-11-21T12:00:00Z"}},"fields":{"cri/guest/a":{"fields":["memory"],"true":{"memory":"ab"}}}}`))
	f.Add([]byte(`{"fields":{"a":null}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := decodeNotes(data)
		if err != nil {
			return
		}
		n := NewNotes(filepath.Join(t.TempDir(), "notes.json"))
		if err := n.write(all); err != nil {
			return // a time that JSON does not take
		}
		again, err := n.read()
		if err != nil || !again.equal(all) {
			t.Fatalf("wrote %+v, read %+v: %v", all, again, err)
		}
	})
}
