package forgetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Front stands before the handler of a small double: it checks the token, counts
// and misbehaves as told. It has those methods of [Server] that do so.
type Front struct {
	URL string

	authorization string // the header that is let in
	mu            sync.Mutex
	faults        []fault
	down          bool
	revoked       bool
	asked, writes int
	waits         []time.Duration
}

type fault struct {
	status    int
	after     time.Duration
	hang      bool
	dropWrite bool
}

// NewFront starts a server on loopback that lets in whoever sends the prefix
// and [Token] as Authorization.
func NewFront(t *testing.T, prefix string, h http.Handler) *Front {
	f := &Front{authorization: prefix + Token}
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.serve(w, r, h, ended)
	}))
	server.Config.ErrorLog = nil
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(ended) })
	f.URL = server.URL
	return f
}

func (f *Front) serve(w http.ResponseWriter, r *http.Request, h http.Handler, ended chan struct{}) {
	f.mu.Lock()
	f.asked++
	down, revoked := f.down, f.revoked
	var met fault
	if len(f.faults) > 0 && !(f.faults[0].dropWrite && r.Method != http.MethodPost) {
		met, f.faults = f.faults[0], f.faults[1:]
	}
	f.mu.Unlock()
	switch {
	case down:
		panic(http.ErrAbortHandler)
	case met.hang:
		select {
		case <-r.Context().Done():
		case <-ended:
		}
		panic(http.ErrAbortHandler)
	case met.status != 0:
		if met.after > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(met.after/time.Second)))
		}
		WriteJSON(w, met.status, map[string]string{"message": "as told: " + r.Header.Get("Authorization")})
		return
	case revoked || r.Header.Get("Authorization") != f.authorization:
		// It repeats the token, as badly made proxies do.
		WriteJSON(w, http.StatusUnauthorized, map[string]string{"message": "bad credentials " + r.Header.Get("Authorization")})
		return
	}
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, r)
	if r.Method == http.MethodPost && answer.Code == http.StatusCreated {
		f.mu.Lock()
		f.writes++
		f.mu.Unlock()
	}
	if met.dropWrite {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes())
}

// Wait takes the place of a journal's.
func (f *Front) Wait(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waits = append(f.waits, d)
}

func (f *Front) Waits() []time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.waits
}

func (f *Front) Writes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.writes
}

func (f *Front) Asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func (f *Front) Down() { f.change(func() { f.down = true }) }
func (f *Front) Up()   { f.change(func() { f.down = false }) }

func (f *Front) Revoke() { f.change(func() { f.revoked = true }) }

func (f *Front) Answer(status int, after time.Duration) { f.fault(fault{status: status, after: after}) }
func (f *Front) DropWrite()                             { f.fault(fault{dropWrite: true}) }
func (f *Front) Hang()                                  { f.fault(fault{hang: true}) }

func (f *Front) fault(x fault) { f.change(func() { f.faults = append(f.faults, x) }) }

func (f *Front) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

// WriteJSON answers with JSON.
func WriteJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

// Page cuts the asked page out of a list, at most most long, and links to the
// next. size names the parameter that holds the length.
func Page[T any](w http.ResponseWriter, r *http.Request, all []T, size string, most int) []T {
	query := r.URL.Query()
	number, _ := strconv.Atoi(query.Get("page"))
	length, _ := strconv.Atoi(query.Get(size))
	number = max(number, 1)
	if length < 1 || length > most {
		length = most
	}
	from := min((number-1)*length, len(all))
	to := min(from+length, len(all))
	if to < len(all) {
		next := url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path}
		query.Set("page", strconv.Itoa(number+1))
		next.RawQuery = query.Encode()
		w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next", <%s>; rel="last"`, &next, strings.Replace(next.String(), "page="+strconv.Itoa(number+1), "page=99", 1)))
	}
	return all[from:to]
}
