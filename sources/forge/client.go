package forge

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

const (
	longestAnswer = 32 << 20 // bytes
	mostRedirects = 5
)

// Client reaches one forge over HTTP.
type Client struct {
	URL  *url.URL     // of the forge, without a final slash
	HTTP *http.Client // logs in by itself; no library needs to know the token

	config Config
}

// NewClient prepares a client. It sends nothing. The token goes into the given
// header, after the prefix, of every request.
func NewClient(c Config, header, prefix string) (*Client, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	address, err := c.address()
	if err != nil {
		return nil, err
	}
	if _, err := c.token(); err != nil {
		return nil, err
	}
	authorities, err := c.authorities()
	if err != nil {
		return nil, err
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	wire := c.Transport
	if wire == nil {
		wire = newWire(c.Timeout, authorities)
	}
	return &Client{
		URL:    address,
		config: c,
		HTTP: &http.Client{
			Transport:     &login{next: wire, config: c, header: header, prefix: prefix},
			Timeout:       c.Timeout,
			CheckRedirect: stayHome,
		},
	}, nil
}

func newWire(limit time.Duration, authorities *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: limit}).DialContext,
		TLSClientConfig:       &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   limit,
		ResponseHeaderTimeout: limit,
		IdleConnTimeout:       time.Minute,
		MaxIdleConnsPerHost:   4,
		ForceAttemptHTTP2:     true,
	}
}

// authorities are the certificate authorities to trust; nil for the system's.
func (c Config) authorities() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read the forge's certificate authority: %v", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("cannot use the forge's certificate authority: %s holds no PEM certificate", c.CAFile)
	}
	return pool, nil
}

// stayHome follows a redirect only where the token may go, and only when it asks
// for the same thing again: a POST that becomes a GET would look like success.
func stayHome(r *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case len(via) > mostRedirects:
		return errors.New("too many redirects")
	case r.URL.Scheme != first.URL.Scheme || r.URL.Host != first.URL.Host:
		return fmt.Errorf("redirected to another server, %s", r.URL.Host)
	case r.Method != first.Method:
		return errors.New("the project has moved: give its new path")
	}
	return nil
}

// login adds the token to every request and bounds every answer.
type login struct {
	next           http.RoundTripper
	config         Config
	header, prefix string
}

func (l *login) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := l.config.token()
	if err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set(l.header, l.prefix+token)
	answer, err := l.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer.Body = http.MaxBytesReader(nil, answer.Body, longestAnswer)
	return answer, nil
}

// CloseIdleConnections lets go of connections kept for later.
func (l *login) CloseIdleConnections() {
	if t, ok := l.next.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// Close lets go of idle connections. The client can be used again.
func (c *Client) Close() error {
	c.HTTP.CloseIdleConnections()
	return nil
}
