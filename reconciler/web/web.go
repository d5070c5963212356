// Package web serves what a person or a monitor wants to see of a running
// daemon: its health, its metrics, the badge of the campus or of one cohort or
// project, and a page for each pass. It also mounts the webhook.
//
// To add a page, add a route in [Handler] and a template beside page.html.
// The package refuses to change anything: every page is read-only, and the
// webhook does no more than ask for a pass.
package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/provost-dev/provost/reconciler"
)

// Site is what the pages are made from.
type Site struct {
	Campus  string
	Version string
	History *reconciler.History
	Metrics *Metrics
	Webhook http.Handler // nil where no forge calls
	// Standing says why this daemon does not work at present, or ""; nil for never.
	Standing func() string
	// MaxAge is how old the last pass may be before /readyz complains.
	MaxAge time.Duration
}

// How many requests are answered at once. A page of a large campus takes some
// megabytes while it is written, a hook up to one while it is read.
const (
	mostPages = 32
	mostHooks = 16
)

// Handler routes requests. Every answer carries headers that keep a browser
// from doing more with it than show it.
func Handler(s Site) http.Handler {
	pages := http.NewServeMux()
	pages.Handle("GET /metrics", s.Metrics.Handler())
	pages.HandleFunc("GET /badge.svg", s.badge)
	pages.HandleFunc("GET /{$}", s.index)
	pages.HandleFunc("GET /passes", s.index)
	pages.HandleFunc("GET /passes/{id}", s.pass)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, cmp.Or(s.standing(), "ok")) })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("/", limited(mostPages, pages))
	if s.Webhook != nil {
		mux.Handle("/webhook", limited(mostHooks, s.Webhook))
	}
	return guarded(mux)
}

// limited answers up to n requests at once, and turns away what is more.
func limited(n int, next http.Handler) http.Handler {
	slots := make(chan struct{}, n)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many requests at once; come again", http.StatusServiceUnavailable)
		}
	})
}

func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}

func (s Site) standing() string {
	if s.Standing == nil {
		return ""
	}
	return s.Standing()
}

// ready answers 503 until a pass has ended, and when the last one is too old:
// a daemon that is alive but makes no passes is of no use. One that stands by
// makes none, and is as it should be.
func (s Site) ready(w http.ResponseWriter, _ *http.Request) {
	last, standing := s.History.Last(), s.standing()
	switch {
	case standing != "":
		fmt.Fprintln(w, standing)
	case last == nil:
		http.Error(w, "no pass has ended yet", http.StatusServiceUnavailable)
	case s.MaxAge > 0 && time.Since(last.Finished) > s.MaxAge:
		http.Error(w, "the last pass ended "+last.Finished.Format(time.RFC3339), http.StatusServiceUnavailable)
	default:
		fmt.Fprintln(w, "ready")
	}
}

// Serve answers on l until ctx ends and what is being answered then is, with
// limits that keep a slow or endless client from holding a connection.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if server.Shutdown(closing) != nil {
			server.Close()
		}
	})
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("cannot serve: %w", err)
	}
	<-closed
	return nil
}
