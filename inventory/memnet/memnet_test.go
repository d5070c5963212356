package memnet

import (
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestHTTPInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Network
		l, err := n.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Hour)
			io.WriteString(w, "late") //nolint:errcheck // the client would notice
		})}
		go server.Serve(l) //nolint:errcheck // ends with Close
		client := &http.Client{Transport: &http.Transport{DialContext: n.Dial}}
		began := time.Now()
		resp, err := client.Get("http://" + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != "late" || err != nil || time.Since(began) != time.Hour {
			t.Errorf("%q, %v after %s", body, err, time.Since(began))
		}
		client.CloseIdleConnections()
		server.Close()
	})
}

func TestNobodyListens(t *testing.T) {
	var n Network
	if _, err := n.Dial(t.Context(), "tcp", "127.0.0.1:8006"); err == nil {
		t.Error("connected to nobody")
	}
	l, err := n.Listen("tcp", "")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := n.Dial(t.Context(), "tcp", l.Addr().String()); err == nil {
		t.Error("connected to a closed listener")
	}
	if _, err := l.Accept(); err != net.ErrClosed {
		t.Errorf("Accept: %v", err)
	}
}
