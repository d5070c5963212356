package memnet

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"
)

func TestEndsAreConnections(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		here, there := newEnds(&net.TCPAddr{})
		return here, there, func() { here.Close(); there.Close() }, nil
	})
}

// Both sides write before either reads, and one leaves: nobody waits for ever.
func TestWritesDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := newEnds(&net.TCPAddr{})
		here.Write([]byte("bye"))                          //nolint:errcheck // what is read tells
		there.Write(make([]byte, buffer))                  //nolint:errcheck
		there.SetReadDeadline(time.Now().Add(time.Minute)) //nolint:errcheck
		here.Close()
		if got, err := io.ReadAll(there); string(got) != "bye" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := there.Write([]byte("too late")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("written to nobody: %v", err)
		}
	})
}

// Who writes more than is read waits, and not for longer than the deadline.
func TestAFullConnectionHoldsItsWriterBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := newEnds(&net.TCPAddr{})
		began := time.Now()
		here.SetWriteDeadline(began.Add(time.Hour)) //nolint:errcheck
		if n, err := here.Write(make([]byte, buffer+1)); n != buffer || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Hour {
			t.Errorf("%d, %v after %s", n, err, time.Since(began))
		}
		here.SetWriteDeadline(time.Time{})            //nolint:errcheck
		go io.ReadFull(there, make([]byte, 3*buffer)) //nolint:errcheck // what is written tells
		if n, err := here.Write(make([]byte, 2*buffer)); n != 2*buffer || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
}

func TestDeadlinesInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, _ := newEnds(&net.TCPAddr{})
		began := time.Now()
		here.SetReadDeadline(began.Add(time.Hour)) //nolint:errcheck
		if _, err := here.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Hour {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}
