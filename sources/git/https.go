package git

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

// httpServer is a git server behind http or https.
type httpServer struct {
	endpoint  transport.Endpoint
	transport transport.Transport
	user      string
	tokenFile string
}

func newHTTP(cfg Config, ep *transport.Endpoint) (*httpServer, error) {
	t, err := newTransport(cfg)
	if err != nil {
		return nil, err
	}
	s := &httpServer{
		endpoint:  *ep,
		transport: githttp.NewClient(&http.Client{Transport: t, Timeout: cfg.Timeout}),
		user:      cfg.User,
		tokenFile: cfg.TokenFile,
	}
	if s.user == "" {
		s.user = "oauth2" // what GitLab, Gitea and GitHub all accept beside a token
	}
	return s, nil
}

func newTransport(cfg Config) (http.RoundTripper, error) {
	if cfg.Transport != nil {
		return cfg.Transport, nil
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	if cfg.CAFile != "" {
		roots, err := authorities(cfg.CAFile)
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return t, nil
}

// authorities gives the system's certificates and those of a file.
func authorities(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read ca_file: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("ca_file holds no certificate (want PEM)")
	}
	return roots, nil
}

func (s *httpServer) uploadPack(context.Context) (transport.UploadPackSession, error) {
	auth, err := s.login()
	if err != nil {
		return nil, err
	}
	ep := s.endpoint // a session writes redirects into its endpoint
	return s.transport.NewUploadPackSession(&ep, auth)
}

func (s *httpServer) receivePack(context.Context) (transport.ReceivePackSession, error) {
	auth, err := s.login()
	if err != nil {
		return nil, err
	}
	ep := s.endpoint
	return s.transport.NewReceivePackSession(&ep, auth)
}

// login reads the token anew, so that one that was renewed is used at once.
func (s *httpServer) login() (transport.AuthMethod, error) {
	if s.tokenFile == "" {
		return nil, nil
	}
	token, err := os.ReadFile(s.tokenFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read token_file: %w", err)
	}
	if len(strings.TrimSpace(string(token))) == 0 {
		return nil, errors.New("token_file is empty")
	}
	return &githttp.BasicAuth{Username: s.user, Password: strings.TrimSpace(string(token))}, nil
}
