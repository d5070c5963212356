package winsim

import (
	"cmp"
	"net/http"
	"sync"
)

// FaultKind is a way to misbehave.
type FaultKind int

// The ways. Those that strike a verb do so when the script and its document
// have arrived; those that strike a message do so when it arrives.
const (
	Refuse     FaultKind = iota // answer HTTP Status (default 503) and do nothing
	Hang                        // never end; a message is held until the client gives up
	DropAnswer                  // do it, then cut the connection instead of answering
	DropBefore                  // cut the connection and do nothing
	Fault500                    // answer a WS-Management fault and do nothing
	LoseStdin                   // accept the last of standard input, and lose all of it
	FailItem                    // let items of the document fail with ErrorID, undone
)

// Fault is one piece of misbehaviour.
type Fault struct {
	// Match is a verb of ours, or a WS-Management message: Create, Command,
	// Receive, Send, Signal, Delete. Empty matches every verb, "*" every message.
	Match   string
	Skip    int // let so many go well first
	Times   int // then strike so often; 0 is once, negative for ever
	Kind    FaultKind
	Status  int    // of Refuse; default 503
	Item    string // FailItem: the id of the item that fails; empty is every item
	Cmdlet  string // FailItem of apply: the cmdlet that fails; empty is every one
	ErrorID string // FailItem: such as "WIN32 9717" or "DHCP 20013"
}

var messageNames = map[string]bool{
	"Create": true, "Command": true, "Receive": true, "Send": true, "Signal": true, "Delete": true,
}

// Inject adds a fault to those that wait. The first that matches strikes.
func (s *Server) Inject(f Fault) {
	f.Times = cmp.Or(f.Times, 1)
	f.Status = cmp.Or(f.Status, http.StatusServiceUnavailable)
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.waiting = append(s.faults.waiting, &f)
}

// ClearFaults forgets every fault that waits.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.waiting = nil
}

type faultList struct {
	mu      sync.Mutex
	waiting []*Fault
}

// verb is the fault that strikes a verb now, or nil.
func (l *faultList) verb(verb string) *Fault {
	return l.strike(func(match string) bool { return match == verb || match == "" })
}

// message is the fault that strikes a WS-Management message now, or nil.
func (l *faultList) message(name string) *Fault {
	return l.strike(func(match string) bool { return messageNames[name] && (match == name || match == "*") })
}

func (l *faultList) strike(matches func(string) bool) *Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.waiting {
		switch {
		case !matches(f.Match) || f.Times == 0:
			continue
		case f.Skip > 0:
			f.Skip--
			continue
		case f.Times > 0:
			f.Times--
		}
		struck := *f
		return &struck
	}
	return nil
}
