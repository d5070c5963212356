package gitlabsim

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is one way to misbehave. It meets a request of the given method (any
// when empty) whose path, escaped as it was sent, contains Path. Exactly one of
// Status, Hang, DropAnswer and DropRequest says what happens then.
type Fault struct {
	Method string
	Path   string
	Times  int // how often; once when 0, for ever when negative

	Status     int           // answer this and do nothing
	Body       string        // with Status; GitLab's own text for it when empty
	RetryAfter time.Duration // with Status: the header, in whole seconds
	Header     http.Header   // with Status

	Hang        bool // say nothing until the client or the server goes away
	DropAnswer  bool // do what was asked, then cut the connection
	DropRequest bool // cut the connection and do nothing
}

// Request is a request that the server was sent, as its log keeps it.
type Request struct {
	Method string
	Path   string // escaped, with the query
	User   string // whose token came with it
	Status int    // what was answered; 0 when nothing was
}

// Inject adds a fault. Of several that meet a request the oldest is used.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	s.faults = append(s.faults, &f)
}

// ClearFaults forgets all faults.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Requests are the requests answered so far, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// fault takes the fault that a request meets, or nil.
func (s *Server) fault(r *http.Request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if (f.Method != "" && f.Method != r.Method) || !strings.Contains(r.URL.EscapedPath(), f.Path) {
			continue
		}
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
		}
		return f
	}
	return nil
}

// misbehave stands before every handler: it injects faults and keeps the log.
func (s *Server) misbehave(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := s.fault(r)
		switch {
		case f == nil:
			answer := &recorder{ResponseWriter: w, status: http.StatusOK}
			defer func() { s.record(r, answer.status) }()
			next.ServeHTTP(answer, r)
		case f.Hang:
			s.record(r, 0)
			select {
			case <-r.Context().Done():
			case <-s.ctx.Done():
			}
			panic(http.ErrAbortHandler)
		case f.DropAnswer:
			next.ServeHTTP(httptest.NewRecorder(), r)
			s.record(r, 0)
			panic(http.ErrAbortHandler)
		case f.DropRequest:
			s.record(r, 0)
			panic(http.ErrAbortHandler)
		default:
			f.answer(w)
			s.record(r, f.Status)
		}
	})
}

func (f *Fault) answer(w http.ResponseWriter) {
	for name, values := range f.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter/time.Second)))
	}
	body := f.Body
	switch {
	case body != "":
	case f.Status == http.StatusTooManyRequests:
		w.Header().Set("Content-Type", "text/plain")
		body = "Retry later\n"
	case f.Status == http.StatusConflict:
		body = `{"message":"` + conflictText + `"}`
	default:
		body = `{"message":"` + strconv.Itoa(f.Status) + " " + http.StatusText(f.Status) + `"}`
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(f.Status)
	w.Write([]byte(body))
}

func (s *Server) record(r *http.Request, status int) {
	query := r.URL.Query()
	if query.Has("private_token") {
		query.Set("private_token", "redacted")
	}
	path := r.URL.EscapedPath()
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := Request{Method: r.Method, Path: path, Status: status}
	if u := s.userWithToken(tokenOf(r)); u != nil {
		entry.User = u.name
	}
	s.requests = append(s.requests, entry)
	s.log.Debug("gitlabsim request", "method", entry.Method, "path", entry.Path, "user", entry.User, "status", status)
}

// recorder remembers the status that a handler gave.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
