package testcert_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory/testcert"
)

func TestNew(t *testing.T) {
	leaf, authority, err := testcert.New("pve1", append(testcert.Loopback(), "pve1")...)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(leaf.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		t.Fatalf("the authority is no PEM: %s", authority)
	}
	virtual := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for host, good := range map[string]bool{"pve1": true, "localhost": true, "127.0.0.1": true, "::1": true, "pve2": false} {
		for _, now := range []time.Time{virtual, time.Now()} {
			_, err := cert.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, CurrentTime: now})
			if (err == nil) != good {
				t.Errorf("%s at %s: %v", host, now, err)
			}
		}
	}
	other, _, err := testcert.New("pve1", "pve1")
	if err != nil {
		t.Fatal(err)
	}
	cert, err = x509.ParseCertificate(other.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cert.Verify(x509.VerifyOptions{DNSName: "pve1", Roots: roots}); err == nil {
		t.Error("one authority vouches for another's certificate")
	}
}
