package faults

import (
	"context"
	"net"
	"sync/atomic"
)

// dialer opens a client's connections, each of which carries one call: a command
// over SSH, or a message of WS-Management.
type dialer struct {
	wire *Wire
	kind string
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// name is how an address is called in points.
	name map[string]string
	// strike lets a connection go wrong.
	strike func(w *Wire, c net.Conn, addr string, f Fault) net.Conn
}

func (d *dialer) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	_, fault, err := d.wire.meet(d.kind, d.name[addr])
	if err != nil {
		return nil, err
	}
	if fault == Refused {
		return nil, errRefused
	}
	conn, err := d.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	held, err := d.wire.hold(conn)
	if err != nil || fault == None {
		return held, err
	}
	return d.strike(d.wire, held, addr, fault), nil
}

// deafConn takes everything and answers nothing.
type deafConn struct{ net.Conn }

func (deafConn) Write(b []byte) (int, error) { return len(b), nil }

// shortConn ends when so much was read: what then happens, end does. It is for
// protocols in which both sides speak at once.
type shortConn struct {
	net.Conn
	left atomic.Int64
	end  func()
}

func (c *shortConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.left.Add(-int64(n)) < 0 {
		c.end()
		return 0, errReset
	}
	return n, err
}

// An SSH handshake of the double is about 1,200 bytes, and a read of the
// configurations much more than 4,000.
const (
	amidHandshake = 600
	amidAnswer    = 4000
)

// strikeSSH breaks off a command over SSH.
func strikeSSH(w *Wire, c net.Conn, _ string, f Fault) net.Conn {
	short := &shortConn{Conn: c, end: func() { c.Close() }}
	short.left.Store(amidAnswer)
	switch f {
	case Hung:
		return deafConn{c}
	case Failed:
		short.left.Store(amidHandshake)
	case Orphaned:
		short.end = w.Cut
	}
	return short
}

// turnConn is a connection on which both sides speak in turn: TLS says hello,
// then NTLM asks for a challenge, and the third time the message is sent.
type turnConn struct {
	net.Conn
	wire  *Wire
	fault Fault
	turns int
	heard bool // since the last write
}

const messageTurn = 3

// Write implements net.Conn.
func (c *turnConn) Write(b []byte) (int, error) {
	if c.turns == 0 || c.heard {
		c.turns++
		c.heard = false
	}
	if c.turns >= messageTurn && c.fault == Hung {
		return len(b), nil // and nobody gets it
	}
	return c.Conn.Write(b)
}

// Read implements net.Conn.
func (c *turnConn) Read(b []byte) (int, error) {
	c.heard = true
	n, err := c.Conn.Read(b)
	if err != nil || c.turns < messageTurn {
		return n, err
	}
	switch c.fault {
	case Lost: // the server has answered, so it is done
		c.Conn.Close()
		return 0, errReset
	case Orphaned:
		c.wire.Cut()
		return 0, errCut
	}
	return n, nil
}
