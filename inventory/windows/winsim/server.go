package winsim

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/provost-dev/provost/inventory/testcert"
	"github.com/provost-dev/provost/inventory/testgate"
)

// Options say what a server is. Zero values give the defaults of Windows.
type Options struct {
	Name   string  // computer name such as "dc1"; required
	Domain *Domain // required
	Users  []User
	// CommandLine is the one command line that the server knows: powershell.exe
	// with the bootstrap as -EncodedCommand. It is known by the hash of the
	// bootstrap; switches may differ.
	CommandLine string
	Scripts     map[string]string // SHA-256 of a script's text, lower-case hexadecimal → its verb

	// Listen makes the listener; nil listens on a free port of 127.0.0.1.
	Listen func() (net.Listener, error)
	// Hosts are further names and addresses for the certificate; localhost,
	// 127.0.0.1 and the server's own names are always in it.
	Hosts []string
	// PlainHTTP serves without TLS. Messages must then be sealed, as with
	// AllowUnencrypted=false.
	PlainHTTP bool
	// AllowBasic offers Basic beside Negotiate. Windows has it off.
	AllowBasic bool

	Latency       time.Duration // how long each command takes beyond the model's own time
	IdleTimeout   time.Duration // of a shell; default 180 s
	MaxShells     int           // per user; default 30
	MaxProcesses  int           // per shell; default 25
	MaxOperations int           // per user: commands in shells that still stand; default 1,500
	MaxEnvelope   int           // bytes; default 153,600, the smallest that servers are left with
	Logger        *slog.Logger  // nil is silent
}

// User may log in.
type User struct {
	Name     string // without domain
	Password string
	Groups   []string
}

// The groups that the model knows. Without DNSAdmins nothing of DNS can be
// read or written. DHCPUsers may read DHCP, DHCPAdministrators may write it.
const (
	DNSAdmins          = "DnsAdmins"
	DHCPUsers          = "DHCP Users"
	DHCPAdministrators = "DHCP Administrators"
)

// Server is one Windows server.
type Server struct {
	opts      Options
	dom       *Domain
	dhcp      *dhcpServer
	log       *slog.Logger
	bootstrap string // hash

	listener *testgate.Gate
	http     *http.Server
	caPEM    []byte
	auth     *acceptorConfig

	tally  tally
	faults faultList
	shells shellTable
	jobs   sync.WaitGroup
}

// Start makes a server and lets it serve.
func Start(o Options) (*Server, error) {
	if o.Name == "" || o.Domain == nil {
		return nil, errors.New("cannot start server: it wants a name and a domain")
	}
	s := &Server{opts: withDefaults(o), dom: o.Domain, dhcp: newDHCPServer(o.Name)}
	s.log = s.opts.Logger
	s.shells.shells = map[string]*shell{}
	if o.CommandLine != "" {
		script, err := encodedCommand(strings.Fields(o.CommandLine))
		if err != nil {
			return nil, fmt.Errorf("cannot start server %s: %w", o.Name, err)
		}
		s.bootstrap = hashOf(script)
	}
	if err := s.listen(); err != nil {
		return nil, fmt.Errorf("cannot start server %s: %w", o.Name, err)
	}
	s.dom.mu.Lock()
	defer s.dom.mu.Unlock()
	s.dom.servers = append(s.dom.servers, s.dhcp)
	return s, nil
}

func withDefaults(o Options) Options {
	o.IdleTimeout = cmp.Or(o.IdleTimeout, 180*time.Second)
	o.MaxShells = cmp.Or(o.MaxShells, 30)
	o.MaxProcesses = cmp.Or(o.MaxProcesses, 25)
	o.MaxOperations = cmp.Or(o.MaxOperations, 1500)
	o.MaxEnvelope = cmp.Or(o.MaxEnvelope, 153600)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Listen == nil {
		o.Listen = func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }
	}
	return o
}

// listen makes certificate, acceptor and HTTP server, and starts the latter.
func (s *Server) listen() error {
	o := s.opts
	fqdn := o.Name + "." + o.Domain.name
	cert, caPEM, err := testcert.New(fqdn, slices.Concat(testcert.Loopback(), []string{o.Name, fqdn}, o.Hosts)...)
	if err != nil {
		return err
	}
	l, err := o.Listen()
	if err != nil {
		return err
	}
	s.listener, s.caPEM = testgate.New(l), caPEM
	s.auth = &acceptorConfig{users: map[string]*User{}, netBIOS: o.Domain.netBIOS(), dnsDomain: o.Domain.name, computer: o.Name}
	for _, u := range o.Users {
		s.auth.users[strings.ToLower(u.Name)] = &u
	}
	s.http = &http.Server{
		Handler: s, ConnContext: withConnection,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	serving := net.Listener(s.listener)
	if !o.PlainHTTP {
		hash := sha256.Sum256(cert.Certificate[0])
		s.auth.bindings = channelBindings(hash[:])
		serving = tls.NewListener(serving, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}})
	}
	s.jobs.Go(func() {
		if err := s.http.Serve(serving); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("server ended", "server", o.Name, "error", err)
		}
	})
	return nil
}

// URL is where WS-Management is served.
func (s *Server) URL() string {
	scheme := "https"
	if s.opts.PlainHTTP {
		scheme = "http"
	}
	return scheme + "://" + s.listener.Addr().String() + "/wsman"
}

// Addr is the listener's address: host and port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// CACert is the certificate of the authority that signed the server's, in PEM.
func (s *Server) CACert() []byte { return s.caPEM }

// Down makes the server unreachable: what is connected is cut, and nothing new
// gets through. The model stays. Up ends it.
func (s *Server) Down() { s.listener.Shut() }

// Up makes the server reachable again.
func (s *Server) Up() { s.listener.Open() }

// Close ends the server and waits until everything it started is gone.
func (s *Server) Close() {
	s.shells.shut()
	s.http.Close() // its error is the listener's, which is gone either way
	s.jobs.Wait()
}
