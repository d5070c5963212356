package gitlabsim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/provost-dev/provost/inventory/testcert"
	"github.com/provost-dev/provost/inventory/testgate"
)

// Options say how to start a server. The zero value is a plain HTTP server on a
// free port of 127.0.0.1.
type Options struct {
	Listen string       // "127.0.0.1:0" when empty
	On     net.Listener // in the place of Listen, so that a test can have it in memory
	TLS    bool         // serve HTTPS under a certificate of its own authority
	Dir    string       // where repositories live; a temporary folder when empty
	Logger *slog.Logger // nothing is logged when nil
}

// Server is a running double. Its methods may be called concurrently.
type Server struct {
	log    *slog.Logger
	gitBin string
	dir    string
	ownDir bool
	url    string
	caPEM  []byte

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	door   *testgate.Gate
	http   *http.Server
	hooked sync.WaitGroup // webhooks under way

	commitsSeen sync.Map // "folder hash" of commits that were found

	mu       sync.Mutex // guards all below and what hangs on it
	nextID   int
	projects []*project
	users    []*user
	groups   []*group
	hooks    []hook
	faults   []*Fault
	requests []Request
	writing  map[string]bool // commits that a status is being written to
}

// Start starts a server.
func Start(o Options) (*Server, error) {
	gitBin, err := exec.LookPath("git")
	if err != nil {
		return nil, errors.New("cannot start GitLab double: git is not on PATH (Debian package git)")
	}
	listener := o.On
	if listener == nil {
		if listener, err = listen(o.Listen); err != nil {
			return nil, err
		}
	}
	s := &Server{log: o.Logger, gitBin: gitBin, dir: o.Dir, writing: map[string]bool{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "gitlabsim-"); err != nil {
			listener.Close()
			return nil, fmt.Errorf("cannot make a folder for repositories: %v", err)
		}
		s.ownDir = true
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.door = testgate.New(listener)
	var served net.Listener = s.door
	scheme := "http"
	if o.TLS {
		pair, ca, err := testcert.New("gitlabsim", testcert.Loopback()...)
		if err != nil {
			s.Close()
			return nil, err
		}
		scheme, s.caPEM = "https", ca
		served = tls.NewListener(s.door, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}})
	}
	s.url = scheme + "://" + listener.Addr().String()
	s.users = append(s.users, &user{id: s.id(), name: "root", role: Owner})
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
	}
	go s.http.Serve(served)
	return s, nil
}

// listen opens a port on loopback and nowhere else.
func listen(address string) (net.Listener, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %q: %v", address, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("cannot listen on %q: a double listens on loopback only", address)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %q: %v", address, err)
	}
	return l, nil
}

// URL is where the server answers, without a final slash.
func (s *Server) URL() string { return s.url }

// CACert is the certificate authority of a server with TLS, in PEM.
func (s *Server) CACert() []byte { return s.caPEM }

// Close ends the server, its connections and the processes it started, and
// removes its repositories unless [Options.Dir] was given.
func (s *Server) Close() error {
	s.cancel()
	var err error
	if s.http != nil {
		err = s.http.Close()
	}
	s.door.Close()
	s.hooked.Wait()
	if s.ownDir {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}

// Down makes the server unreachable: it cuts every connection, and each new
// one as soon as it is made.
func (s *Server) Down() { s.door.Shut() }

// Up ends [Server.Down].
func (s *Server) Up() { s.door.Open() }

// CloneURL is the address of a project's repository with the user's name and
// token in it, as git takes it.
func (s *Server) CloneURL(project, userName string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	credentials := ""
	if u := s.userNamed(userName); u != nil && u.token != "" {
		credentials = u.name + ":" + u.token + "@"
	}
	scheme, host, _ := strings.Cut(s.url, "://")
	return scheme + "://" + credentials + host + "/" + project + ".git"
}

// RepoDir is the folder of a project's bare repository, or "".
func (s *Server) RepoDir(project string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.projectNamed(project); p != nil {
		return p.dir
	}
	return ""
}

// id gives the next number; one sequence serves all that has a number.
func (s *Server) id() int {
	s.nextID++
	return s.nextID
}

func (s *Server) repoPath(project string) string {
	return filepath.Join(s.dir, filepath.FromSlash(project)+".git")
}
