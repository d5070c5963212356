package faults

import (
	"errors"
	"net"
	"sync"
	"syscall"
)

// Wire is all that lies between one process and the world. When the process
// ends, by [Wire.Cut], every connection breaks and nothing leaves it any more.
type Wire struct {
	script  Script
	counter *counter
	ended   func() // called once, when the process ends

	mu    sync.Mutex
	cut   chan struct{} // closed when the process has ended
	dead  bool
	conns map[net.Conn]bool
}

func newWire(script Script, counter *counter, ended func()) *Wire {
	return &Wire{script: script, counter: counter, ended: ended, cut: make(chan struct{}), conns: map[net.Conn]bool{}}
}

// errCut is what the rest of a process that has ended hears.
var errCut = errors.New("the process has ended")

// Cut ends the process.
func (w *Wire) Cut() {
	w.mu.Lock()
	if w.dead {
		w.mu.Unlock()
		return
	}
	w.dead = true
	conns := w.conns
	w.conns = nil
	w.mu.Unlock()
	w.ended()
	close(w.cut)
	for c := range conns {
		c.Close()
	}
}

// Dead reports whether the process has ended.
func (w *Wire) Dead() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dead
}

// meet announces a call, and says what is to become of it. A process that is to
// end here has ended when meet returns.
func (w *Wire) meet(kind, name string) (Point, Fault, error) {
	if w.Dead() {
		return Point{}, None, errCut
	}
	p := w.counter.next(kind, name)
	f := w.script.Meet(p)
	if f == Killed {
		w.Cut()
		return p, f, errCut
	}
	return p, f, nil
}

// hold keeps a connection until the process ends.
func (w *Wire) hold(c net.Conn) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		c.Close()
		return nil, errCut
	}
	w.conns[c] = true
	return &heldConn{Conn: c, wire: w}, nil
}

type heldConn struct {
	net.Conn
	wire *Wire
}

func (c *heldConn) Close() error {
	c.wire.mu.Lock()
	delete(c.wire.conns, c.Conn)
	c.wire.mu.Unlock()
	return c.Conn.Close()
}

// What the operating system says of a connection that cannot be made, and of one
// that broke.
var (
	errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	errReset   = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
)
