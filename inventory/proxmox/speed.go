package proxmox

import (
	"cmp"
	"time"
)

// record is a line fitted through what was seen: the time that a task takes over
// how many others share something with it. Older sightings count less and less.
type record struct {
	n, x, y, xx, xy float64       // sums; x others, y seconds
	streak          int           // how many in a row were seen ended at the first look
	busy, together  float64       // sums over sightings that waited for each other: their number, tasks a second
	widest          int           // of its likes, side by side
	lone            float64       // seconds of those that had no company; 0 until one was seen
	log             time.Duration // what the log told, until something was measured
}

// speed is how long one kind of task takes.
type speed struct {
	alone time.Duration // when nothing else runs beside it
	drag  float64       // how much longer, as a part of alone, for each other that runs
	most  float64       // tasks a second that all together get done; 0 until they were seen to wait for each other
	// assumed: nothing was seen that tells the drag. Then seen is the company in
	// which the task was seen, itself included, and 0 where it was not.
	assumed bool
	seen    float64
	lone    time.Duration // of those that had no company; 0 until one was seen
}

// among is the time in company, itself included.
func (s speed) among(company float64) time.Duration {
	return time.Duration(float64(s.alone) * (1 + s.drag*max(0, company-1)))
}

// side is among for companies that were never seen: what shares a thing that can
// do no more takes as long as there are tasks.
func (s speed) side(company float64) time.Duration {
	if s.most == 0 {
		return s.among(company)
	}
	return max(s.alone, time.Duration(company/s.most*float64(time.Second)))
}

// of is the speed of what has so many units.
func (s speed) of(units float64) speed {
	return speed{alone: time.Duration(float64(s.alone) * units), drag: s.drag, most: s.most / units, assumed: s.assumed, seen: s.seen, lone: time.Duration(float64(s.lone) * units)}
}

// drags that are assumed and believed at most. With 0 tasks do not disturb each
// other; with 1 they share one thing, and side by side win nothing.
const (
	usualDrag = 0.1
	mostDrag  = 1.5
	fading    = 0.9
	// enoughSpread of the companies that a task was seen in, as a share of the square
	// of their mean, lets a line through the sightings say more than chance.
	enoughSpread = 0.03
	// hardlyAny company, on average, is none.
	hardlyAny = 0.2
	// waitingShare is by how much longer than alone a task takes that waits for others.
	waitingShare = 1.12
)

// speed is what the sightings tell; drag is assumed where they do not.
func (r *record) speed(drag float64) speed {
	s := speed{alone: r.log, drag: cmp.Or(drag, usualDrag), assumed: true, lone: time.Duration(r.lone * float64(time.Second))}
	if r.n == 0 {
		return s
	}
	x, y := r.x/r.n, r.y/r.n
	s.seen = x + 1
	if spread := r.xx/r.n - x*x; spread > max(0.25, enoughSpread*(x+1)*(x+1)) && r.n > 3 {
		s.assumed = false
		slope := (r.xy/r.n - x*y) / spread
		if base := y - slope*x; base > y/20 {
			s.drag = min(max(slope/base, 0), mostDrag)
		} else {
			s.drag = 1 // a line through the origin: they share one thing
		}
	}
	s.alone = time.Duration(y / (1 + s.drag*x) * float64(time.Second))
	if r.busy > 0 {
		s.most = r.together / r.busy
	}
	return s
}

func (r *record) add(others, seconds, drag float64) {
	waited := r.n > 0 && others >= 1 && seconds > waitingShare*r.unhindered(drag)
	for _, sum := range []*float64{&r.n, &r.x, &r.y, &r.xx, &r.xy, &r.busy, &r.together} {
		*sum *= fading
	}
	r.n++
	r.x += others
	r.y += seconds
	r.xx += others * others
	r.xy += others * seconds
	if others < hardlyAny {
		r.lone = (cmp.Or(r.lone, seconds) + seconds) / 2
	}
	if waited {
		r.busy++
		r.together += (others + 1) / seconds
	}
}

// unhindered is the seconds that a task takes that does not wait for others. While
// their drag is assumed, they share what is full from as many on as the drag tells:
// what fewer of them took is believed to be nobody's fault.
func (r *record) unhindered(drag float64) float64 {
	s := r.speed(drag)
	if !s.assumed {
		return s.alone.Seconds()
	}
	return r.y / r.n / max(1, s.seen*s.drag)
}
