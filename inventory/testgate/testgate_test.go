package testgate

import (
	"io"
	"net"
	"testing"
)

// echo serves what comes through a gate until its listener ends.
func echo(t *testing.T) *Gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := New(l)
	t.Cleanup(func() { g.Close(); g.Shut() })
	go func() {
		for {
			c, err := g.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c) // ends when either side does
			}()
		}
	}()
	return g
}

func dial(t *testing.T, g *Gate) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", g.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// answers reports whether somebody is at the other end.
func answers(c net.Conn) bool {
	var b [1]byte
	_, err := c.Write([]byte("x"))
	if err == nil {
		_, err = io.ReadFull(c, b[:])
	}
	return err == nil
}

func TestAGate(t *testing.T) {
	g := echo(t)
	before := dial(t, g)
	if !answers(before) {
		t.Fatal("an open gate lets nobody through")
	}
	g.Shut()
	if answers(before) {
		t.Error("who was connected is not cut off")
	}
	if answers(dial(t, g)) {
		t.Error("a gate that is shut lets somebody in")
	}
	g.Open()
	if !answers(dial(t, g)) {
		t.Error("a gate that was opened again lets nobody through")
	}
}

// Who has gone is forgotten.
func TestGuestsLeave(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := New(l)
	defer g.Close()
	dial(t, g)
	c, err := g.Accept()
	if err != nil || len(g.in) != 1 {
		t.Fatalf("%v, %d are in", err, len(g.in))
	}
	if c.Close(); len(g.in) != 0 {
		t.Errorf("%d are in after the last has left", len(g.in))
	}
}
