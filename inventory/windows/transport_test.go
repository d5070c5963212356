package windows

import (
	"context"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/masterzen/winrm"
	"github.com/provost-dev/provost/inventory"
)

func TestStandardInputIsAPipe(t *testing.T) {
	params := winrm.NewParameters("PT20S", "en-US", envelope)
	request := winrm.NewExecuteCommandRequest("https://dc1:5986/wsman", "S", consoleOn, nil, params)
	defer request.Free()
	message := withPipe(request.String())
	if strings.Count(message, consoleOff) != 1 || !strings.Contains(message, "<![CDATA["+consoleOn) {
		t.Errorf("the option is not off, or the command was changed: %s", message)
	}
}

// serve answers HTTPS as dc1 and counts what it was sent.
func serve(t *testing.T, answer http.HandlerFunc) (*System, func() []string) {
	t.Helper()
	var mu sync.Mutex
	var sent []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		sent = append(sent, r.Header.Get("Authorization"))
		mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	s := offline(t, Config{
		DNS:    DNSConfig{Servers: []string{"example.com"}, Zones: []string{forward}},
		CAFile: tempFile(t, "ca.pem", string(ca)),
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		},
	})
	return s, func() []string { mu.Lock(); defer mu.Unlock(); return sent }
}

func TestStrangeServers(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"only Basic": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Basic realm="WSMAN"`)
			w.WriteHeader(http.StatusUnauthorized)
		}, "does not offer to negotiate"},
		"a broken challenge": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", "Negotiate TlRMTVNTUAAC")
			w.WriteHeader(http.StatusUnauthorized)
		}, "cannot log in"},
		"a redirection": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example/", http.StatusTemporaryRedirect)
		}, "HTTP 307"},
		"no login wanted":       {func(http.ResponseWriter, *http.Request) {}, "HTTP 200"},
		"a cut connection":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "cannot read the answer"},
		"something not of HTTP": {hijack("220 mail ready\r\n"), "cannot read the answer"},
	} {
		t.Run(name, func(t *testing.T) {
			s, sent := serve(t, c.answer)
			_, err := s.List(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			for _, authorization := range sent() {
				if !strings.HasPrefix(authorization, negotiateScheme) {
					t.Errorf("sent Authorization %q", authorization)
				}
			}
		})
	}
}

func hijack(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = conn.Write([]byte(text))
			conn.Close()
		}
	}
}

// Sending and receiving overlap within each command, and commands within one
// shell: this is where the library's own transports break.
func TestManyCommandsAtOnce(t *testing.T) {
	l := newLab(t)
	s := l.open(t)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			r := record(fmt.Sprintf("vm-%d", i), forward, "A", fmt.Sprintf("192.168.25.%d", i+1))
			o := s.Apply(t.Context(), []inventory.Change{{Key: r.Key, Action: inventory.Create, After: r}}, func(inventory.Event) {})[0]
			if o.State != inventory.StateDone {
				t.Errorf("%+v", o)
			}
		})
		if i%8 == 0 {
			wg.Go(func() {
				if listing, err := s.List(t.Context()); err != nil || len(listing.Unknown) > 0 {
					t.Errorf("%v, %v", err, listing.Unknown)
				}
			})
		}
	}
	wg.Wait()
	if n := len(l.stands()); n != 32 {
		t.Errorf("%d records, want 32", n)
	}
}
