package webhook

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/web"
)

// endless is a body that counts how much of it was taken.
type endless struct{ taken int }

func (e *endless) Read(b []byte) (int, error) {
	e.taken += len(b)
	return len(b), nil
}

// slow is a source whose first poll takes until it is told; it counts polls.
type slow struct {
	reconciler.Source
	polls atomic.Int32
	until chan struct{}
}

func (s *slow) Latest(context.Context) (reconciler.Snapshot, error) {
	s.polls.Add(1)
	<-s.until
	return reconciler.Snapshot{}, io.ErrUnexpectedEOF
}

// Ten thousand posts during one pass, good, forged and endless ones, make one
// more pass and leave next to nothing behind.
func TestAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &slow{until: make(chan struct{})}
		daemon := &reconciler.Reconciler{Source: source, Log: slog.New(slog.DiscardHandler)}
		trigger := make(chan struct{}, 1)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); daemon.Run(ctx, 24*time.Hour, trigger) }()

		desk := newDesk(t)
		desk.write(secret)
		desk.handler = New(filepath.Clean(desk.file), func() {
			select {
			case trigger <- struct{}{}:
			default:
			}
		}, slog.New(slog.DiscardHandler))
		desk.handler.now = func() time.Time { return now }
		site := web.Handler(web.Site{History: reconciler.NewHistory(1), Metrics: web.NewMetrics(), Webhook: desk.handler})
		synctest.Wait()

		answers := map[int]int{}
		for i := range 10_000 {
			body := &endless{}
			r := httptest.NewRequest(http.MethodPost, "/webhook", body)
			headers := map[string]string{"X-Gitlab-Token": secret}
			switch i % 4 {
			case 0:
				headers = standardHeaders([]byte(secret), fmt.Sprint("msg_", i, strings.Repeat("x", 8000)), now, "{}")
			case 1:
				headers = standardHeaders([]byte("guessed"), fmt.Sprint("msg_", i), now, "{}")
			case 2:
				r.ContentLength = 1 << 40
			case 3:
				r.ContentLength = -1
				if i%100 != 3 { // to read a megabyte takes a while
					headers, r.Body = nil, http.NoBody
				}
			}
			if i%4 < 2 {
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{}")), 2
			}
			for name, value := range headers {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			site.ServeHTTP(w, r)
			answers[w.Code]++
			if i%4 == 2 && body.taken > 0 || body.taken > 2*maxBody {
				t.Fatalf("%d bytes were read of a post that is too long", body.taken)
			}
		}
		if answers[202] != 2500 || answers[401] != 4900 || answers[413] != 2600 {
			t.Errorf("answers %v", answers)
		}
		if n := len(desk.handler.seen); n > maxSeen {
			t.Errorf("%d IDs are remembered", n)
		}
		close(source.until)
		synctest.Wait()
		if n := source.polls.Load(); n != 2 {
			t.Errorf("%d polls, want the first one and one more", n)
		}
		stop()
		<-ended
	})
}
