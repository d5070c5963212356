package pvesim

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"fmt"

	"golang.org/x/crypto/ssh"

	"github.com/provost-dev/provost/inventory/testcert"
)

// makeKeys makes an authority, one certificate for all nodes, and the SSH
// servers' host key.
func (c *Cluster) makeKeys() error {
	leaf, authority, err := testcert.New(c.opts.Nodes[0], append(testcert.Loopback(), c.opts.Nodes...)...)
	if err != nil {
		return err
	}
	c.ca = authority
	c.tls = &tls.Config{
		Certificates: []tls.Certificate{leaf},
		NextProtos:   []string{"http/1.1"}, // pveproxy speaks nothing newer
		MinVersion:   tls.VersionTLS12,
	}
	_, hostKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("cannot make a host key: %w", err)
	}
	if c.host, err = ssh.NewSignerFromKey(hostKey); err != nil {
		return fmt.Errorf("cannot use the host key: %w", err)
	}
	return nil
}
