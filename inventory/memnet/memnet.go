// Package memnet is a network in memory, for tests and benchmarks in virtual
// time: testing/synctest sees through its connections, as it does not through
// sockets. Hand [Network.Listen] to a double and [Network.Dial] to a client.
//
// It knows no latency and loses nothing; whoever needs that puts it in front.
package memnet

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// Network connects listeners and clients. The zero value is ready for use, and
// safe for concurrent use.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*listener
}

// Listen makes a listener on an address of its own, 127.0.0.1:8006 the first,
// whatever address is asked for.
func (n *Network) Listen(string, string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners == nil {
		n.listeners = map[string]*listener{}
	}
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8006 + len(n.listeners)}
	l := &listener{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
	n.listeners[addr.String()] = l
	return l, nil
}

// Dial connects to a listener by its address.
func (n *Network) Dial(ctx context.Context, _, addr string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[addr]
	n.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("cannot connect: nobody listens on %s", addr)
	}
	here, there := newEnds(l.addr)
	select {
	case l.conns <- there:
		return here, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type listener struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *listener) Addr() net.Addr { return l.addr }
func (l *listener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
