// Package testgate lets a double go off the network and come back where its
// clients look for it. Put [New] around the double's listener, below TLS.
//
// It refuses to know what goes through: to lose an answer, or to be slow, is for
// the double itself.
package testgate

import (
	"net"
	"sync"
)

// Gate is a listener that can be shut without giving up its address. It is safe
// for concurrent use.
type Gate struct {
	net.Listener

	mu   sync.Mutex
	shut bool
	in   map[net.Conn]bool
}

// New is an open gate before a listener.
func New(l net.Listener) *Gate { return &Gate{Listener: l, in: map[net.Conn]bool{}} }

// Accept implements net.Listener. Who comes while the gate is shut is cut off.
func (g *Gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if g.admit(c) {
			return &guest{Conn: c, gate: g}, nil
		}
		slam(c)
	}
}

func (g *Gate) admit(c net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.shut {
		g.in[c] = true
	}
	return !g.shut
}

// Shut cuts whoever is connected, and lets nobody in until Open.
func (g *Gate) Shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
	for c := range g.in {
		slam(c)
	}
}

// Open ends a Shut.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = false
}

// slam ends a connection by a reset: the peer cannot take it for the end of an answer.
func slam(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // the connection ends either way
	}
	c.Close()
}

// guest is a connection that the gate knows of.
type guest struct {
	net.Conn
	gate *Gate
}

func (c *guest) Close() error {
	c.gate.mu.Lock()
	delete(c.gate.in, c.Conn)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}
