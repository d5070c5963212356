package faults

import (
	"fmt"
	"slices"
	"sync"
)

// Script says which calls go wrong. It outlives the processes of a case, and may
// be asked by many at once.
type Script interface {
	// Meet is asked about each call before it is sent.
	Meet(Point) Fault
}

// Strike is a fault at a point.
type Strike struct {
	Point
	Fault
}

func (s Strike) String() string { return s.Fault.String() + " " + s.Point.String() }

// Strikes is a script of single faults, each of which happens once.
type Strikes struct {
	mu   sync.Mutex
	left []Strike
}

// NewStrikes is the script of some faults.
func NewStrikes(strikes ...Strike) *Strikes { return &Strikes{left: slices.Clone(strikes)} }

// Meet implements Script.
func (s *Strikes) Meet(p Point) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, strike := range s.left {
		if strike.Kind == p.Kind && strike.Name == p.Name && strike.N == p.N {
			s.left = slices.Delete(s.left, i, i+1)
			return strike.Fault
		}
	}
	return None
}

func (s *Strikes) have(f Fault) bool {
	return slices.ContainsFunc(s.left, func(strike Strike) bool { return strike.Fault == f })
}

// Left is how many faults have not happened.
func (s *Strikes) Left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.left)
}

// Calm lets nothing go wrong any more.
func (s *Strikes) Calm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = nil
}

// counter numbers the calls that read alike, and remembers all.
type counter struct {
	mu     sync.Mutex
	same   map[string]int
	points []Point
}

func (c *counter) next(kind, name string) Point {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.same == nil {
		c.same = map[string]int{}
	}
	key := fmt.Sprint(kind, " ", name)
	c.same[key]++
	p := Point{Kind: kind, Name: name, N: c.same[key]}
	c.points = append(c.points, p)
	return p
}

// startsTask marks a point whose answer named a task.
func (c *counter) startsTask(p Point) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, known := range c.points {
		if known == p {
			c.points[i].Task = true
		}
	}
}

func (c *counter) all() []Point {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.points)
}
