package winsim

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/masterzen/winrm"
)

// pipeListener hands over in-memory connections, so that the clock can be virtual.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5986} }

func (l *pipeListener) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, errors.New("the listener is closed")
	}
}

// inBubble runs f with a server and a client in virtual time.
func inBubble(t *testing.T, o func(*Options), f func(*testing.T, *Server, *client)) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		s := startServer(t, func(opts *Options) {
			opts.Listen = func() (net.Listener, error) { return l, nil }
			if o != nil {
				o(opts)
			}
		})
		f(t, s, newClientOver(t, s, alice, l.dial))
	})
}

func TestIdleReceiveEndsOnTime(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *Server, c *client) {
		c.params = winrm.NewParameters("PT60S", "en-US", 153600)
		id := c.start(testLine)
		begin := time.Now()
		status, body, err := c.post(c.receiveMessage(id).String())
		if err != nil || status != http.StatusInternalServerError || !strings.Contains(body, "2150858793") {
			t.Errorf("status %d, err %v\n%s", status, err, body)
		}
		if took := time.Since(begin); took != time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

func TestIdleShellIsClosed(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *Server, c *client) {
		c.do(testList, listAll)
		time.Sleep(180 * time.Second)
		c.do(testList, listAll) // just in time
		time.Sleep(180*time.Second + time.Millisecond)
		status, body, err := c.post(winrm.NewExecuteCommandRequest(c.url, c.shell, testLine, nil, c.params).String())
		if err != nil || status != http.StatusInternalServerError || !strings.Contains(body, "2150858843") {
			t.Errorf("status %d, err %v\n%s", status, err, body)
		}
	})
}

func TestLatencyOfACommand(t *testing.T) {
	inBubble(t, func(o *Options) { o.Latency = 2500 * time.Millisecond }, func(t *testing.T, s *Server, c *client) {
		c.params = winrm.NewParameters("PT60S", "en-US", 153600)
		begin := time.Now()
		c.do(testList, listAll)
		if took := time.Since(begin); took != 2500*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		// A command that is ended meanwhile does nothing.
		id := c.start(testLine)
		c.must(c.sendMessage(id, frame(testApply, `{"changes":[`+recordJSON("", "192.168.25.7", false)+`]}`), true))
		c.must(c.signalMessage(id))
		time.Sleep(time.Minute)
		if got := s.Records(); len(got) != 0 {
			t.Errorf("records %v", got)
		}
	})
}

func TestHangingMessageEndsWithItsClient(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, s *Server, c *client) {
		c.open() // while logging in, the client takes a cut connection for a 401
		s.Inject(Fault{Match: "Create", Kind: Hang})
		c.http.Timeout = time.Hour
		begin := time.Now()
		if status, _, err := c.post(winrm.NewOpenShellRequest(c.url, c.params).String()); err == nil {
			t.Errorf("status %d", status)
		}
		if took := time.Since(begin); took != time.Hour {
			t.Errorf("it took %v", took)
		}
	})
}
