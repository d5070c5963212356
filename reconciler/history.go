package reconciler

import (
	"slices"
	"strings"
	"sync"
)

// History keeps the newest passes for the pages, and with [History.Keep] from one
// process to the next. It is safe for concurrent use.
type History struct {
	mu     sync.Mutex
	passes []*Pass // oldest first
	keep   int
	shelf  Shelf // ended passes are kept there, too; nil for nowhere
}

// NewHistory keeps up to n passes.
func NewHistory(n int) *History { return &History{keep: n} }

// Add publishes a pass, in place of an earlier stage of the same one.
func (h *History) Add(p *Pass) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shelve(p)
	if n := len(h.passes); n > 0 && h.passes[n-1].ID == p.ID {
		h.passes[n-1] = p
		return
	}
	h.passes = append(h.passes, p)
	h.forget()
}

// Find is the newest pass whose ID is id or whose commit begins with it.
func (h *History) Find(id string) (*Pass, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.passes) - 1; i >= 0; i-- {
		p := h.passes[i]
		if p.ID == id || (len(id) >= 7 && strings.HasPrefix(p.Commit, id)) || p.proposal(id) {
			return p, true
		}
	}
	return nil, false
}

func (p *Pass) proposal(commit string) bool {
	if len(commit) < 7 {
		return false
	}
	at := func(q ProposalPass) bool { return strings.HasPrefix(q.Commit, commit) }
	return slices.ContainsFunc(p.Proposals, at) || p.Newer != nil && at(*p.Newer)
}

// All are the kept passes, newest first.
func (h *History) All() []*Pass {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]*Pass, 0, len(h.passes))
	for i := len(h.passes) - 1; i >= 0; i-- {
		out = append(out, h.passes[i])
	}
	return out
}

// Last is the newest pass that has ended, or nil.
func (h *History) Last() *Pass {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.passes) - 1; i >= 0; i-- {
		if h.passes[i].Stage == StageDone {
			return h.passes[i]
		}
	}
	return nil
}
