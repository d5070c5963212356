package windows

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/masterzen/winrm"
)

// host is one Windows server and the one shell that we keep on it.
type host struct {
	address string // host:port
	name    string // how people and attributes call it; see nameHosts
	cfg     Config
	tls     *tls.Config

	kerberos *kerberos

	writer lock   // one command that writes at a time
	open   lock   // guards what follows
	shell  *shell // where commands start, nil when there is none
}

func newHost(address string, cfg Config) (*host, error) {
	serverName, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("server %q: %w", address, err)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || serverName == "" {
		return nil, fmt.Errorf("server %q: want host:port", address)
	}
	roots, err := authorities(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	return &host{
		address: address, name: serverName, cfg: cfg,
		tls: &tls.Config{
			RootCAs: roots, ServerName: serverName, MinVersion: tls.VersionTLS12,
			ClientSessionCache: tls.NewLRUClientSessionCache(8),
		},
		kerberos: &kerberos{cfg: cfg, spn: "HTTP/" + serverName},
		writer:   newLock(), open: newLock(),
	}, nil
}

func (h *host) url() string { return "https://" + h.address + "/wsman" }

// endpoint is what the library wants to know; our transport does the rest.
func (h *host) endpoint() *winrm.Endpoint {
	_, port, _ := net.SplitHostPort(h.address)
	n, _ := strconv.Atoi(port)
	return winrm.NewEndpoint(h.tls.ServerName, n, true, false, nil, nil, nil, 0)
}

// operationTimeout is how long the server may hold back a reply, as WS-Management writes it.
func (h *host) operationTimeout() string {
	return fmt.Sprintf("PT%dS", max(1, int(h.cfg.Timeouts.Operation.Seconds())))
}

// authorities are those that may vouch for a server; nil means the system's.
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
		return nil, fmt.Errorf("cannot read ca_file %s: it holds no certificate", file)
	}
	return pool, nil
}

func readSecret(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("cannot read password_file: %w", err)
	}
	secret := strings.TrimRight(string(b), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("cannot read password_file %s: it is empty", file)
	}
	return secret, nil
}

// lock is a mutex that can be given up waiting for. It is a channel, so that
// it may be held across a message.
type lock chan struct{}

func newLock() lock { return make(lock, 1) }

func (l lock) take(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l lock) release() { <-l }
