package proxmox

import (
	"sync"
	"time"
)

// pace is what was learned of how long tasks take, by the kind of task and, for
// clones, by source. It lives in memory; a new process begins with what the
// cluster's task log tells. The zero value knows nothing.
type pace struct {
	mu     sync.Mutex
	known  map[string]*speed
	flying map[string]int // tasks of a kind that run now, whatever they work on
}

// speed is how long one kind of task takes.
type speed struct {
	recent time.Duration // as it went lately, in whatever company
	alone  time.Duration // when nothing else of its kind runs
	drag   float64       // how much longer, as a part of alone, for each other that runs
	timed  bool          // measured, and not only read in the log
}

// drags that are assumed and believed at most. With 0 tasks do not disturb each
// other, with 1 they share one thing, so that running them side by side gains nothing.
const (
	usualDrag = 0.1
	mostDrag  = 1.5
)

// lesson is one task that is being watched.
type lesson struct {
	subject, kind string
	expect        time.Duration // 0 when nothing is known
	began         time.Time
	running       time.Time // when it was last seen at work
	company       int       // tasks of its kind that ran when it began, itself included
}

// subject is what a task's time is remembered under. Clones of one source take
// alike. A bulk start takes as long as it has guests, which nothing tells.
func subject(kind, id string) string {
	switch kind {
	case "vzclone", "qmclone":
		return kind + "/" + id
	case "bulkstart":
		return ""
	}
	return kind
}

func (p *pace) begin(u upid) lesson {
	l := lesson{subject: subject(u.kind(), u.id()), kind: u.kind(), began: time.Now()}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.flying == nil {
		p.flying = map[string]int{}
	}
	p.flying[l.kind]++
	l.company = p.flying[l.kind]
	if s := p.known[l.subject]; s != nil {
		l.expect = s.recent
	}
	return l
}

// forget takes a task out of the count that nobody saw the end of.
func (p *pace) forget(l lesson) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flying[l.kind]--
}

// learn books a task that was seen ended now. It ended at some time since it was
// last seen at work; where it never was, a little earlier than seen, so that the
// next is asked after a little sooner.
func (p *pace) learn(l lesson, now time.Time) {
	took := now.Sub(l.began)
	if l.running.IsZero() {
		took -= took / 20
	} else {
		took -= now.Sub(l.running) / 2
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	company := float64(l.company+p.flying[l.kind]) / 2
	p.flying[l.kind]--
	if l.subject == "" {
		return
	}
	s := p.known[l.subject]
	if s == nil || !s.timed {
		s = &speed{recent: took, alone: time.Duration(float64(took) / (1 + usualDrag*(company-1))), drag: usualDrag, timed: true}
		p.setLocked(l.subject, s)
		return
	}
	s.recent += (took - s.recent) * 3 / 10
	if company < 1.5 {
		s.alone += (took - s.alone) * 3 / 10
		return
	}
	drag := (took.Seconds()/max(s.alone.Seconds(), 0.001) - 1) / (company - 1)
	s.drag += (min(max(drag, 0), mostDrag) - s.drag) * 0.3
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
	for s, n := range counts {
		if old := p.known[s]; old != nil && old.timed {
			continue
		}
		mean := max(sums[s]/time.Duration(n), 200*time.Millisecond)
		p.setLocked(s, &speed{recent: mean, alone: mean, drag: usualDrag})
	}
}

func (p *pace) setLocked(subject string, s *speed) {
	if p.known == nil {
		p.known = map[string]*speed{}
	}
	p.known[subject] = s
}

// of is what is known of a kind of task.
func (p *pace) of(subject string) (speed, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.known[subject]; s != nil {
		return *s, true
	}
	return speed{}, false
}
