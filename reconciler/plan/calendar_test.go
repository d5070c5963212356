package plan

import (
	"slices"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// Every step is asked about in the calendar's words.
func TestWaitNamesWhatStepsDo(t *testing.T) {
	made, gone := guest("made", alice, "name", "made"), guest("gone", bob, "name", "gone", "tags", "provost")
	was, is := guest("edit", alice, "cores", "1"), guest("edit", alice, "cores", "2")
	old, anew := guest("anew", alice, "rebuild", "0"), guest("anew", alice, "rebuild", "1")
	live := list{gone, power("gone", "running", "done", bob), was, power("edit", "stopped", "done", alice), old, power("anew", "running", "done", alice),
		with(guest("slow", alice, "pending", "cores"), func(*inventory.Resource) {}), power("slow", "running", "done", alice)}
	desired := list{made, power("made", "running", "done", alice), is, power("edit", "running", "done", alice), anew, power("anew", "running", "done", alice),
		guest("slow", alice), power("slow", "running", "done", alice), record("new.fr", alice, "10.0.0.1")}
	p := Retain(Diff(Input{Desired: desired, Live: live}), live, keeping(30))
	p = Reboot(p, live, nil, func(inventory.Key) string { return RebootNow })
	want := map[inventory.Key]string{
		"ad/record/new.fr/A": "create", "cri/guest/made": "create", "cri/power/made": "create",
		"cri/guest/gone": "delete", "cri/power/gone": "delete", "cri/guest/anew": "delete", "cri/power/anew": "delete",
		"cri/guest/edit": "update", "cri/power/edit": "power", "cri/reboot/slow": "reboot",
	}
	does := classifier(p)
	for _, s := range p.Steps {
		if got := does(s); got != want[s.Key] {
			t.Errorf("%s does %q, want %q", line(s), got, want[s.Key])
		}
		delete(want, s.Key)
	}
	if len(want) > 0 {
		t.Errorf("no steps for %v", want)
	}
}

func TestWait(t *testing.T) {
	opens, closes := time.Date(2026, 12, 19, 0, 0, 0, 0, time.UTC), time.Date(2026, 12, 20, 0, 0, 0, 0, time.UTC)
	live := list{guest("b", bob, "cores", "1")}
	p := Diff(Input{Desired: list{guest("a", alice), guest("b", bob, "cores", "2"), guest("c", bob)}, Live: live,
		Unknown: []inventory.Unknown{{Prefix: "cri/guest/c", Reason: "busy"}}})
	asked := 0
	p = Wait(p, func(o inventory.Owner, kind, does string) (string, time.Time) {
		asked++
		if does == "create" {
			return "freeze exams", opens
		}
		return "", closes
	})
	want := []string{"create cri/guest/a blocked by calendar: freeze exams", "update cri/guest/b [cores]", "create cri/guest/c blocked by frozen: cannot read cri/guest/c: busy"}
	if got := lines(p); len(got) != 3 || p.Steps[0].Gate != GateCalendar || p.Steps[1].Blocked() || p.Steps[2].Gate != GateFrozen {
		t.Errorf("got %q, want %q", got, want)
	}
	if !p.Steps[0].Until.Equal(opens) || !p.Steps[1].Closes.Equal(closes) || !p.Wakes().Equal(opens) || asked != 2 {
		t.Errorf("%+v, wakes %s, asked %d times", p.Steps, p.Wakes(), asked)
	}
}

func TestReboot(t *testing.T) {
	slow := guest("a", alice, "pending", "cores,nameserver")
	on, off := power("a", "running", "done", alice), power("a", "stopped", "done", alice)
	now := func(inventory.Key) string { return RebootNow }
	for name, c := range map[string]struct {
		live    list
		unknown []inventory.Unknown
		when    func(inventory.Key) string
		want    []string
		pending int
	}{
		"a running one":              {list{slow, on}, nil, now, []string{"update cri/reboot/a [pending]"}, 1},
		"one that nobody restarts":   {list{slow, on}, nil, func(inventory.Key) string { return "" }, []string{}, 1},
		"one that is stopped":        {list{slow, off}, nil, now, []string{}, 0},
		"one that waits for nothing": {list{guest("a", alice), on}, nil, now, []string{}, 0},
		"one that is not ours":       {list{with(slow, func(r *inventory.Resource) { r.Owner = inventory.Owner{} }), on}, nil, now, []string{}, 0},
		"one that is retired":        {list{with(slow, func(r *inventory.Resource) { r.Attrs["retired"] = "2026-11-21" }), on}, nil, now, []string{}, 0},
		"one that was not read":      {list{slow, on}, []inventory.Unknown{{Prefix: "cri/guest/a"}}, now, []string{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := Reboot(Plan{Steps: []Step{}}, c.live, c.unknown, c.when)
			if got := lines(p); !slices.Equal(got, c.want) || len(p.Pending) != c.pending {
				t.Errorf("got %q and %v, want %q and %d", got, p.Pending, c.want, c.pending)
			}
		})
	}
	live := list{slow, on}
	other := Diff(Input{Desired: list{guest("a", alice, "memory", "2"), on}, Live: live})
	if p := Reboot(other, live, nil, now); len(p.Steps) != 1 || len(p.Pending) != 0 {
		t.Errorf("restarted beside another change: %q", lines(p))
	}
}

// What goes with a cohort whose end was announced is neither counted nor held
// back; one whose end is new is.
func TestGuardBelievesAnEnd(t *testing.T) {
	ended := inventory.Owner{Campus: "isima", File: "cohorts/e.yaml", Unit: "cohort/e", Student: "s"}
	var live list
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		live = append(live, guest(name, ended, "name", name, "tags", ""))
	}
	p := Retain(Diff(Input{Live: live}), live, keeping(30))
	declared := Declared{Files: map[string]string{"cohorts/e.yaml": ""}, Units: map[string]int{"cohort/e": 0}}
	for doubt, held := range map[string]int{"": 0, "its end is new": 6} {
		declared.Ends = map[string]string{"cohort/e": doubt}
		if got := Guard(p, live, declared, DefaultLimits).Count().Gates[GateGuard]; got != held {
			t.Errorf("doubt %q: %d held back, want %d", doubt, got, held)
		}
	}
	declared.Ends = nil
	if got := Guard(p, live, declared, DefaultLimits).Count().Gates[GateGuard]; got != 6 {
		t.Errorf("an empty roster: %d held back", got)
	}
}
