package pvesim

import (
	"math"
	"slices"
	"time"
)

// station is a resource that tasks share at every moment: a node, or a storage.
// All its methods are called under the cluster's lock.
type station struct {
	c     *Cluster
	share func(*Costs, []*flow) // sets each flow's rate, in units a second
	flows []*flow
	since time.Time // when the flows were last brought up to date
	timer *time.Timer
}

// flow is what one task wants of a station: seconds of work, or bytes.
type flow struct {
	left  float64
	limit float64 // of the rate; 0: none
	own   bool    // limit is its own, whatever the storage's stream is
	rate  float64
	done  chan struct{}
}

// station returns the one of that name; the first caller says how it shares.
func (c *Cluster) station(name string, share func(*Costs, []*flow)) *station {
	s := c.stations[name]
	if s == nil {
		s = &station{c: c, share: share}
		c.stations[name] = s
	}
	return s
}

// shareWork is a node: tasks that work at once slow each other down.
func shareWork(costs *Costs, flows []*flow) {
	for _, f := range flows {
		f.rate = costs.Work(len(flows)) / float64(len(flows))
	}
}

// Work is how much work a node does in a second with so many tasks at once, in
// seconds that one takes alone.
func (c *Costs) Work(tasks int) float64 {
	if c.Saturation > 0 {
		tasks = min(tasks, c.Saturation)
	}
	return float64(tasks) / (1 + c.Contention*float64(tasks-1))
}

// shareBytes gives the flows equal parts of a throughput; what one cannot use
// because of its limit is left to the others.
func shareBytes(throughput float64, flows []*flow) {
	if throughput == 0 {
		throughput = math.Inf(1)
	}
	rest := throughput
	byLimit := slices.Clone(flows)
	slices.SortStableFunc(byLimit, func(a, b *flow) int { return int(math.Copysign(1, a.most()-b.most())) })
	for i, f := range byLimit {
		f.rate = min(f.most(), rest/float64(len(byLimit)-i))
		rest -= f.rate
	}
}

func (f *flow) most() float64 {
	if f.limit == 0 {
		return math.MaxFloat64
	}
	return f.limit
}

// join adds a flow; its channel is closed when it is through.
func (s *station) join(f flow) *flow {
	s.settle()
	f.done = make(chan struct{})
	s.flows = append(s.flows, &f)
	s.plan()
	return &f
}

// leave takes out a flow that is given up.
func (s *station) leave(f *flow) {
	s.settle()
	s.flows = slices.DeleteFunc(s.flows, func(o *flow) bool { return o == f })
	s.plan()
}

// settle accounts for the time that has passed at the rates that were planned.
func (s *station) settle() {
	now := time.Now()
	passed := now.Sub(s.since).Seconds()
	s.since = now
	for _, f := range s.flows {
		f.left -= f.rate * passed
	}
}

// plan shares the station anew and sets the timer for who is through first.
func (s *station) plan() {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.share(&s.c.costs, s.flows)
	next := math.Inf(1)
	for _, f := range s.flows {
		f.rate *= s.c.costs.speed()
		next = min(next, f.left/f.rate)
	}
	if len(s.flows) > 0 {
		s.timer = time.AfterFunc(time.Duration(math.Ceil(max(next, 0)*1e9)), s.ring)
	}
}

// ring lets go who is through.
func (s *station) ring() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.settle()
	s.flows = slices.DeleteFunc(s.flows, func(f *flow) bool {
		through := f.left <= 2e-9*f.rate // the clock counts nanoseconds
		if through {
			close(f.done)
		}
		return through
	})
	s.plan()
}
