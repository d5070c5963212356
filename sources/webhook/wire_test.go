package webhook

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory/memnet"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/web"
)

// rhythm is a source whose polls take two seconds; it notes when they began.
type rhythm struct {
	reconciler.Source
	mu    sync.Mutex
	begun []time.Time
}

func (r *rhythm) Latest(context.Context) (reconciler.Snapshot, error) {
	r.mu.Lock()
	r.begun = append(r.begun, time.Now())
	r.mu.Unlock()
	time.Sleep(2 * time.Second)
	return reconciler.Snapshot{}, errors.New("nothing to see")
}

// longest is the longest time between two polls.
func (r *rhythm) longest() (longest time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := 1; i < len(r.begun); i++ {
		longest = max(longest, r.begun[i].Sub(r.begun[i-1]))
	}
	return longest
}

// attackers post through real connections to the real server, in virtual time.
type attackers struct {
	net    *memnet.Network
	addr   string
	client *http.Client

	mu      sync.Mutex
	answers map[string]int // by kind of post and answer
}

func (a *attackers) count(kind string, code int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers[fmt.Sprint(kind, " ", code)]++
}

func (a *attackers) total(kind string) (n int) {
	for name, count := range a.answers {
		if strings.HasPrefix(name, kind+" ") {
			n += count
		}
	}
	return n
}

// post sends one whole post; 0 is a connection that was closed.
func (a *attackers) post(kind string, body io.Reader, headers map[string]string) {
	r, err := http.NewRequest(http.MethodPost, "http://"+a.addr+"/webhook", body)
	if err != nil {
		panic(err)
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	answer, err := a.client.Do(r)
	if err != nil {
		a.count(kind, 0)
		return
	}
	io.Copy(io.Discard, answer.Body) //nolint:errcheck // what counts is the code
	answer.Body.Close()
	a.count(kind, answer.StatusCode)
}

// drip sends a post byte by byte, for as long as the server listens: its head, or a
// body behind a head that looks right.
func (a *attackers) drip(head bool) {
	conn, err := a.net.Dial(context.Background(), "tcp", a.addr)
	if err != nil {
		a.count("slow", 0)
		return
	}
	defer conn.Close()
	code := make(chan int, 1)
	go func() {
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			code <- 0
			return
		}
		answer.Body.Close()
		code <- answer.StatusCode
	}()
	text := "POST /webhook HTTP/1.1\r\nHost: x\r\n"
	if !head {
		text += "X-Hub-Signature-256: sha256=00\r\nContent-Length: 1000\r\n\r\n"
	}
	io.WriteString(conn, text) //nolint:errcheck // the answer tells
	for range 1000 {
		if _, err := conn.Write([]byte("x")); err != nil {
			break
		}
		time.Sleep(2 * time.Second)
	}
	a.count("slow", <-code)
}

// Ten thousand posts over real connections, valid, wrong, slow and huge, 200 at a
// time: the loop makes its passes as if nobody posted, monitors get their answer,
// and memory stays bounded.
func TestAFloodOverTheWire(t *testing.T) {
	const posts, atOnce, interval = 10_000, 200, 30 * time.Second
	synctest.Test(t, func(t *testing.T) {
		quiet := slog.New(slog.DiscardHandler)
		source, trigger := &rhythm{}, make(chan struct{}, 1)
		daemon := &reconciler.Reconciler{Source: source, Log: quiet}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { daemon.Run(ctx, interval, trigger) })

		desk := newDesk(t)
		handler := New(desk.file, func() {
			select {
			case trigger <- struct{}{}:
			default:
			}
		}, quiet)
		mem := &memnet.Network{}
		l, _ := mem.Listen("", "")
		site := web.Site{History: reconciler.NewHistory(1), Metrics: web.NewMetrics(), Webhook: handler}
		running.Go(func() {
			if err := web.Serve(ctx, l, web.Handler(site), nil, quiet); err != nil {
				t.Error(err)
			}
		})
		transport := &http.Transport{DialContext: mem.Dial, MaxIdleConnsPerHost: 8}
		a := &attackers{net: mem, addr: l.Addr().String(), client: &http.Client{Transport: transport}, answers: map[string]int{}}

		before, peak := heap(), uint64(0)
		work := make(chan int)
		var crowd sync.WaitGroup
		for range atOnce {
			crowd.Go(func() {
				for i := range work {
					switch i % 4 {
					case 0:
						a.post("valid", strings.NewReader("{}"), standardHeaders([]byte(secret), fmt.Sprint("msg_", i), time.Now(), "{}"))
					case 1:
						a.post("wrong", strings.NewReader("{}"), standardHeaders([]byte("guessed"), fmt.Sprint("msg_", i), time.Now(), "{}"))
					case 2:
						a.drip(i%8 == 2)
					case 3: // it says nothing of its length
						a.post("huge", io.LimitReader(&endless{}, 64<<20), map[string]string{"X-Gitea-Signature": "00"})
					}
				}
			})
		}
		for i := range posts {
			work <- i
			if i%500 == 499 {
				peak = max(peak, heap())
				answer, err := a.client.Get("http://" + a.addr + "/healthz")
				if err != nil {
					t.Fatal("a monitor got no answer:", err)
				}
				answer.Body.Close()
			}
		}
		close(work)
		crowd.Wait()
		transport.CloseIdleConnections()

		t.Log("answers", a.answers)
		for _, kind := range []string{"valid", "wrong", "slow", "huge"} {
			if n := a.total(kind); n != posts/4 {
				t.Errorf("%d %s posts ended, want %d", n, kind, posts/4)
			}
		}
		if a.answers["wrong 202"]+a.answers["slow 202"]+a.answers["huge 202"] > 0 || a.answers["valid 202"] == 0 || a.answers["valid 401"] > 0 {
			t.Errorf("answers %v", a.answers)
		}
		if longest := source.longest(); longest > interval+2*time.Second {
			t.Errorf("two passes began %s apart", longest)
		}
		if grown := int64(peak) - int64(before); grown > 96<<20 {
			t.Errorf("the heap grew by %d MiB", grown>>20)
		}
		t.Logf("%d passes, at most %s apart; the heap grew by %d KiB", len(source.begun), source.longest(), (int64(peak)-int64(before))>>10)
		stop()
		running.Wait()
	})
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
