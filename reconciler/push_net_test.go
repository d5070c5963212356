package reconciler_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/provost-dev/provost/inventory/memnet"
)

// far is a network in memory on which everything takes a while to arrive.
type far struct {
	memnet.Network
	latency time.Duration // one way
}

// Dial shakes hands and connects. What either side writes arrives later, in
// order; nobody is kept from writing meanwhile.
func (f *far) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	time.Sleep(2 * f.latency)
	there, err := f.Network.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	here, wire := net.Pipe()
	go f.carry(there, wire)
	go f.carry(wire, there)
	return farConn{here, there.RemoteAddr()}, nil
}

type farConn struct {
	net.Conn
	addr net.Addr
}

func (c farConn) RemoteAddr() net.Addr { return c.addr }

// carry takes what comes from one side to the other until one of them is gone.
func (f *far) carry(to io.WriteCloser, from io.Reader) {
	type packet struct {
		data []byte
		due  time.Time
	}
	queue := make(chan packet, 4096)
	go func() {
		defer close(queue)
		for {
			data := make([]byte, 32<<10)
			n, err := from.Read(data)
			if n > 0 {
				queue <- packet{data[:n], time.Now().Add(f.latency)}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range queue {
		time.Sleep(time.Until(p.due))
		to.Write(p.data) //nolint:errcheck // who has gone reads nothing
	}
	to.Close()
}

// slowForge is a forge that takes its time over each call, and a look at when
// its answers come.
type slowForge struct {
	base  http.RoundTripper
	noted func(*http.Request)
}

func (s *slowForge) RoundTrip(req *http.Request) (*http.Response, error) {
	takes := forgeReads
	if req.Method != http.MethodGet {
		takes = forgeWrites
	}
	time.Sleep(takes)
	resp, err := s.base.RoundTrip(req)
	if err == nil && resp.StatusCode < 300 {
		s.noted(req)
	}
	return resp, err
}
