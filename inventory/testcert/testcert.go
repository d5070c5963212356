// Package testcert makes the certificates of the doubles: an authority of its
// own for each, and one certificate by it. To add a double that speaks TLS, call
// [New] with the names that it is reached by and hand out the authority.
//
// It refuses to write a key anywhere, and knows nothing of requests or renewal:
// nothing outside a test, the demo or "provost sim" may trust it.
package testcert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// The certificates hold in virtual time too, whose clock starts in 2000.
var (
	notBefore = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	notAfter  = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Loopback are the names and addresses of a server that only this machine reaches.
func Loopback() []string { return []string{"localhost", "127.0.0.1", "::1"} }

// New makes an authority called name, given as PEM, and a certificate by it for
// hosts, which are names or addresses.
func New(name string, hosts ...string) (leaf tls.Certificate, authority []byte, err error) {
	ca := template(1, name+" authority")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	caKey, caDER, err := sign(ca, ca, nil)
	if err != nil {
		return leaf, nil, fmt.Errorf("cannot make the authority of %s: %v", name, err)
	}
	cert := template(2, name)
	cert.KeyUsage = x509.KeyUsageDigitalSignature
	cert.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			cert.IPAddresses = append(cert.IPAddresses, ip)
		} else {
			cert.DNSNames = append(cert.DNSNames, host)
		}
	}
	key, der, err := sign(cert, ca, caKey)
	if err != nil {
		return leaf, nil, fmt.Errorf("cannot make the certificate of %s: %v", name, err)
	}
	authority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, authority, nil
}

func template(serial int64, name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: notBefore, NotAfter: notAfter,
	}
}

// sign makes a key and a certificate for it by the parent, or by itself where
// there is no parent's key.
func sign(cert, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if parentKey == nil {
		parentKey = key
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, key.Public(), parentKey)
	return key, der, err
}
