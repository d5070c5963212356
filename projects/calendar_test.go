package projects

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/inventory"
)

// calendarOf reads a campus with these lines more.
func calendarOf(t *testing.T, lines string) Calendar {
	t.Helper()
	d := Load(calendarTree(t, lines, "projects/web.yaml", project("hostname: web"))).Desired(nil)
	noProblems(t, d)
	return d.Calendar
}

func calendarTree(t *testing.T, lines string, more ...string) Tree {
	t.Helper()
	out := tree(t, more...)
	campus := string(testCampus(t).Data)
	out[campusFile] = File{Data: []byte(strings.Replace(campus, "kind: Campus", "kind: Campus\n"+lines, 1))}
	return out
}

func wall(t testing.TB, zone, text string) time.Time {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	when, err := time.ParseInLocation("2006-01-02 15:04", text, loc)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

// The day turns at the campus's midnight, in summer and in winter, on the days on
// which the clock is changed too, and whatever the host's own zone is.
func TestDay(t *testing.T) {
	paris := calendarOf(t, "timezone: Europe/Paris\n")
	for _, x := range []struct{ utc, want string }{
		{"2026-11-21 22:59", "2026-11-21"}, {"2026-11-21 23:00", "2026-11-22"}, // winter
		{"2026-06-21 21:59", "2026-06-21"}, {"2026-06-21 22:00", "2026-06-22"}, // summer
		{"2026-03-28 22:59", "2026-03-28"}, {"2026-03-28 23:00", "2026-03-29"}, // into summer, a day of 23 hours
		{"2026-03-29 21:59", "2026-03-29"}, {"2026-03-29 22:00", "2026-03-30"},
		{"2026-10-24 21:59", "2026-10-24"}, {"2026-10-24 22:00", "2026-10-25"}, // out of it, one of 25
		{"2026-10-25 22:59", "2026-10-25"}, {"2026-10-25 23:00", "2026-10-26"},
	} {
		for _, host := range []string{"UTC", "Pacific/Auckland", "Pacific/Honolulu"} {
			zone, err := time.LoadLocation(host)
			if err != nil {
				t.Fatal(err)
			}
			if got := paris.Day(wall(t, "UTC", x.utc).In(zone)); got != x.want {
				t.Errorf("%s UTC on a host in %s: %s, want %s", x.utc, host, got, x.want)
			}
		}
	}
	kiribati := calendarOf(t, "timezone: Pacific/Kiritimati\n")
	if got := kiribati.Day(wall(t, "UTC", "2026-12-31 10:00")); got != "2027-01-01" {
		t.Errorf("on Christmas Island it is %s", got)
	}
	if got := (Calendar{}).Day(wall(t, "Pacific/Auckland", "2026-11-22 09:00")); got != "2026-11-21" {
		t.Errorf("without a time zone: %s", got)
	}
}

func TestHold(t *testing.T) {
	const nights = `
timezone: Europe/Paris
windows:
  nights: {days: mon-thu, hours: 22:00-05:00, actions: [delete, reboot]}
  sunday: {days: sun, actions: [reboot]}
freezes:
  exams: {from: 2026-12-14, to: 2026-12-18, allow: [power]}
  servers: {days: "sat, sun", kinds: [record], projects: [web]}
`
	c := calendarOf(t, nights)
	for name, x := range map[string]struct {
		when, unit, kind, action, want string
	}{
		"what no window names goes at any time":   {"2026-11-23 12:00", "project/a", "guest", "create", ""},
		"what one names waits for it":             {"2026-11-23 12:00", "project/a", "guest", "delete", "waits for window nights, until Mon 23 Nov 2026 22:00 CET"},
		"the nearest of two":                      {"2026-11-27 12:00", "project/a", "guest", "reboot", "waits for window nights or sunday, until Sun 29 Nov 2026 00:00 CET"},
		"over midnight it is yesterday's":         {"2026-11-27 04:59", "project/a", "guest", "delete", ""},
		"and ends":                                {"2026-11-27 05:00", "project/a", "guest", "delete", "waits for window nights, until Mon 30 Nov 2026 22:00 CET"},
		"none begins on Friday":                   {"2026-11-27 23:00", "project/a", "guest", "delete", "waits for window nights, until Mon 30 Nov 2026 22:00 CET"},
		"a freeze begins with its first day":      {"2026-12-14 00:00", "project/a", "guest", "create", "freeze exams, until Sat 19 Dec 2026 00:00 CET"},
		"not a minute before":                     {"2026-12-13 23:59", "project/a", "guest", "create", ""},
		"it allows what it says":                  {"2026-12-16 12:00", "project/a", "power", "power", ""},
		"a window inside a freeze is none":        {"2026-12-16 23:00", "project/a", "guest", "delete", "freeze exams, until Mon 21 Dec 2026 22:00 CET"},
		"of a kind and a project":                 {"2026-11-28 12:00", "project/web", "record", "update", "freeze servers, until Mon 30 Nov 2026 00:00 CET"},
		"another kind":                            {"2026-11-28 12:00", "project/web", "guest", "update", ""},
		"another project":                         {"2026-11-28 12:00", "project/a", "record", "update", ""},
		"in the night in which clocks go forward": {"2027-03-27 23:00", "project/a", "guest", "reboot", "waits for window nights or sunday, until Sun 28 Mar 2027 00:00 CET"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := c.Hold(wall(t, "Europe/Paris", x.when), Change{x.unit, x.kind, x.action})
			if got != x.want {
				t.Errorf("got  %q\nwant %q", got, x.want)
			}
		})
	}
	if !c.Reboots() || calendarOf(t, "timezone: UTC\nwindows: {w: {days: sat, actions: [delete]}}").Reboots() {
		t.Error("whether a window is there for reboots was not seen")
	}
}

// Clocks that change move what the clock on the wall says, and nothing else.
func TestDaylightSaving(t *testing.T) {
	c := calendarOf(t, "timezone: Europe/Paris\nwindows: {w: {hours: 02:30-03:30}}")
	change := Change{"project/a", "guest", "update"}
	for _, x := range []struct{ now, next string }{ // in UTC
		{"2026-10-24 12:00", "2026-10-25 00:30"}, // 02:30 CEST, the first one
		{"2026-10-25 00:45", "2026-10-25 01:00"}, // at 03:00 CEST it is 02:00 CET again: not yet
		{"2026-10-25 01:10", "2026-10-25 01:30"}, // 02:30 CET
		{"2026-10-25 01:40", "2026-10-25 02:30"}, // 03:30 CET
		{"2027-03-27 12:00", "2027-03-28 01:00"}, // 02:00 CET is 03:00 CEST
		{"2027-03-28 01:10", "2027-03-28 01:30"},
	} {
		_, turns := c.Hold(wall(t, "UTC", x.now), change)
		if want := wall(t, "UTC", x.next); !turns.Equal(want) {
			t.Errorf("at %s it turns at %s, want %s", x.now, turns.UTC(), want)
		}
	}
	// A day begins an hour late where clocks go forward at midnight.
	if got, want := dateOf(wall(t, "UTC", "2017-10-15 00:00")).midnight(wall(t, "America/Sao_Paulo", "2017-10-01 00:00").Location()), wall(t, "UTC", "2017-10-15 03:00"); !got.Equal(want) {
		t.Errorf("the day begins at %s, want %s", got.UTC(), want)
	}
}

// anyPeriods are windows and freezes of any sort.
func anyPeriods(t *rapid.T) []period {
	day := dateOf(time.Date(2026, 10, 20, 0, 0, 0, 0, time.UTC))
	var list []period
	for range rapid.IntRange(0, 3).Draw(t, "periods") {
		p := period{name: "p", units: map[string]place{}}
		for i := range p.days {
			p.days[i] = rapid.IntRange(0, 3).Draw(t, "day") > 0
		}
		if rapid.Bool().Draw(t, "hours") {
			p.from, p.to = rapid.IntRange(0, 1439).Draw(t, "from"), rapid.IntRange(0, 1439).Draw(t, "to")
		}
		if rapid.Bool().Draw(t, "first") {
			p.first = day.plus(rapid.IntRange(-5, 10).Draw(t, "first day"))
		}
		if rapid.Bool().Draw(t, "last") {
			p.last = day.plus(rapid.IntRange(-5, 15).Draw(t, "last day"))
		}
		list = append(list, p)
	}
	return list
}

// Whatever the periods and the zone, nothing turns before the moment that is
// told, and there it does.
func TestHoldTurnsWhenItSays(t *testing.T) {
	zones := []string{"UTC", "Europe/Paris", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu"}
	rapid.Check(t, func(rt *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(rt, "zone"))
		if err != nil {
			rt.Fatal(err)
		}
		start := time.Date(2026, 10, 20, 0, 0, 0, 0, time.UTC)
		minute := func(name string) time.Time {
			return start.Add(time.Duration(rapid.IntRange(0, 14*24*60).Draw(rt, name)) * time.Minute)
		}
		u := term{unit: "cohort/a", start: minute("start"), freeze: minute("freeze"), end: minute("end")}
		c := Calendar{zone: zone, windows: anyPeriods(rt), freezes: anyPeriods(rt), terms: map[string]term{"cohort/a": u}}
		change := Change{rapid.SampledFrom([]string{"cohort/a", "project/b"}).Draw(rt, "unit"), "guest", "update"}
		now := minute("now")
		reason, turns := c.Hold(now, change)
		last := now.Add(20 * 24 * time.Hour)
		for then := now; then.Before(last) && (turns.IsZero() || then.Before(turns)); then = then.Add(7 * time.Minute) {
			if held := c.holder(then, change) != ""; held != (reason != "") {
				rt.Fatalf("at %s: %q; at %s: held %v, but it turns at %s", now, reason, then, held, turns)
			}
		}
		if !turns.IsZero() && (c.holder(turns, change) != "") == (reason != "") {
			rt.Fatalf("at %s %q, and nothing turns at %s", now, reason, turns)
		}
	})
}

const dated = `apiVersion: provost/v1
kind: Cohort
cluster: cri
start: 2026-09-01
freeze: 2027-01-11
end: 2027-01-31
template: {base: debian, cores: 1, memory: 512, net0: wlan}
students: [{login: ada}]
`

func TestCohortDates(t *testing.T) {
	files := calendarTree(t, "timezone: Europe/Paris", "cohorts/a.yaml", dated)
	for name, x := range map[string]struct {
		when, want string
		machines   int
	}{
		"before the start it is planned only": {"2026-08-31 23:59", "cohort/a has not begun, until Tue 1 Sep 2026 00:00 CEST", 1},
		"from its first day it is made":       {"2026-09-01 00:00", "", 1},
		"from the freeze nothing changes":     {"2027-01-11 00:00", "cohort/a is frozen, until Mon 1 Feb 2027 00:00 CET", 1},
		"on its last day it is there":         {"2027-01-31 23:59", "cohort/a is frozen, until Mon 1 Feb 2027 00:00 CET", 1},
		"and then it is gone":                 {"2027-02-01 00:00", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			now := wall(t, "Europe/Paris", x.when)
			d := LoadAt(files, now).Desired(nil)
			noProblems(t, d)
			got, _ := d.Calendar.Hold(now, Change{"cohort/a", inventory.KindGuest, ActionUpdate})
			if got != x.want || d.Units["cohort/a"] != x.machines || d.Ends["cohort/a"].Over != (x.machines == 0) {
				t.Errorf("%q, %d machines, %+v; want %q, %d", got, d.Units["cohort/a"], d.Ends, x.want, x.machines)
			}
		})
	}
}

// The names of a cohort that is over are free for the next one, and the same tree
// is read anew when that comes.
func TestTheNextCohortTakesOver(t *testing.T) {
	next := strings.NewReplacer("start: 2026-09-01\nfreeze: 2027-01-11\nend: 2027-01-31\n", "").Replace(dated)
	files := calendarTree(t, "timezone: Europe/Paris", "cohorts/a.yaml", dated, "cohorts/b.yaml", next)
	var memory Memory
	before := memory.LoadAt(files, wall(t, "Europe/Paris", "2027-01-31 12:00"))
	if len(before.Problems()) == 0 {
		t.Error("both may have one name at once")
	}
	after := memory.LoadAt(files, wall(t, "Europe/Paris", "2027-02-01 12:00"))
	if d := after.Desired(nil); len(d.Problems) > 0 || find(t, d, "cri/guest/vm-ada").Owner.Unit != "cohort/b" {
		t.Errorf("%v", d.Problems)
	}
	if memory.LoadAt(files, wall(t, "Europe/Paris", "2027-03-01 12:00")) != after {
		t.Error("read again though nothing ended")
	}
}

func TestCalendarIsChecked(t *testing.T) {
	for text, want := range map[string]string{
		"timezone: Europe/Pairs":                                          "there is no time zone",
		"timezone: Local":                                                 "there is no time zone",
		"freezes: {x: {from: 2026-12-01}}":                                "need a time zone",
		"timezone: UTC\nfreezes: {x: {allow: [create]}}":                  "does not say when",
		"timezone: UTC\nfreezes: {x: {from: 2026-12-02, to: 2026-12-01}}": "ends before it begins",
		"timezone: UTC\nfreezes: {x: {from: 2026-02-30}}":                 "there is no day 2026-02-30",
		"timezone: UTC\nwindows: {x: {hours: 25:00-26:00}}":               "is not a time of the day",
		"timezone: UTC\nwindows: {x: {hours: 20:00-20:00}}":               "is no time at all",
		"timezone: UTC\nwindows: {x: {days: monday}}":                     "is not a day of the week",
		"timezone: UTC\nwindows: {x: {days: mon, actions: [destroy]}}":    "is not one of",
		"timezone: UTC\nwindows: {x: {days: mon, cohorts: [nobody]}}":     "nobody declares cohort/nobody",
		"timezone: UTC\nwindows: {x: {days: mon, allow: [create]}}":       "unknown key",
		"drift: {guest: {memroy: report}}":                                "unknown key",
		"drift: {guest: repair}":                                          "is not one of",
		"drift: {guest: [memory]}":                                        "a mapping is wanted here",
	} {
		if got := listed(Load(calendarTree(t, text)).Problems()); !strings.Contains(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		strings.Replace(dated, "end: 2027-01-31", "end: 2027-01-01", 1): "end is before freeze",
		strings.Replace(dated, "start: 2026", "start: 2028", 1):         "freeze is before start",
	} {
		if got := listed(Load(calendarTree(t, "timezone: UTC", "cohorts/a.yaml", text)).Problems()); !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := listed(Load(tree(t, "cohorts/a.yaml", dated)).Problems()); !strings.Contains(got, "does not say in which time zone") {
		t.Errorf("dates without a time zone: %q", got)
	}
}

func listed(problems []Problem) string {
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

func TestDriftModes(t *testing.T) {
	files := calendarTree(t, "drift: {guest: {memory: report, description: ignore}, record: report}",
		"projects/a.yaml", "drift: {guest: {memory: correct, cores: ignore}, record: correct}\n"+project("hostname: a"),
		"projects/b.yaml", project("hostname: b"), "projects/c.yaml", "drift: {guest: report}\n"+project("hostname: c"))
	d := Load(files).Desired(nil)
	noProblems(t, d)
	for _, x := range []struct{ unit, kind, field, want string }{
		{"project/a", "guest", "memory", ""}, {"project/a", "guest", "cores", "ignore"}, {"project/a", "guest", "description", "ignore"},
		{"project/a", "record", "value", ""}, {"project/b", "guest", "memory", "report"}, {"project/b", "record", "ttl", "report"},
		{"project/b", "guest", "cores", ""}, {"project/c", "guest", "nets", "report"}, {"project/c", "guest", "description", "report"},
		{"project/gone", "guest", "memory", "report"}, {"project/b", "filter", "list", ""},
	} {
		if got := d.Drift.Modes(x.unit, x.kind)[x.field]; got != x.want {
			t.Errorf("%s %s %s: %q, want %q", x.unit, x.kind, x.field, got, x.want)
		}
	}
	if d.Drift.Corrects() || !Load(tree(t)).Desired(nil).Drift.Corrects() {
		t.Error("whether all is corrected was not seen")
	}
}

func TestReboots(t *testing.T) {
	cohort := strings.NewReplacer("start: 2026-09-01\nfreeze: 2027-01-11\nend: 2027-01-31\n", "").Replace(dated)
	window := "timezone: UTC\nwindows: {w: {days: sat, actions: [reboot]}}"
	for name, x := range map[string]struct{ lines, project, cohort, a, ada string }{
		"never without a window":            {"", "hostname: a", cohort, "", ""},
		"in a window that is there for it":  {window, "hostname: a", cohort, "window", ""},
		"as it is said":                     {window, "hostname: a, reboot: never", strings.Replace(cohort, "base:", "reboot: now, base:", 1), "", "now"},
		"said without a window, it is kept": {"", "hostname: a, reboot: window", cohort, "window", ""},
	} {
		d := Load(calendarTree(t, x.lines, "projects/a.yaml", project(x.project), "cohorts/a.yaml", x.cohort)).Desired(nil)
		noProblems(t, d)
		if d.Reboots["cri/guest/a"] != x.a || d.Reboots["cri/guest/vm-ada"] != x.ada {
			t.Errorf("%s: %v", name, d.Reboots)
		}
	}
}
