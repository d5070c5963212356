package pvesim

import (
	"net"
	"sync"

	"github.com/provost-dev/provost/inventory/testgate"
)

// endpoint is where a node is reached in one way.
type endpoint struct {
	*testgate.Gate
	busy sync.WaitGroup
}

func newEndpoint(l net.Listener) *endpoint { return &endpoint{Gate: testgate.New(l)} }

func (e *endpoint) addr() string { return e.Addr().String() }

// serve hands each connection to f in a goroutine of its own, until close.
func (e *endpoint) serve(f func(net.Conn)) {
	defer e.busy.Wait()
	for {
		conn, err := e.Accept()
		if err != nil {
			return
		}
		e.busy.Go(func() {
			defer conn.Close()
			f(conn)
		})
	}
}

func (e *endpoint) setDown(down bool) {
	if down {
		e.Shut()
	} else {
		e.Open()
	}
}

func (e *endpoint) close() {
	e.Shut()
	e.Close()
}
