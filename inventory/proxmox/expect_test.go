package proxmox

import (
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// seenAt looks at a task as the watcher would, until it has ended.
func seenAt(w *waiting, e expectation, took time.Duration) (seen time.Duration, looks int) {
	began := w.lesson.began
	for {
		at := w.deadline(e, false)
		looks++
		if at.Sub(began) >= took {
			return at.Sub(began), looks
		}
		w.seenAtWork(e, at)
	}
}

func began() *waiting {
	return &waiting{lesson: &lesson{about: about{subject: "vzclone/9000/full"}, began: time.Unix(1000, 0)}}
}

// Whatever was expected, a task is seen ended soon after, in a bounded number of looks.
func TestLooksAreFewAndInTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seconds := func(name string, least float64) time.Duration {
			return time.Duration(rapid.Float64Range(least, 3600).Draw(t, name) * float64(time.Second))
		}
		took, e := seconds("took", 0.05), expectation{usual: seconds("usual", 0.2), care: usualCare}
		if e.known = rapid.Bool().Draw(t, "known"); e.known {
			e.soonest = share(e.usual, rapid.Float64Range(0.1, 1).Draw(t, "soonest"))
		}
		seen, looks := seenAt(began(), e, took)
		least := took
		if e.known {
			least = max(took, e.soonest) // nobody looks before
		}
		slack := max(share(took, usualCare.unknown), share(least, usualCare.patience), firstLook, e.usual/24)
		switch {
		case took >= e.usual:
		case e.known: // it is looked for half-way
			slack = max(slack, e.usual-took+leastGap)
		default: // steps double
			slack = max(slack, took)
		}
		if seen > least+slack+leastGap {
			t.Fatalf("%s, expected %+v, was seen after %s", took, e, seen)
		}
		if looks > 110 {
			t.Fatalf("%s, expected %+v, needed %d looks", took, e, looks)
		}
	})
}

func TestLooks(t *testing.T) {
	for _, tt := range []struct {
		name  string
		e     expectation
		took  time.Duration
		looks int           // at most
		late  time.Duration // at most
	}{
		{"as expected", expectation{soonest: time.Minute, usual: time.Minute, known: true, care: usualCare}, time.Minute, 1, 4 * time.Second},
		{"a little longer", expectation{soonest: time.Minute, usual: time.Minute, known: true, care: usualCare}, 66 * time.Second, 2, 6 * time.Second},
		{"the first copy of a desktop", expectation{usual: 50 * time.Second, care: usualCare}, 67 * time.Second, 13, 9 * time.Second},
		{"a first small clone", expectation{usual: 6 * time.Second, care: usualCare}, 460 * time.Millisecond, 2, 300 * time.Millisecond},
		{"company may do nothing", expectation{soonest: 10 * time.Second, usual: 40 * time.Second, known: true, care: usualCare}, 11 * time.Second, 2, 15 * time.Second},
	} {
		seen, looks := seenAt(began(), tt.e, tt.took)
		if looks > tt.looks || seen-tt.took > tt.late {
			t.Errorf("%s: seen %s late after %d looks", tt.name, seen-tt.took, looks)
		}
	}
}

// Of many that end together the last is seen soon: when most have left and nobody
// followed, what would be waited for a look shrinks.
func TestTheLastAreSeenSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		var all []*lesson
		for range 20 {
			all = append(all, p.begin("UPID:pve1:0:0:0:vzcreate:100:root@pam:"))
		}
		time.Sleep(40 * time.Second)
		for _, tt := range []struct {
			left int
			next time.Duration
		}{{20, 10 * time.Second}, {16, 10 * time.Second}, {8, 5200 * time.Millisecond}, {1, 1250 * time.Millisecond}} {
			for _, l := range all[tt.left:] {
				p.forget(l)
			}
			last := &waiting{lesson: all[0]}
			last.seenAtWork(p.expectation(all[0]), time.Now())
			if next := time.Until(last.floor).Round(time.Millisecond); next != tt.next {
				t.Errorf("%d of 20 left: looked at again after %s, want %s", tt.left, next, tt.next)
			}
		}
	})
}

// What nobody waits for is looked at along with what somebody does.
func TestLeisure(t *testing.T) {
	e := expectation{soonest: 3 * time.Second, usual: 3 * time.Second, known: true, care: usualCare}
	w := began()
	prompt := w.deadline(e, true)
	w.leisurely = true
	if w.deadline(e, false) != prompt || w.deadline(e, true).Sub(prompt) != leisurely {
		t.Error("only what is leisurely waits, and only for what is not")
	}
}

func TestLeastInOtherCompany(t *testing.T) {
	s := speed{alone: 10 * time.Second, drag: 0.1, assumed: true, seen: 4}
	if got := s.least(8); got != s.among(4) {
		t.Errorf("among 8, seen among 4: %s, want %s", got, s.among(4))
	}
	if one, two := s.least(1), s.least(2); one >= two || two >= s.least(4) || one > s.alone || one < s.alone/2 {
		t.Errorf("alone %s, among two %s", one, two)
	}
	if got := (speed{alone: time.Second, assumed: true}).least(5); got != time.Second {
		t.Errorf("never seen: %s", got)
	}
}

// Where each second counts, a clone of a minute is seen within seconds; the first
// the sooner the more wait.
func TestLooksWhereSecondsCount(t *testing.T) {
	known := expectation{soonest: time.Minute, usual: time.Minute, known: true}
	for _, tt := range []struct {
		name  string
		e     expectation
		wait  int
		took  time.Duration
		looks int           // at most
		late  time.Duration // at most
	}{
		{"as expected", known, 20, 59 * time.Second, 1, 2 * time.Second},
		{"a little longer", known, 20, 63 * time.Second, 4, 2 * time.Second},
		{"the first of twenty", expectation{usual: 50 * time.Second}, 20, 67 * time.Second, 21, 7 * time.Second},
		{"the first of hundred", expectation{usual: 50 * time.Second}, 100, 67 * time.Second, 45, 2100 * time.Millisecond},
		{"a small one as ever", expectation{usual: 6 * time.Second}, 100, 460 * time.Millisecond, 2, 300 * time.Millisecond},
	} {
		tt.e.care = closeCare(tt.wait)
		seen, looks := seenAt(began(), tt.e, tt.took)
		if looks > tt.looks || seen-tt.took > tt.late {
			t.Errorf("%s: seen %s late after %d looks", tt.name, seen-tt.took, looks)
		}
	}
}

// A task without company is expected to take as those did that had none, whatever
// company is assumed to do.
func TestLoneTasksAreLikeLoneTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		u := upid("UPID:pve1:00004745:000326E6:6B00FA44:vzclone:9000:root@pam:")
		begin := func() *lesson {
			p.tell(u, about{subject: "vzclone/9000/full", general: "vzclone/full on disks", units: 4, storage: "disks", drag: 0.8})
			return p.begin(u)
		}
		take := func(d time.Duration, ls ...*lesson) {
			time.Sleep(d)
			for _, l := range ls {
				l.running = time.Now()
				p.learn(l, time.Now())
			}
		}
		take(40*time.Second, begin())
		take(60*time.Second, begin(), begin()) // by 0.8 these would be 33 s alone
		if e := p.expectation(begin()); e.soonest != 40*time.Second || e.usual != 40*time.Second {
			t.Errorf("expected %+v", e)
		}
	})
}

// What is slow from the beginning waits for nobody, as far as the assumed drag tells.
func TestWhoWaitsForOthers(t *testing.T) {
	var spread, wire record
	for range 3 {
		spread.add(4, 70, 0.1)
	}
	if s := spread.speed(0.1); s.most != 0 {
		t.Errorf("five beside each other on what carries ten: %+v", s)
	}
	spread.add(7, 105, 0.1)
	if s := spread.speed(0.1); s.most == 0 {
		t.Errorf("eight take half as long again: %+v", s)
	}
	for range 2 {
		wire.add(1, 80, 0.8)
	}
	if s := wire.speed(0.8); s.most == 0 {
		t.Errorf("two on one wire: %+v", s)
	}
}

// Sightings in large companies tell little of a task that is nearly alone: a line
// through them may say that company does nothing.
func TestExpectationInAnotherCompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pace{}
		p.on(map[string]int{"pve1": 2})
		start := upid("UPID:pve1:00004745:000326E6:6B00FA44:vzstart:101:root@pam:")
		for _, others := range []float64{6, 15, 7, 15, 6, 14, 15, 6} {
			p.initLocked()
			p.recordLocked("vzstart", others, 12, 0.5)
		}
		if s, _ := p.of(about{subject: "vzstart", drag: 0.5}); s.assumed || s.drag > 0.05 {
			t.Fatalf("the sightings are to say that company does nothing: %+v", s)
		}
		l := p.begin(start)
		if e := p.expectation(l); !e.known || e.soonest > 3*time.Second || e.usual < 11*time.Second {
			t.Errorf("alone: looked for after %s, usual %s", e.soonest, e.usual)
		}
		for range 12 {
			p.begin(start)
		}
		if e := p.expectation(p.begin(start)); e.soonest < 11*time.Second {
			t.Errorf("in a company like those: looked for after %s", e.soonest)
		}
	})
}
