package reconciler

import (
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// A machine is retired on, and kept until, a day of the campus: what the clock on
// its wall says at midnight counts, and not the host's. The clock is put back on the
// 25th of October 2026, a day of 25 hours, and forward on the 29th of March.
func TestRetiredByTheDayOfTheCampus(t *testing.T) {
	for name, c := range map[string]struct {
		zone         string
		retired      string // when the pass runs that retires it, in UTC
		since        string
		kept, purged string // a moment before its purge, and that of it, in UTC
		hostsZone    string
	}{
		"a minute before midnight in winter":  {"Europe/Paris", "2026-01-10 22:59", "2026-01-10", "2026-01-10 22:59", "2026-01-10 23:00", "Asia/Tokyo"},
		"at midnight in winter":               {"Europe/Paris", "2026-01-10 23:00", "2026-01-11", "2026-01-11 22:59", "2026-01-11 23:00", "Asia/Tokyo"},
		"before the day of 25 hours":          {"Europe/Paris", "2026-10-23 21:59", "2026-10-23", "2026-10-23 21:59", "2026-10-23 22:00", "UTC"},
		"on the day of 25 hours":              {"Europe/Paris", "2026-10-24 22:00", "2026-10-25", "2026-10-25 22:59", "2026-10-25 23:00", "UTC"},
		"on the day of 23 hours":              {"Europe/Paris", "2026-03-28 23:00", "2026-03-29", "2026-03-29 21:59", "2026-03-29 22:00", "America/New_York"},
		"where it is still yesterday for UTC": {"America/New_York", "2026-06-10 03:59", "2026-06-09", "2026-06-10 03:59", "2026-06-10 04:00", "UTC"},
	} {
		t.Run(name, func(t *testing.T) {
			host, err := time.LoadLocation(c.hostsZone)
			if err != nil {
				t.Fatal(err)
			}
			at := func(text string) func() time.Time {
				when, err := time.Parse("2006-01-02 15:04", text)
				if err != nil {
					t.Fatal(err)
				}
				return func() time.Time { return when.In(host) }
			}
			h := newHouse(map[string]string{"projects/a.yaml": project("a", "b")})
			lines := "retain: 1\ntimezone: " + c.zone + "\n"
			h.with(lines)
			h.Now = at(c.retired)
			h.pass(t)
			h.repo.tree = tree(map[string]string{"projects/a.yaml": project("a")})
			h.with(lines)
			h.pass(t)
			const gone = inventory.Key("cri/guest/b.isima.fr")
			if got := h.cri.things[gone].Attrs[inventory.AttrRetired]; got != c.since {
				t.Errorf("retired on %q, want %s", got, c.since)
			}
			h.Now = at(c.kept)
			if h.pass(t); h.cri.things[gone].Key == "" {
				t.Fatalf("purged before %s UTC", c.purged)
			}
			h.Now = at(c.purged)
			if h.pass(t); h.cri.things[gone].Key != "" {
				t.Errorf("kept at %s UTC", c.purged)
			}
		})
	}
}
