package web

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

// mostConnections is how many clients are connected at once; others wait in the
// kernel's queue. What a connection may hold up is bounded by the times below.
const mostConnections = 256

// Serve answers on l until ctx ends and what is being answered then is, with
// limits that keep a slow or endless client from holding a connection. It speaks
// HTTP/1.1 alone: one connection is one request at a time. secure is nil where the
// answers go in clear.
func Serve(ctx context.Context, l net.Listener, h http.Handler, secure *tls.Config, log *slog.Logger) error {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: 15 * time.Second, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // what clients do wrong is theirs
	}
	server.Protocols = new(http.Protocols)
	server.Protocols.SetHTTP1(true)
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if server.Shutdown(closing) != nil {
			server.Close()
		}
	})
	defer stop()
	l = netutil.LimitListener(l, mostConnections)
	if secure != nil { // outside of the limit: the server must see whose handshake is late
		l = tls.NewListener(l, secure)
	}
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("cannot serve: %w", err)
	}
	<-closed
	return nil
}

// TLS is how to serve with a certificate that is read again when its files change:
// one that is renewed needs no restart.
func TLS(certFile, keyFile string, log *slog.Logger) (*tls.Config, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	if _, err := c.get(nil); err != nil {
		return nil, fmt.Errorf("cannot serve over TLS: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: c.get}, nil
}

// certificate is a pair of files, as it was last read.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu        sync.Mutex
	pair      *tls.Certificate // nil before it was read
	cert, key []byte           // what the files held when they were last tried
}

// get is the certificate as it stands in the files, which are small beside a
// handshake. While they cannot be used, in the middle of a renewal say, the old one
// goes on serving.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cert, err := os.ReadFile(c.certFile)
	key, keyErr := os.ReadFile(c.keyFile)
	if err = cmp.Or(err, keyErr); err == nil {
		if c.pair != nil && bytes.Equal(cert, c.cert) && bytes.Equal(key, c.key) {
			return c.pair, nil
		}
		var pair tls.Certificate
		if pair, err = tls.X509KeyPair(cert, key); err == nil {
			c.pair = &pair
		}
		c.cert, c.key = cert, key
	}
	switch {
	case err == nil:
	case c.pair == nil:
		return nil, err
	default:
		c.log.Warn("the new certificate of the pages cannot be used; the old one goes on", "file", c.certFile, "error", err)
	}
	return c.pair, nil
}
