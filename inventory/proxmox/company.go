package proxmox

import (
	"time"
)

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
