package proxmox

import (
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
)

func TestHalfWay(t *testing.T) {
	began := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(s float64) time.Time { return began.Add(time.Duration(s * float64(time.Second))) }
	for _, c := range []struct{ before, due, last, want float64 }{
		{0, 1, 10, 5},        // who is due at 1 is seen with those until 5
		{5, 6, 10, 7.5},      // and so on
		{9, 9.8, 10, 9.8},    // nobody is due before
		{8, 10, 10, 10},      // the last one is looked for when it is due
		{0, 100, 1000, 160},  // but nobody is left alone for hours
		{100, 90, 3600, 150}, // who is late already is not, either
	} {
		if got := halfWay(at(c.before), at(c.due), at(c.last)); !got.Equal(at(c.want)) {
			t.Errorf("looked at %gs, due %gs, the last at %gs: %s, want %gs", c.before, c.due, c.last, got.Sub(began), c.want)
		}
	}
}

// What ends counts alone only once nothing can follow it.
func TestEnding(t *testing.T) {
	guest := func(name, base string) inventory.Change {
		key := inventory.MakeKey("cri", inventory.KindGuest, name)
		return inventory.Change{Key: key, Action: inventory.Create,
			After: &inventory.Resource{Key: key, Attrs: inventory.Attrs{"type": typeLXC, "create.base": base}}}
	}
	start := func(name string) inventory.Change {
		key := inventory.MakeKey("cri", inventory.KindPower, name)
		return inventory.Change{Key: key, Action: inventory.Create, Needs: []inventory.Key{inventory.MakeKey("cri", inventory.KindGuest, name)},
			After: &inventory.Resource{Key: key, Attrs: inventory.Attrs{"state": "running"}}}
	}
	cloned, installed := guest("cloned", "template:9000"), guest("installed", "ostemplate:images:debian")
	play := inventory.Change{Key: inventory.MakeKey("awx", "play", "installed"), Needs: []inventory.Key{start("installed").Key}}
	for _, c := range []struct {
		what    string
		changes []inventory.Change
		begun   []inventory.Change
		waits   []*waiting
		want    bool
	}{
		{what: "nothing was planned"},
		{what: "a clone whose start follows", changes: []inventory.Change{cloned, start("cloned")}, begun: []inventory.Change{cloned}, waits: []*waiting{{}}},
		{what: "that start", changes: []inventory.Change{cloned, start("cloned")}, begun: []inventory.Change{cloned, start("cloned")}, waits: []*waiting{{leisurely: true}}, want: true},
		{what: "a creation that starts", changes: []inventory.Change{installed, start("installed")}, begun: []inventory.Change{installed}, waits: []*waiting{{starts: true}}, want: true},
		{what: "one that does not, after all", changes: []inventory.Change{installed, start("installed")}, begun: []inventory.Change{installed}, waits: []*waiting{{}}},
		{what: "a start that is needed", changes: []inventory.Change{installed, start("installed"), play}, begun: []inventory.Change{installed}, waits: []*waiting{{starts: true}}},
		{what: "others are yet to begin", changes: []inventory.Change{installed, start("installed"), cloned}, begun: []inventory.Change{installed}, waits: []*waiting{{starts: true}}},
	} {
		cl := &Cluster{name: "cri"}
		if c.changes != nil {
			cl.readPlan(c.changes)
		}
		for _, ch := range c.begun {
			cl.noteBegun(ch.Key)
		}
		cl.watcher.waits = c.waits
		if got := cl.ending(); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}

// The same task is looked for more closely when it is the last.
func TestTheLastIsLookedForClosely(t *testing.T) {
	e := expectation{soonest: 10 * time.Second, usual: 10 * time.Second, known: true, care: usualCare}
	slack := e.slack()
	late, _ := e.steps(11 * time.Second)
	e.care = lastCare
	closer, _ := e.steps(11 * time.Second)
	if e.slack() >= slack || closer >= late || closer < leastGap {
		t.Errorf("%s instead of %s, then each %s instead of %s", e.slack(), slack, closer, late)
	}
}
