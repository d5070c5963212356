package faults

import (
	"fmt"
	"hash/fnv"
	"sync"
)

// Storm is a script in which a share of all calls goes wrong, drawn from its seed
// and the call alone, while it blows.
type Storm struct {
	Seed  uint64
	Share float64

	mu     sync.Mutex
	over   bool
	killIn int // calls until the process that makes them is killed; 0 for never
}

// weather is what a storm does to calls: all that is no end of the process.
var weather = []Fault{Refused, Hung, Failed, Lost, TaskFailed}

// Meet implements Script.
func (s *Storm) Meet(p Point) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.killIn > 0 {
		if s.killIn--; s.killIn == 0 {
			return Killed
		}
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s", s.Seed, p)
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9 // FNV alone changes little with the last byte
	x ^= x >> 27
	if s.over || float64(x>>40)/(1<<24) >= s.Share {
		return None
	}
	f := weather[x%uint64(len(weather))]
	if f == TaskFailed && p.Kind != "proxmox" {
		f = Failed
	}
	return f
}

// KillIn kills whoever makes the n-th call from now.
func (s *Storm) KillIn(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.killIn = n
}

// Calm ends the storm.
func (s *Storm) Calm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over, s.killIn = true, 0
}
