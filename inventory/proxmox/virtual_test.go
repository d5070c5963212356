package proxmox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// pipes is a network in memory, which testing/synctest can see through.
type pipes struct {
	mu        sync.Mutex
	listeners map[string]*pipeListener
}

type pipeListener struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipeListener) Addr() net.Addr { return l.addr }
func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) listen(string, string) (net.Listener, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8006 + len(p.listeners)}
	l := &pipeListener{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
	p.listeners[addr.String()] = l
	return l, nil
}

func (p *pipes) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	p.mu.Lock()
	l := p.listeners[addr]
	p.mu.Unlock()
	if l == nil {
		return nil, errors.New("connection refused")
	}
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return tcpConn{here, l.addr}, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// tcpConn gives a pipe the address that known_hosts is asked about.
type tcpConn struct {
	net.Conn
	addr net.Addr
}

func (c tcpConn) RemoteAddr() net.Addr { return c.addr }

// virtual runs a test in virtual time on a rig whose network is in memory.
func virtual(t *testing.T, opts pvesim.Options, test func(*testing.T, *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		mem := &pipes{listeners: map[string]*pipeListener{}}
		opts.Listen = mem.listen
		r := newRig(t, opts)
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(r.sim.CACert())
		transport := &http.Transport{DialContext: mem.dial, TLSClientConfig: &tls.Config{RootCAs: roots}}
		t.Cleanup(transport.CloseIdleConnections)
		r.opts = Options{Transport: transport, DialSSH: mem.dial}
		test(t, r)
	})
}

// A cohort as long as the field knows it: 12 machines whose clones take a minute
// each, all of the listing, the SSH read and the waiting in virtual time.
func TestACohortInVirtualTime(t *testing.T) {
	costs := pvesim.Costs{Answer: 30 * time.Millisecond, FullClone: time.Minute, Start: 5 * time.Second}
	virtual(t, pvesim.Options{StatDelay: 10 * time.Second, Costs: costs}, func(t *testing.T, r *rig) {
		c := r.open(t)
		list(t, c)
		r.sim.ForgetRequests()
		began := time.Now()
		const n = 12
		for i := range n {
			guest, power := container(fmt.Sprintf("vm-%02d", i), 20000+i, "disk", "4")
			for _, ch := range []inventory.Change{creation(guest), creation(power)} {
				if o := apply(c, ch); o.State != inventory.StateDone {
					t.Fatalf("%s: %+v", ch.Key, o)
				}
			}
		}
		took := time.Since(began)
		requests := len(r.sim.Requests()) / n
		if took < n*65*time.Second || took > n*75*time.Second {
			t.Errorf("one after another %d machines took %s, want little more than %s", n, took, n*65*time.Second)
		}
		if requests > 60 {
			t.Errorf("%d requests a machine", requests)
		}
		t.Logf("%d machines one after another: %s, %d requests each", n, took.Round(time.Second), requests)
		items := list(t, c)
		for i := range n {
			if power := items[c.key(inventory.KindPower, fmt.Sprintf("vm-%02d", i))]; power.Attrs["state"] != "running" {
				t.Errorf("%s is %v", power.Key, power.Attrs)
			}
		}
	})
}
