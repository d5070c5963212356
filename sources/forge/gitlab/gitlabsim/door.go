package gitlabsim

import (
	"net"
	"sync"
)

// door is a listener that can be shut without giving up its port, so that a
// server that was down comes back where its clients look for it.
type door struct {
	net.Listener

	mu   sync.Mutex
	down bool
	in   map[net.Conn]bool
}

func newDoor(l net.Listener) *door { return &door{Listener: l, in: map[net.Conn]bool{}} }

func (d *door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		d.mu.Lock()
		if !d.down {
			d.in[c] = true
			d.mu.Unlock()
			return &guest{Conn: c, door: d}, nil
		}
		d.mu.Unlock()
		slam(c)
	}
}

func (d *door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = true
	for c := range d.in {
		slam(c)
	}
}

func (d *door) open() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = false
}

// slam ends a connection by a reset: the peer cannot take it for an answer.
func slam(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	c.Close()
}

// guest is a connection that the door knows of.
type guest struct {
	net.Conn
	door *door
}

func (g *guest) Close() error {
	g.door.mu.Lock()
	delete(g.door.in, g.Conn)
	g.door.mu.Unlock()
	return g.Conn.Close()
}
