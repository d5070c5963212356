package proxmox

import (
	"slices"
	"sync"
	"time"
)

// pace is what was learned of how long tasks take, by the kind of task and, for
// clones, by source. It lives in memory; a new process begins with what the
// cluster's task log tells. The zero value knows nothing.
type pace struct {
	mu     sync.Mutex
	known  map[string]*record
	flying map[string]int // tasks that are being watched now, by node
}

// record is a line fitted through what was seen: the time that a task takes over
// how many others run on its node. Older sightings count less and less.
type record struct {
	n, x, y, xx, xy float64 // sums; x others, y seconds
	log             speed   // what the log told, until something was measured
}

// speed is how long one kind of task takes.
type speed struct {
	alone time.Duration // when nothing else runs on its node
	drag  float64       // how much longer, as a part of alone, for each other that runs
}

// among is the time in company, itself included.
func (s speed) among(company float64) time.Duration {
	return time.Duration(float64(s.alone) * (1 + s.drag*max(0, company-1)))
}

// drags that are assumed and believed at most. With 0 tasks do not disturb each
// other; with 1 they share one thing, and side by side win nothing.
const (
	usualDrag = 0.1
	mostDrag  = 1.5
	fading    = 0.9
)

func (r *record) speed() speed {
	if r.n == 0 {
		return r.log
	}
	x, y := r.x/r.n, r.y/r.n
	drag := usualDrag
	if spread := r.xx/r.n - x*x; spread > 0.25 && r.n > 3 {
		slope := (r.xy/r.n - x*y) / spread
		if base := y - slope*x; base > y/20 {
			drag = min(max(slope/base, 0), mostDrag)
		} else {
			drag = 1 // a line through the origin: they share one thing
		}
	}
	return speed{alone: time.Duration(y / (1 + drag*x) * float64(time.Second)), drag: drag}
}

func (r *record) add(others, seconds float64) {
	for _, sum := range []*float64{&r.n, &r.x, &r.y, &r.xx, &r.xy} {
		*sum *= fading
	}
	r.n++
	r.x += others
	r.y += seconds
	r.xx += others * others
	r.xy += others * seconds
}

// lesson is one task that is being watched.
type lesson struct {
	subject, kind, node string
	guess               speed // for what nothing is known of
	began               time.Time
	running             time.Time // when it was last seen at work
	company             int       // on its node when it began, itself included
}

// subject is what a task's time is remembered under. Clones of one source take
// alike; of another source, the kind of task is the best guess. A bulk start takes as long as it has guests, which nothing tells.
func subject(kind, id string) string {
	switch kind {
	case "vzclone", "qmclone":
		return kind + "/" + id
	case "bulkstart":
		return ""
	}
	return kind
}

func (p *pace) begin(u upid, guess time.Duration) *lesson {
	l := &lesson{subject: subject(u.kind(), u.id()), kind: u.kind(), node: u.node(), began: time.Now(), guess: speed{alone: guess}}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.flying == nil {
		p.flying, p.known = map[string]int{}, map[string]*record{}
	}
	p.flying[l.node]++
	l.company = p.flying[l.node]
	return l
}

// expect is how long the task will take in all, as things look now; 0 when
// nothing is known.
func (p *pace) expect(l *lesson) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.guess.alone > 0 {
		return l.guess.alone
	}
	for _, subject := range []string{l.subject, l.kind} {
		if r := p.known[subject]; r != nil {
			return time.Duration(float64(r.speed().among(p.companyLocked(l))) * 1.0)
		}
	}
	return 0
}

func (p *pace) companyLocked(l *lesson) float64 {
	return float64(l.company+p.flying[l.node]) / 2
}

// forget takes a task out of the count that nobody saw the end of.
func (p *pace) forget(l *lesson) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flying[l.node]--
}

// learn books a task that was seen ended now. It ended at some time since it was
// last seen at work; where it never was, a little earlier than seen, so that the
// next is asked after a little sooner.
func (p *pace) learn(l *lesson, now time.Time) {
	took := now.Sub(l.began)
	if l.running.IsZero() {
		took -= took / 20
	} else {
		took -= now.Sub(l.running) / 2
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	others := p.companyLocked(l) - 1
	p.flying[l.node]--
	if l.subject == "" {
		return
	}
	for _, subject := range slices.Compact([]string{l.subject, l.kind}) {
		if p.known[subject] == nil {
			p.known[subject] = &record{}
		}
		p.known[subject].add(max(0, others), took.Seconds())
	}
}

// read takes in what the task log tells: whole seconds, so only until something
// was measured.
func (p *pace) read(ts []task) {
	sums, counts := map[string]time.Duration{}, map[string]int{}
	for _, t := range ts {
		if s := subject(t.Type, string(t.ID)); s != "" && t.EndTime != "" && t.Status == "OK" {
			sums[s] += t.touched().Sub(t.begun())
			counts[s]++
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.flying, p.known = map[string]int{}, map[string]*record{}
	}
	for s, n := range counts {
		if p.known[s] == nil {
			p.known[s] = &record{}
		}
		p.known[s].log = speed{alone: max(sums[s]/time.Duration(n), 200*time.Millisecond), drag: usualDrag}
	}
}

// of is what is known of a kind of task.
func (p *pace) of(subject string) (speed, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.known[subject]; r != nil {
		return r.speed(), true
	}
	return speed{}, false
}
