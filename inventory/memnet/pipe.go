package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// end is one end of a connection. It holds what was written to it until that is read,
// up to [buffer], as a socket does. With [net.Pipe], where a write waits for its reader, two sides that
// write to each other at one moment wait for each other for ever: a client that takes
// its leave of a server which is about to answer.
type end struct {
	addr net.Addr // of whom the other end is
	in   *stream
	out  *stream
}

func newEnds(addr net.Addr) (here, there *end) {
	one, other := newStream(), newStream()
	return &end{addr, one, other}, &end{addr, other, one}
}

func (e *end) Read(p []byte) (int, error)  { return e.in.read(p) }
func (e *end) Write(p []byte) (int, error) { return e.out.write(p) }

// Close leaves what was written for the other end to read.
func (e *end) Close() error {
	e.in.change(func(s *stream) { s.left, s.data = true, nil })
	e.out.change(func(s *stream) { s.ended = true })
	return nil
}

func (e *end) LocalAddr() net.Addr  { return e.addr }
func (e *end) RemoteAddr() net.Addr { return e.addr }

func (e *end) SetDeadline(t time.Time) error {
	e.SetReadDeadline(t)  //nolint:errcheck // it never fails
	e.SetWriteDeadline(t) //nolint:errcheck
	return nil
}

func (e *end) SetReadDeadline(t time.Time) error {
	e.in.change(func(s *stream) { s.readBy = t })
	return nil
}

func (e *end) SetWriteDeadline(t time.Time) error {
	e.out.change(func(s *stream) { s.writeBy = t })
	return nil
}

// buffer is how many bytes a stream holds before its writer has to wait.
const buffer = 64 << 10

// stream is one direction.
type stream struct {
	mu              sync.Mutex // never held while anybody waits
	changed         chan struct{}
	data            []byte
	ended           bool // the writer has closed its end
	left            bool // the reader has
	readBy, writeBy time.Time
}

func newStream() *stream { return &stream{changed: make(chan struct{})} }

func (s *stream) change(how func(*stream)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	how(s)
	s.tell()
}

// tell wakes whoever waits for a change; the caller holds the lock.
func (s *stream) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *stream) write(p []byte) (n int, err error) {
	for {
		some, wait, by, err := s.put(p[n:])
		n += some
		if wait == nil {
			return n, err
		}
		await(wait, by)
	}
}

// put takes what there is room for, or gives what to wait for, and until when.
func (s *stream) put(p []byte) (n int, wait <-chan struct{}, by time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended, s.left:
		return 0, nil, by, io.ErrClosedPipe
	case past(s.writeBy):
		return 0, nil, by, os.ErrDeadlineExceeded
	}
	if n = min(len(p), buffer-len(s.data)); n > 0 {
		s.data = append(s.data, p[:n]...)
		s.tell()
	}
	if n == len(p) {
		return n, nil, by, nil
	}
	return n, s.changed, s.writeBy, nil
}

func (s *stream) read(p []byte) (int, error) {
	for {
		n, wait, by, err := s.take(p)
		if wait == nil {
			return n, err
		}
		await(wait, by)
	}
}

// await returns at a change, and at the deadline where there is one.
func await(changed <-chan struct{}, by time.Time) {
	var due <-chan time.Time
	if !by.IsZero() {
		timer := time.NewTimer(time.Until(by))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-changed:
	case <-due:
	}
}

// take reads what is there, or gives what to wait for, and until when.
func (s *stream) take(p []byte) (n int, wait <-chan struct{}, by time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.left:
		return 0, nil, by, io.ErrClosedPipe
	case past(s.readBy):
		return 0, nil, by, os.ErrDeadlineExceeded
	case len(s.data) > 0:
		full := len(s.data) == buffer
		n = copy(p, s.data)
		if s.data = s.data[n:]; full {
			s.tell()
		}
		return n, nil, by, nil
	case s.ended:
		return 0, nil, by, io.EOF
	case len(p) == 0:
		return 0, nil, by, nil
	}
	return 0, s.changed, s.readBy, nil
}

func past(deadline time.Time) bool { return !deadline.IsZero() && !time.Now().Before(deadline) }
