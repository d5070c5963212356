package plan

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/inventory"
)

// keeping is a retention of so many days, on the 21st of November 2026.
func keeping(days int, unread ...inventory.Unknown) Retention {
	return Retention{Day: "2026-11-21", Days: func(inventory.Owner) int { return days }, Unread: unread}
}

func filter(mac string, owner inventory.Owner) inventory.Resource {
	return inventory.Resource{Key: inventory.MakeKey("ad", inventory.KindFilter, mac), Owner: owner, Attrs: inventory.Attrs{"list": "allow"}}
}

func pointer(name, value string, owner inventory.Owner) inventory.Resource {
	r := record(name, owner, value)
	r.Key = inventory.MakeKey("ad", inventory.KindRecord, name, "PTR")
	return r
}

// machine is a live machine of alice's with all that hangs on it.
func machine(state string, attrs ...string) []inventory.Resource {
	all := append([]string{"name", "vm-a", "tags", "lab;provost", "nets", "net0", "net0.mac", "BC:24:11:00:00:0A"}, attrs...)
	return []inventory.Resource{
		guest("vm-a", alice, all...),
		power("vm-a", state, "done", alice),
		filter("bc-24-11-00-00-0a", alice),
		record("vm-a.etu.fr", alice, "10.0.0.1"),
		record("www.vm-a.etu.fr", alice, "10.0.0.1"),
		pointer("1.0.0.10.in-addr.arpa", "vm-a.etu.fr", alice),
	}
}

func TestRetain(t *testing.T) {
	retire := "update cri/guest/vm-a [retain retired tags]"
	stop := "update cri/power/vm-a [state]"
	purge := []string{
		"delete ad/filter/bc-24-11-00-00-0a after cri/guest/vm-a",
		"delete ad/record/1.0.0.10.in-addr.arpa/PTR after cri/guest/vm-a",
		"delete ad/record/vm-a.etu.fr/A after cri/guest/vm-a",
		"delete ad/record/www.vm-a.etu.fr/A after cri/guest/vm-a",
		"delete cri/guest/vm-a after cri/power/vm-a",
		"delete cri/power/vm-a",
	}
	retired := func(day, days string) []string { return []string{"retired", day, "retain", days} }
	for name, c := range map[string]struct {
		live []inventory.Resource
		how  Retention
		want []string
		kept string // until
	}{
		"a running machine is retired, then stopped": {machine("running"), keeping(30), []string{retire, stop + " after cri/guest/vm-a"}, ""},
		"a stopped one is only retired":              {machine("stopped"), keeping(30), []string{retire}, ""},
		"nothing is kept where retain is 0":          {machine("running"), keeping(0), purge, ""},
		"a kept one is left alone":                   {machine("stopped", retired("2026-11-01", "30")...), keeping(30), nil, "2026-12-01"},
		"what its mark says counts":                  {machine("stopped", retired("2026-11-01", "60")...), keeping(0), nil, "2026-12-31"},
		"on the last day it is still there":          {machine("stopped", retired("2026-10-23", "30")...), keeping(30), nil, "2026-11-22"},
		"a kept one that was started is stopped":     {machine("running", retired("2026-11-01", "30")...), keeping(30), []string{stop}, "2026-12-01"},
		"when its days are over it goes":             {machine("stopped", retired("2026-10-22", "30")...), keeping(30), purge, ""},
		"a mark that cannot be read is never due":    {machine("stopped", retired("yesterday", "30")...), keeping(30), nil, ""},
		"nor is one without days":                    {machine("stopped", retired("2020-01-01", "")...), keeping(30), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := Retain(Diff(Input{Live: c.live}), c.live, c.how)
			if got := lines(p); !slices.Equal(got, c.want) {
				t.Errorf("got\n%q, want\n%q", got, c.want)
			}
			var until string
			for _, k := range p.Kept {
				until = k.Until
			}
			if until != c.kept {
				t.Errorf("kept until %q, want %q", until, c.kept)
			}
		})
	}
}

// The mark must say that a machine ran before it is stopped, or nobody knows it
// when it comes back.
func TestRetiredRemembersThatItRan(t *testing.T) {
	for state, want := range map[string]string{"running": "new", "stopped": ""} {
		live := machine(state)
		s := Retain(Diff(Input{Live: live}), live, keeping(30)).Steps[0]
		if got := s.After.Attrs["boot"]; got != want {
			t.Errorf("%s: boot %q, want %q", state, got, want)
		}
		if got := s.After.Attrs["tags"]; got != "lab;provost;provost-retired-2026-11-21" {
			t.Errorf("tags %q", got)
		}
		if !Retires(s.Change) {
			t.Error("it is not known as one that retires")
		}
	}
	live := machine("")
	p := Diff(Input{Live: live, Unknown: []inventory.Unknown{{Prefix: "cri/power/vm-a", Reason: "no answer"}}})
	if s := Retain(p, live, keeping(30)).Steps[0]; s.Gate != GateFrozen {
		t.Errorf("nobody knows whether it runs, and yet: %s", line(s))
	}
}

// What hangs on a machine that is still declared goes at once, and so does what
// hangs on none, unless there may be machines that nobody could read.
func TestRetainIsAboutWhatHangsOnIt(t *testing.T) {
	other := guest("vm-b", bob, "name", "vm-b", "nets", "")
	live := append(machine("stopped"), other, record("old.etu.fr", alice, "10.0.0.9"), record("vm-b.etu.fr", bob, "10.0.0.2"),
		record("vm-a.other.fr", bob, "10.0.0.1"))
	gone := []string{"delete ad/record/old.etu.fr/A", "delete ad/record/vm-a.other.fr/A", "delete ad/record/vm-b.etu.fr/A"}
	in := Input{Desired: []inventory.Resource{other}, Live: live}
	for name, c := range map[string]struct {
		unread []inventory.Unknown
		frozen bool
	}{
		"all is read":                {nil, false},
		"a listed guest is unread":   {[]inventory.Unknown{{Prefix: "cri/guest/vm-b", Reason: "node down"}}, false},
		"a zone is unread":           {[]inventory.Unknown{{Prefix: "ad/zone/x.fr", Reason: "refused"}}, false},
		"a cluster is unread":        {[]inventory.Unknown{{Prefix: "paris", Reason: "down"}}, true},
		"a guest is not even listed": {[]inventory.Unknown{{Prefix: "cri/guest/vm-z", Reason: "node down"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := Retain(Diff(in), live, keeping(30, c.unread...))
			var got []string
			for _, s := range p.Steps {
				if s.Action == inventory.Delete {
					if s.Blocked() != c.frozen {
						t.Errorf("%s", line(s))
					}
					s.Gate = ""
					got = append(got, line(s))
				}
			}
			if !slices.Equal(got, gone) {
				t.Errorf("got %q, want %q", got, gone)
			}
		})
	}
}

// Day after day: a machine that nothing declares is stopped at once, is never
// deleted before its days are over, is deleted then with all that hangs on it,
// and each day's plan applied leaves nothing to do on that day. Declared again
// meanwhile, it is not retired any more and has kept everything.
func TestRetainedLife(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		days := rapid.IntRange(0, 40).Draw(t, "days")
		back := rapid.IntRange(1, 60).Draw(t, "back")
		world := map[inventory.Key]inventory.Resource{}
		for _, r := range machine(rapid.SampledFrom([]string{"running", "stopped"}).Draw(t, "state")) {
			world[r.Key] = r
		}
		first := len(world)
		start := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
		for day := range back {
			how := Retention{Day: start.AddDate(0, 0, day).Format(time.DateOnly), Days: func(inventory.Owner) int { return days }}
			pass := func() Plan {
				live := slices.Collect(maps.Values(world))
				return Retain(Diff(Input{Live: live}), live, how)
			}
			for _, c := range pass().Ready() {
				if c.Action == inventory.Delete {
					delete(world, c.Key)
					continue
				}
				after := world[c.Key].Clone()
				maps.Copy(after.Attrs, c.After.Attrs)
				world[c.Key] = after
			}
			if again := pass(); len(again.Steps) > 0 {
				t.Fatalf("day %d: once more %s", day, line(again.Steps[0]))
			}
			if want := map[bool]int{true: first, false: 0}[day < days]; len(world) != want {
				t.Fatalf("day %d of %d: %d things, want %d", day, days, len(world), want)
			}
			if power, there := world["cri/power/vm-a"]; there && power.Attrs["state"] != "stopped" {
				t.Fatalf("day %d: it runs", day)
			}
		}
		if len(world) == 0 {
			return
		}
		want := with(guest("vm-a", alice, "retired", ""), func(*inventory.Resource) {})
		p := Diff(Input{Desired: []inventory.Resource{want}, Live: []inventory.Resource{world["cri/guest/vm-a"]}})
		if len(p.Steps) != 1 || p.Steps[0].Action != inventory.Update || !slices.Equal(p.Steps[0].Fields, []string{"retired"}) {
			t.Fatalf("coming back: %v", lines(p))
		}
	})
}

// While nobody can tell which VMIDs have backups, no new guest gets one.
func TestUnreadBackupsHoldUpCreation(t *testing.T) {
	live := []inventory.Resource{guest("vm-a", alice, "vmid", "20001", "memory", "512")}
	in := Input{
		Live:    live,
		Desired: []inventory.Resource{with(live[0], func(r *inventory.Resource) { r.Attrs["memory"] = "1024" }), guest("vm-b", bob, "vmid", "20002")},
		Unknown: []inventory.Unknown{{Prefix: "cri/backup/", Reason: "storage pbs is down"}},
	}
	for _, s := range Diff(in).Steps {
		if want := s.Action == inventory.Create; s.Blocked() != want {
			t.Error(line(s))
		}
	}
}
