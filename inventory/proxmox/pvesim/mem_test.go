package pvesim_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// memNet is a network of net.Pipes, which testing/synctest can see through.
type memNet struct {
	mu        sync.Mutex
	listeners map[string]*memListener
}

type memListener struct {
	addr  memAddr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

type memAddr string

func (memAddr) Network() string  { return "tcp" }
func (a memAddr) String() string { return string(a) }

func (l *memListener) Addr() net.Addr { return l.addr }
func (l *memListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (n *memNet) listen(_, _ string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners == nil {
		n.listeners = map[string]*memListener{}
	}
	addr := fmt.Sprintf("127.0.0.1:%d", 8006+len(n.listeners))
	l := &memListener{addr: memAddr(addr), conns: make(chan net.Conn), done: make(chan struct{})}
	n.listeners[addr] = l
	return l, nil
}

func (n *memNet) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[addr]
	n.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("nobody listens on %s", addr)
	}
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// startMem is start inside a bubble of testing/synctest. stop must be called
// at its end.
func startMem(t *testing.T, o pvesim.Options) (c *client, stop func()) {
	t.Helper()
	var mem memNet
	o.Listen, o.NoSSH, o.Unlogged = mem.listen, true, true
	cl, err := pvesim.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cl.CACert())
	hc := &http.Client{Transport: &http.Transport{DialContext: mem.dial, TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: 64}}
	furnish(t, cl)
	return &client{t: t, c: cl, http: hc, token: cl.RootToken(), base: cl.URLs()[0]}, func() {
		hc.CloseIdleConnections()
		cl.Close()
	}
}
