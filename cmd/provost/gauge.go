package main

import (
	"time"

	"github.com/provost-dev/provost/reconciler"
)

// gauge tells how quickly each system's changes end, and so how long the rest
// will take. It looks at the last third of the time, since an apply is slow to
// begin: nothing ends before the first clone does. The zero value is ready.
type gauge struct {
	began, now time.Time
	readings   []reading
}

// reading is how many changes had ended at a time, by system.
type reading struct {
	at    time.Time
	ended map[string]int
}

const (
	readingGap  = time.Second // between two readings that are kept
	leastWindow = 5 * time.Second
)

func (g *gauge) read(p reconciler.Progress, now time.Time) {
	if g.began.IsZero() {
		g.began = now
	}
	g.now = now
	if n := len(g.readings); n > 0 && now.Sub(g.readings[n-1].at) < readingGap {
		return
	}
	r := reading{at: now, ended: map[string]int{}}
	for _, s := range p.Systems {
		r.ended[s.System] = s.Ended()
	}
	g.readings = append(g.readings, r)
}

func (g *gauge) elapsed() time.Duration { return g.now.Sub(g.began).Round(time.Second) }

// rate is how many of a system's changes end in a second; 0 where nothing is
// known yet.
func (g *gauge) rate(s reconciler.Share) float64 {
	window := max(g.now.Sub(g.began)/3, leastWindow)
	if len(g.readings) == 0 || g.now.Sub(g.began) < leastWindow {
		return 0
	}
	from := g.readings[0]
	for _, r := range g.readings {
		if g.now.Sub(r.at) >= window {
			from = r
		}
	}
	return float64(s.Ended()-from.ended[s.System]) / g.now.Sub(from.at).Seconds()
}

// rest reads ", about 40s left", or ", stopping".
func (g *gauge) rest(p reconciler.Progress) string {
	left, ok := g.left(p)
	switch {
	case p.Ended() == p.Total:
		return ""
	case p.Stopping:
		return ", stopping: what runs is finished"
	case ok:
		return ", about " + left.String() + " left"
	}
	return ""
}

// left is how long the slowest system will need, in steps that do not flicker.
func (g *gauge) left(p reconciler.Progress) (time.Duration, bool) {
	var most time.Duration
	for _, s := range p.Systems {
		rest := s.Total - s.Ended()
		if rest == 0 {
			continue
		}
		rate := g.rate(s)
		if rate == 0 {
			return 0, false
		}
		most = max(most, time.Duration(float64(rest)/rate*float64(time.Second)))
	}
	step := time.Second
	if most > time.Minute {
		step = 5 * time.Second
	}
	return max(most.Round(step), step), most > 0
}
