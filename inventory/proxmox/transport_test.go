package proxmox

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// wire is an http.RoundTripper that plays several endpoints.
type wire struct {
	mu    sync.Mutex
	seen  []string
	plays map[string]func(*http.Request) (*http.Response, error) // by host
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.seen = append(w.seen, req.Method+" "+req.URL.Host)
	w.mu.Unlock()
	return w.plays[req.URL.Host](req)
}

func answers(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		httptrace.ContextClientTrace(req.Context()).WroteHeaders()
		rec := httptest.NewRecorder()
		rec.WriteHeader(status)
		rec.WriteString(body)
		return rec.Result(), nil
	}
}

func refuses(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

func breaks(req *http.Request) (*http.Response, error) {
	httptrace.ContextClientTrace(req.Context()).WroteHeaders()
	return nil, io.ErrUnexpectedEOF
}

func testAPI(t *testing.T, w *wire) *api {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("provost@pve!x=s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := newAPI(Config{Endpoints: []string{"https://a:8006", "https://b:8006"}, TokenFile: token}, w)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestFailOver(t *testing.T) {
	const upidAnswer = `{"data":"UPID:pve1:00004745:000326E6:6B00FA44:vzstart:999:root@pam!test:"}`
	for _, tt := range []struct {
		name   string
		a, b   func(*http.Request) (*http.Response, error)
		method string
		seen   string
		lost   bool
		fails  bool
	}{
		{"the first answers", answers(200, `{"data":{}}`), refuses, "GET", "GET a:8006", false, false},
		{"the first is down", refuses, answers(200, `{"data":{}}`), "GET", "GET a:8006,GET b:8006", false, false},
		{"a broken read is read elsewhere", breaks, answers(200, `{"data":{}}`), "GET", "GET a:8006,GET b:8006", false, false},
		{"an unsent write goes elsewhere", refuses, answers(200, upidAnswer), "POST", "POST a:8006,POST b:8006", false, false},
		{"a write that may be done is not repeated", breaks, answers(200, upidAnswer), "POST", "POST a:8006", true, true},
		{"the first cannot reach the node", answers(595, ""), answers(200, `{"data":{}}`), "GET", "GET a:8006,GET b:8006", false, false},
		{"a refusal is an answer", answers(500, `{"data":null,"message":"no\n"}`), refuses, "GET", "GET a:8006", false, true},
		{"not Proxmox", answers(200, "<html>"), answers(200, `{"data":null}`), "GET", "GET a:8006,GET b:8006", true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &wire{plays: map[string]func(*http.Request) (*http.Response, error){"a:8006": tt.a, "b:8006": tt.b}}
			api := testAPI(t, w)
			var err error
			if tt.method == "GET" {
				var out map[string]string
				_, err = api.get(t.Context(), "/x", &out)
			} else {
				var u upid
				u, err = api.post(t.Context(), "/x", params{"vmid": "100"})
				if err == nil && u.kind() != "vzstart" {
					t.Errorf("UPID %q", u)
				}
			}
			if (err != nil) != tt.fails || isLost(err) != tt.lost {
				t.Errorf("error %v, lost %v", err, isLost(err))
			}
			if got := strings.Join(w.seen, ","); got != tt.seen {
				t.Errorf("asked %s, want %s", got, tt.seen)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

func TestTheEndpointThatAnsweredIsKept(t *testing.T) {
	w := &wire{plays: map[string]func(*http.Request) (*http.Response, error){"a:8006": refuses, "b:8006": answers(200, `{"data":[]}`)}}
	api := testAPI(t, w)
	for range 2 {
		var out []string
		if _, err := api.get(t.Context(), "/x", &out); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(w.seen, ","); got != "GET a:8006,GET b:8006,GET b:8006" {
		t.Error(got)
	}
}

func TestAnEndedContextSendsNothing(t *testing.T) {
	w := &wire{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := testAPI(t, w).post(ctx, "/x", nil)
	if !errors.Is(err, context.Canceled) || len(w.seen) != 0 {
		t.Errorf("%v after %v", err, w.seen)
	}
}

func TestReadToken(t *testing.T) {
	for _, bad := range []string{"", "root@pam!x", "root@pam=abc", "=abc", "root@pam!x=", "root@pam!x=a\nb=c"} {
		file := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := readToken(file); err == nil || strings.Contains(err.Error(), "abc") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestIntent(t *testing.T) {
	c := &Cluster{name: "cri", making: map[string]bool{}, cfg: Config{StateDir: filepath.Join(t.TempDir(), "new")}}
	in := intent{Key: "cri/guest/vm-x", VMID: "20031", Source: "9000", UPID: "UPID:pve1:00004745:000326E6:6B00FA44:vzclone:9000:root@pam!test:"}
	c.keepIntent(in)
	if got, ok := c.intent(in.Key, "20031"); !ok || got != in {
		t.Errorf("%v %v", got, ok)
	}
	if _, ok := c.intent("cri/guest/vm-y", "20031"); ok {
		t.Error("another guest's intent was taken")
	}
	if err := os.WriteFile(c.intentFile("20032"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.intent(in.Key, "20032"); ok {
		t.Error("a damaged intent was taken")
	}
	c.dropIntent("20031")
	if _, ok := c.intent(in.Key, "20031"); ok {
		t.Error("the intent is still there")
	}
}
