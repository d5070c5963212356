package pvesim

import (
	"net"
	"sync"
)

// endpoint is a listener that can be switched off and on again: while it is
// down it closes what connects, and going down cuts what was connected.
type endpoint struct {
	l    net.Listener
	mu   sync.Mutex
	down bool
	open map[net.Conn]bool
	busy sync.WaitGroup
}

func newEndpoint(l net.Listener) *endpoint {
	return &endpoint{l: l, open: map[net.Conn]bool{}}
}

func (e *endpoint) addr() string { return e.l.Addr().String() }

// serve hands each connection to f in a goroutine of its own, until close.
func (e *endpoint) serve(f func(net.Conn)) {
	for {
		conn, err := e.l.Accept()
		if err != nil {
			e.busy.Wait()
			return
		}
		if !e.add(conn) {
			conn.Close()
			continue
		}
		e.busy.Go(func() {
			defer e.remove(conn)
			f(conn)
		})
	}
}

func (e *endpoint) add(conn net.Conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.down {
		e.open[conn] = true
	}
	return !e.down
}

func (e *endpoint) remove(conn net.Conn) {
	e.mu.Lock()
	delete(e.open, conn)
	e.mu.Unlock()
	conn.Close()
}

func (e *endpoint) setDown(down bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.down = down
	if down {
		for conn := range e.open {
			conn.Close()
		}
	}
}

func (e *endpoint) close() {
	e.setDown(true)
	e.l.Close()
}
