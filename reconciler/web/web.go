// Package web serves what a person or a monitor wants to see of a running
// daemon: its health, its metrics, the badge of the campus or of one cohort or
// project, and a page for each pass. It also mounts the webhook.
//
// To add a page, add a route in [Handler] and a template in page.html.
// The package refuses to change anything: every page is read-only, the webhook does
// no more than ask for a pass, and a login makes a cookie.
package web

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
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
	Access   Access
	Log      *slog.Logger // told what visitors are not; needed with a token
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
	pages.Handle("GET /metrics", s.Metrics.handler())
	pages.HandleFunc("GET /badge.svg", s.badge)
	pages.HandleFunc("GET /{$}", s.index)
	pages.HandleFunc("GET /passes", s.index)
	pages.HandleFunc("GET /drift", s.drift)
	pages.HandleFunc("GET /passes/{id}", s.pass)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, cmp.Or(s.standing(), "ok")) })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("/", s.counted("pages", limited(mostPages, s.admitted(pages))))
	if s.Access.PublicBadge {
		mux.Handle("GET /badge.svg", s.counted("badge", limited(mostPages, http.HandlerFunc(s.badge))))
	}
	if s.Access.TokenFile != "" {
		mux.Handle("GET /login", limited(mostPages, http.HandlerFunc(s.showLogin)))
		mux.Handle("POST /login", s.counted("login", limited(mostPages, http.HandlerFunc(s.login))))
	}
	if s.Webhook != nil {
		mux.Handle("/webhook", s.counted("webhook", limited(mostHooks, s.Webhook)))
	}
	return guarded(mux)
}

// counted counts answers for the metrics.
func (s Site) counted(route string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &answer{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(answer, r)
		s.Metrics.answers.WithLabelValues(route, strconv.Itoa(answer.code)).Inc()
	})
}

// answer remembers the code of an answer.
type answer struct {
	http.ResponseWriter
	code int
}

func (a *answer) WriteHeader(code int) {
	a.code = code
	a.ResponseWriter.WriteHeader(code)
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

// guarded adds the headers. Only the badge may be shown by other sites; a forge does.
func guarded(next http.Handler) http.Handler {
	const nothing = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", nothing)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if r.URL.Path == "/badge.svg" {
			h.Set("Cross-Origin-Resource-Policy", "cross-origin")
			h.Set("Cache-Control", "no-cache")
		}
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
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
