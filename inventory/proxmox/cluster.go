package proxmox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// Cluster is one Proxmox VE cluster. It is safe for concurrent use.
type Cluster struct {
	name     string
	campus   string
	cfg      Config
	log      *slog.Logger
	api      *api
	ssh      *sshReader // nil when no SSH host is configured
	close    func()
	pace     pace
	loans    loans
	restores restores
	widths   widths
	starts   starts
	watcher  watcher
	openings openings

	mu   sync.Mutex           // held for moments only, never across I/O
	view view                 // what the last List saw, and what was made since
	seen map[string]seenGuest // by VMID; what spares requests where there is no SSH
	// The last listing without SSH, and the last change that was made: see due.
	swept, applied time.Time
	// Since the last listing: VMIDs that were used, those whose guests were deleted,
	// and guests that were made.
	occupied map[string]bool
	deleted  map[string]bool
	sources  map[string]time.Time // by VMID: when what is cloned was last looked at
	locks    map[string]heldLock  // by VMID: locks that no task was seen to hold
	making   map[string]bool      // VMIDs that a change of this process is about, whose intents it keeps
	born     map[string]born
	// startAtOnce are guests that their creation may start, by the guest's key, and
	// what that waits for; made are needed changes that are done.
	startAtOnce map[inventory.Key][]inventory.Key
	made        map[inventory.Key]bool
	needed      map[inventory.Key]bool   // by some change of the plan
	ahead       map[inventory.Key]bool   // changes of the plan that have not begun
	planned     map[string]int           // copies of a template that there are to be
	version     release                  // zero until it was asked for
	seesAll     bool                     // the token was seen to be allowed to see all guests
	imaging     map[string]chan struct{} // listings of OS templates under way, by node and storage
	backups     map[string]backups       // which VMIDs have some, by storage
	glances     map[at]*glance           // looks that others may still join
	vain        map[string]string        // by VMID: what the guest did not take though it was restarted
	noBulk      bool                     // the server refused to start guests together
}

// release is one of Proxmox VE: 9, 1, 6.
type release struct{ major, minor, patch int }

// Options replace what touches the world, for tests in virtual time.
type Options struct {
	// Transport carries the requests, instead of TLS over TCP as Config says.
	Transport http.RoundTripper
	// DialSSH opens the connections to Config.SSH.Hosts.
	DialSSH func(ctx context.Context, network, addr string) (net.Conn, error)
}

// New prepares a cluster that is called name in keys. It reads the files that
// cfg names and sends nothing.
func New(name, campus string, cfg Config, log *slog.Logger) (*Cluster, error) {
	return NewWith(name, campus, cfg, log, Options{})
}

// NewWith is New with parts replaced.
func NewWith(name, campus string, cfg Config, log *slog.Logger, opts Options) (*Cluster, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("cannot use the configuration of Proxmox cluster %s: %w", name, err)
	}
	c := &Cluster{
		name:   name,
		campus: campus,
		cfg:    cfg,
		log:    log.With("system", name),
		close:  func() {},
		seen:   map[string]seenGuest{},

		glances:  map[at]*glance{},
		imaging:  map[string]chan struct{}{},
		occupied: map[string]bool{},
		deleted:  map[string]bool{},
		sources:  map[string]time.Time{},
		locks:    map[string]heldLock{},
		vain:     map[string]string{},
		making:   map[string]bool{},
		born:     map[string]born{},
	}
	c.pace.guesses = cfg.Guesses
	base := opts.Transport
	if base == nil {
		t, err := newTLSTransport(cfg.CAFile)
		if err != nil {
			return nil, err
		}
		base, c.close = t, t.CloseIdleConnections
	}
	var err error
	if c.api, err = newAPI(cfg, base); err != nil {
		return nil, err
	}
	if len(cfg.SSH.Hosts) > 0 {
		if c.ssh, err = newSSHReader(cfg.SSH, opts.DialSSH); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Close lets go of idle connections. It never fails.
func (c *Cluster) Close() error {
	c.close()
	return nil
}

// newTLSTransport verifies the nodes' certificates. The authority is read anew for
// each connection, so that a cluster can be given another one without a restart.
func newTLSTransport(caFile string) (*http.Transport, error) {
	if _, err := authorities(caFile); err != nil {
		return nil, err
	}
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		roots, err := authorities(caFile)
		if err != nil {
			return nil, err
		}
		d := tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}}
		return d.DialContext(ctx, network, addr)
	}
	return &http.Transport{
		DialTLSContext:      dial,
		MaxConnsPerHost:     16,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     90 * time.Second,
	}, nil
}

// authorities are those that may vouch for a node; nil means the machine's own.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("cannot read ca_file: %s holds no certificate", file)
	}
	return pool, nil
}

// key is a key of this cluster.
func (c *Cluster) key(kind string, name ...string) inventory.Key {
	return inventory.MakeKey(c.name, kind, name...)
}
