package git

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

// Config says which repository to read, and how to log in to it.
type Config struct {
	// URL is https://…, ssh://…, user@host:path, file://… or a path.
	URL string `yaml:"url"`
	// Branch is what is made true; "main" unless told.
	Branch string `yaml:"branch"`
	// Since is a commit that is believed as it is: signatures are asked for from
	// there on. Full hash; from the beginning unless told.
	Since string `yaml:"since"`
	// TokenFile holds an access token for https, read again for each poll.
	TokenFile string `yaml:"token_file"`
	// User goes with the token ("oauth2" unless told) or the SSH key ("git").
	User string `yaml:"user"`
	// SSHKeyFile is a private key without passphrase.
	SSHKeyFile string `yaml:"ssh_key_file"`
	// KnownHostsFile names the SSH host keys to trust.
	KnownHostsFile string `yaml:"known_hosts_file"`
	// CAFile holds certificates to trust beside the system's, PEM.
	CAFile string `yaml:"ca_file"`
	// Timeout ends a conversation with the server; 2 minutes unless told. It
	// must be enough for the first clone.
	Timeout time.Duration `yaml:"timeout"`
	// Transport carries requests to an http server; nil means over TCP, trusting CAFile.
	// Tests put a network in memory in its place.
	Transport http.RoundTripper `yaml:"-"`
}

const (
	defaultBranch  = "main"
	defaultTimeout = 2 * time.Minute
)

// withDefaults fills in what was left out.
func (c Config) withDefaults() Config {
	if c.Branch == "" {
		c.Branch = defaultBranch
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	return c
}

// endpoint checks the configuration and takes its URL apart.
func (c Config) endpoint() (*transport.Endpoint, error) {
	if c.URL == "" {
		return nil, errors.New("url is missing")
	}
	if err := plumbing.NewBranchReferenceName(c.Branch).Validate(); err != nil {
		return nil, fmt.Errorf("branch %q is not a name that a branch can have", c.Branch)
	}
	if c.Since != "" && !plumbing.IsHash(c.Since) {
		return nil, fmt.Errorf("since %q is not the full hash of a commit", c.Since)
	}
	ep, err := transport.NewEndpoint(c.URL)
	if err != nil {
		return nil, errors.New("url cannot be read: want https://…, ssh://…, user@host:path or a path")
	}
	if ep.Password != "" {
		return nil, errors.New("url holds a password: put it into a file and name that file in token_file")
	}
	switch ep.Protocol {
	case "https":
	case "http":
		if c.TokenFile != "" && !loopback(ep.Host) {
			return nil, errors.New("url is http://, which would send the token in clear: use https://")
		}
	case "ssh":
		if c.SSHKeyFile == "" || c.KnownHostsFile == "" {
			return nil, errors.New("ssh needs ssh_key_file and known_hosts_file (fill it by ssh-keyscan and compare the fingerprints)")
		}
	case "file":
		if ep.Path, err = filepath.Abs(ep.Path); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("protocol %s:// does not prove who answers: use https:// or ssh://", ep.Protocol)
	}
	return ep, nil
}

func loopback(host string) bool {
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
