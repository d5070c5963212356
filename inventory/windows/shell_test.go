package windows

import (
	"io"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory/windows/winsim"
)

var _ io.Closer = (*System)(nil)

func TestCloseFreesTheShells(t *testing.T) {
	l := newLab(t)
	s := l.open(t)
	_, err := s.List(t.Context())
	must(t, err)
	if l.dc1.Shells() != 1 || l.dc2.Shells() != 1 {
		t.Fatalf("%d and %d shells while it works, want one each", l.dc1.Shells(), l.dc2.Shells())
	}
	must(t, s.Close())
	if l.dc1.Shells() != 0 || l.dc2.Shells() != 0 {
		t.Errorf("%d and %d shells are left", l.dc1.Shells(), l.dc2.Shells())
	}
	must(t, s.Close())
	l.dc2.Down()
	_, err = s.List(t.Context()) // what was closed opens again
	must(t, err)
	must(t, s.Close()) // dc2 has no shell: nothing is asked of it
	if l.dc1.Shells() != 0 {
		t.Errorf("%d shells are left", l.dc1.Shells())
	}
}

// The commands of a shell that stands count against the user's quota, those
// that have ended too.
func TestSpentShellMakesRoom(t *testing.T) {
	l := newLabWith(t, winsim.Options{MaxShells: 1, MaxOperations: 2})
	s := l.open(t)
	for range 5 {
		_, err := s.List(t.Context())
		must(t, err)
	}
}

// A spent shell that others are in goes with the last of them, and whoever
// found it spent waits for that.
func TestSpentShellIsLeftByAll(t *testing.T) {
	l := newLabWith(t, winsim.Options{MaxShells: 1, MaxOperations: 1})
	l.cfg.DNS.Servers, l.cfg.DHCP.Servers = l.cfg.DNS.Servers[:1], l.cfg.DHCP.Servers[:1]
	s := l.open(t)
	_, err := s.List(t.Context()) // the one operation that there is
	must(t, err)
	h := s.hosts[0]
	other, fresh, err := h.enter(t.Context())
	if err != nil || fresh {
		t.Fatalf("fresh %t, err %v: want the shell that stands", fresh, err)
	}
	before := l.dc1.Commands().Messages
	listed := make(chan error, 1)
	go func() {
		_, err := s.List(t.Context())
		listed <- err
	}()
	for l.dc1.Commands().Messages == before { // its command has yet to be refused
		time.Sleep(time.Millisecond)
	}
	h.leave(t.Context(), other, false)
	must(t, <-listed)
	if n := l.dc1.Shells(); n != 1 {
		t.Errorf("%d shells, want one", n)
	}
}

// A shell that is closed under a command is taken away once only.
func TestCloseUnderACommand(t *testing.T) {
	l := newLab(t)
	s := l.open(t)
	h := s.hosts[0]
	sh, _, err := h.enter(t.Context())
	must(t, err)
	must(t, s.Close())
	h.leave(t.Context(), sh, true)
	if n := l.dc1.Shells(); n != 0 {
		t.Errorf("%d shells are left", n)
	}
	next, fresh, err := h.enter(t.Context())
	if err != nil || !fresh || next.id == sh.id {
		t.Errorf("fresh %t, err %v: want a new shell", fresh, err)
	}
	h.leave(t.Context(), next, false)
}
