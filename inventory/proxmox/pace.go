package proxmox

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// pace is what was learned of how long tasks take. It lives in memory, over
// passes; a new process begins with what the cluster's task log tells. The zero
// value knows nothing.
type pace struct {
	mu     sync.Mutex
	known  map[string]*record
	told   map[upid]about
	cores  map[string]int      // of the nodes
	flying map[string]*company // tasks that are being watched now, by what they share
}

// company counts tasks, and over time the seconds of all of them.
type company struct {
	now   int
	since time.Time // when now began to hold
	area  float64   // task-seconds before that
}

func (c *company) add(by int, at time.Time) {
	c.area, c.since = c.until(at), at
	c.now += by
}

func (c *company) until(at time.Time) float64 {
	return c.area + float64(c.now)*at.Sub(c.since).Seconds()
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

// shares are what a task has in common with others, and how much each of them
// counts: its node, its storage, and both, which are counted twice. To a copy that
// waits for its storage, what else its node does is little. Its likes are counted for
// themselves.
func (l *lesson) shares() map[string]float64 {
	if l.storage == "" {
		return map[string]float64{"node " + l.node: 1}
	}
	return map[string]float64{"node " + l.node: l.beside, "storage " + l.storage: 1, "both " + l.node + " " + l.storage: -l.beside, "likes " + l.general: 0}
}

func (p *pace) countLocked(l *lesson, by int, at time.Time) {
	for name := range l.shares() {
		if p.flying[name] == nil {
			p.flying[name] = &company{}
		}
		p.flying[name].add(by, at)
	}
}

// nowLocked counts the tasks that share something with l, itself included.
func (p *pace) nowLocked(l *lesson) float64 {
	n := 0.0
	for name, weight := range l.shares() {
		n += weight * float64(p.flying[name].now)
	}
	return n
}

func (p *pace) areaLocked(l *lesson, at time.Time) float64 {
	area := 0.0
	for name, weight := range l.shares() {
		area += weight * p.flying[name].until(at)
	}
	return area
}

// sinceLocked is the company that l had on average, itself included.
func (p *pace) sinceLocked(l *lesson, now time.Time) float64 {
	if took := now.Sub(l.began).Seconds(); took > 0 {
		return max(1, (p.areaLocked(l, now)-l.area)/took)
	}
	return p.nowLocked(l)
}

// expect is how long the task will take in all: what is left of it in the company
// that it has now. 0 when nothing is known.
func (p *pace) expect(l *lesson) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
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
	return passed + time.Duration(left*float64(s.among(p.nowLocked(l))))
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

// forget takes a task out of the count that nobody saw the end of.
func (p *pace) forget(l *lesson) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leaveLocked(l, time.Now())
}

// presume takes a task out of the count that has probably ended, though nobody has
// looked yet.
func (p *pace) presume(l *lesson, now time.Time) {
	took := p.expect(l)
	p.mu.Lock()
	defer p.mu.Unlock()
	if end := l.began.Add(took); took > 0 && end.Before(now) {
		p.leaveLocked(l, end)
	}
}

func (p *pace) leaveLocked(l *lesson, at time.Time) {
	if !l.left {
		p.countLocked(l, -1, at)
		l.left = true
	}
}

// atWork notes that a task was seen at work.
func (p *pace) atWork(l *lesson, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.running = now
	if l.left {
		p.countLocked(l, 1, now)
		l.left = false
	}
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

// read takes in what the task log tells: whole seconds, so only until something
// was measured. It does not tell a linked clone from a full one: of those of one
// source the quickest is taken for the one and the slowest for the other.
func (p *pace) read(ts []task) {
	spans := map[string][]time.Duration{}
	for _, t := range ts {
		if t.EndTime == "" || t.Status != "OK" {
			continue
		}
		subject := aboutTask(t.Type).subject
		if isClone(t.Type) {
			subject += "/" + string(t.ID)
		}
		spans[subject] = append(spans[subject], max(t.touched().Sub(t.begun()), 200*time.Millisecond))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.initLocked()
	for subject, took := range spans {
		if kind, _, clone := strings.Cut(subject, "/"); clone && isClone(kind) {
			p.logLocked(subject+"/linked", slices.Min(took))
			p.logLocked(subject+"/full", slices.Max(took))
			continue
		}
		var sum time.Duration
		for _, d := range took {
			sum += d
		}
		p.logLocked(subject, sum/time.Duration(len(took)))
	}
}

func (p *pace) logLocked(subject string, took time.Duration) {
	if subject == "" {
		return
	}
	if p.known[subject] == nil {
		p.known[subject] = &record{}
	}
	p.known[subject].log = took
}
