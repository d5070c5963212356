package proxmox

import (
	"sync"
	"time"
)

// pace is what was learned of how long tasks take. It lives in memory, over
// passes; a new process begins with what the cluster's task log tells. The zero
// value knows nothing.
type pace struct {
	mu      sync.Mutex
	guesses *Guesses // of what was never seen; nil where nobody has measured
	known   map[string]*record
	told    map[upid]about
	cores   map[string]int      // of the nodes
	flying  map[string]*company // tasks that are being watched now, by what they share
}

// about is what is known of a task when it begins.
type about struct {
	subject string  // what alone its time is remembered under: "vzclone/9000/full"
	general string  // what is the best guess until then, for each unit: "vzclone/full on disks"
	units   float64 // of general: the GiB that are copied
	storage string  // that it copies to, and so shares with what copies there
	drag    float64 // that is assumed until it was seen; 0 is that of its node
}

// aboutTask is what the task's name tells. Its id is of no use: of a clone it is
// the source, whether the clone is linked or full. A bulk start takes as long as
// it has guests, which nothing tells.
func aboutTask(kind string) about {
	if kind == "bulk-start" {
		return about{}
	}
	return about{subject: kind, units: 1}
}

func isClone(kind string) bool { return kind == "vzclone" || kind == "qmclone" }

// lesson is one task that is being watched.
type lesson struct {
	about
	node    string
	began   time.Time
	running time.Time     // when it was last seen at work
	logged  time.Duration // how long it took, to a second
	inLog   bool          // logged is known
	left    bool          // it is out of the count, since it has ended or is presumed to have
	area    float64       // of its company when it began
	likes   int           // of its storage, that ran when it began, itself included
	beside  float64       // how much what only shares its node counts as company
}

// tell says before a task is watched what it is.
func (p *pace) tell(u upid, a about) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.initLocked()
	p.told[u] = a
}

// on says how many cores the nodes have.
func (p *pace) on(cores map[string]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cores = cores
}

func (p *pace) initLocked() {
	if p.known == nil {
		p.known, p.told, p.flying = map[string]*record{}, map[upid]about{}, map[string]*company{}
	}
}

func (p *pace) begin(u upid) *lesson {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.initLocked()
	a, ok := p.told[u]
	if !ok {
		a = aboutTask(u.kind())
	}
	delete(p.told, u)
	l := &lesson{about: a, node: u.node(), began: time.Now(), beside: 1}
	if cores := p.cores[l.node]; cores > 0 {
		core := 1 / float64(cores) // a task keeps about one of them busy
		if a.drag == 0 {
			l.drag = core
		}
		l.beside = min(1, core/l.drag)
	}
	p.countLocked(l, 1, l.began)
	l.area = p.areaLocked(l, l.began)
	if likes := p.flying["likes "+l.general]; likes != nil {
		l.likes = likes.now
	}
	return l
}

// expect is how long the task will take in all: what is left of it in the company
// that it has now. 0 when nothing is known.
func (p *pace) expect(l *lesson) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.expectLocked(l, p.nowLocked(l))
}

// expectLocked is how long the task will take in all if it has so much company from
// now on.
func (p *pace) expectLocked(l *lesson, company float64) time.Duration {
	s, ok := p.aboutLocked(l.about)
	if !ok {
		return 0
	}
	now := time.Now()
	passed, usual := now.Sub(l.began), s.among(p.sinceLocked(l, now))
	if usual <= passed {
		return usual
	}
	left := 1 - float64(passed)/float64(usual)
	return passed + time.Duration(left*float64(s.among(company)))
}

// of is what is known of such a task.
func (p *pace) of(a about) (speed, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.aboutLocked(a)
}

// widest is how many such tasks side by side were timed at most.
func (p *pace) widest(a about) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.known[a.general]; r != nil {
		return r.widest
	}
	return 0
}

// aboutLocked prefers what was measured, of the very thing or of its like, to what
// the log told.
func (p *pace) aboutLocked(a about) (speed, bool) {
	own, general := p.known[a.subject], p.known[a.general]
	switch {
	case own != nil && own.n > 0:
		return own.speed(a.drag), true
	case general != nil && general.n > 0:
		return general.speed(a.drag).of(a.units), true
	case own != nil:
		return own.speed(a.drag), true
	}
	return speed{}, false
}

// learn books a task that was seen ended now.
func (p *pace) learn(l *lesson, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	took := l.took(now, p.earlierLocked(l))
	end := l.began.Add(took)
	others := p.sinceLocked(l, end) - 1
	p.leaveLocked(l, end)
	p.recordLocked(l.subject, others, took.Seconds(), l.drag)
	p.recordLocked(l.general, others, took.Seconds()/l.units, l.drag)
	if r := p.known[l.general]; r != nil {
		r.widest = max(r.widest, l.likes)
	}
}

// earlierLocked is by what part of its time a task probably ended before it was
// seen ended at the first look. The more of them were, the more it may be: the
// next is asked after sooner, until one is found at work.
func (p *pace) earlierLocked(l *lesson) float64 {
	r := p.known[l.subject]
	switch {
	case r == nil:
		return earlier
	case l.running.IsZero():
		r.streak++
	default:
		r.streak = 0
	}
	return earlier * float64(min(max(1, r.streak-2), mostEarlier))
}

const (
	earlier     = 0.05
	mostEarlier = 2 // times that
)

// took is how long a task took that was seen ended now. It ended at some time since
// it was last seen at work. What the log says is right to a second, which helps
// with long tasks.
func (l *lesson) took(now time.Time, earlier float64) time.Duration {
	most := now.Sub(l.began)
	if l.inLog {
		most = min(most, l.logged+time.Second)
	}
	least := share(most, 1-2*earlier)
	if !l.running.IsZero() {
		least = l.running.Sub(l.began)
	}
	if l.inLog {
		least = max(least, l.logged-time.Second)
	}
	return (min(least, most) + most) / 2
}

func (p *pace) recordLocked(subject string, others, seconds, drag float64) {
	if subject == "" {
		return
	}
	if p.known[subject] == nil {
		p.known[subject] = &record{}
	}
	p.known[subject].add(others, seconds, drag)
}
