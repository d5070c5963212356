package pvesim

import (
	"bytes"
	"net"
	"sync"
)

// queuedConn is a connection whose writes do not wait for the reader. Both
// sides of SSH begin by writing, which would block for ever on a net.Pipe.
type queuedConn struct {
	net.Conn
	mu     sync.Mutex
	queue  []byte
	closed bool
	wake   chan struct{}
	done   chan struct{}
}

func queueWrites(conn net.Conn) *queuedConn {
	q := &queuedConn{Conn: conn, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go q.deliver()
	return q
}

func (q *queuedConn) Write(b []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, net.ErrClosed
	}
	q.queue = append(q.queue, b...)
	q.signal()
	return len(b), nil
}

// Close delivers what is queued, if the other side still reads.
func (q *queuedConn) Close() error {
	q.mu.Lock()
	q.closed = true
	q.signal()
	q.mu.Unlock()
	<-q.done
	return q.Conn.Close()
}

func (q *queuedConn) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// deliver writes in the background until the connection is closed or broken.
func (q *queuedConn) deliver() {
	defer close(q.done)
	for range q.wake {
		q.mu.Lock()
		b, closed := bytes.Clone(q.queue), q.closed
		q.queue = q.queue[:0]
		q.mu.Unlock()
		if _, err := q.Conn.Write(b); err != nil || closed {
			q.mu.Lock()
			q.closed = true
			q.mu.Unlock()
			return
		}
	}
}
