package winsim

import (
	"maps"
	"sync"
)

// Counts say how much work a server had.
type Counts struct {
	Requests int            // HTTP requests, those of logging in included
	Messages int            // WS-Management messages
	Commands int            // commands whose script was known and that ran
	Verbs    map[string]int // the same by verb
}

type tally struct {
	mu       sync.Mutex
	counts   Counts
	rejected []string
}

func (t *tally) request() { t.mu.Lock(); defer t.mu.Unlock(); t.counts.Requests++ }
func (t *tally) message() { t.mu.Lock(); defer t.mu.Unlock(); t.counts.Messages++ }

func (t *tally) command(verb string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts.Verbs == nil {
		t.counts.Verbs = map[string]int{}
	}
	t.counts.Commands++
	t.counts.Verbs[verb]++
}

func (t *tally) reject(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rejected = append(t.rejected, what)
}

// Commands counts what the server was asked since it started.
func (s *Server) Commands() Counts {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	c := s.tally.counts
	c.Verbs = maps.Clone(c.Verbs)
	return c
}
