package pvesim_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"testing"

	"github.com/provost-dev/provost/inventory/memnet"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// startMem is start inside a bubble of testing/synctest. stop must be called
// at its end.
func startMem(t *testing.T, o pvesim.Options) (c *client, stop func()) {
	t.Helper()
	var mem memnet.Network
	o.Listen, o.NoSSH, o.Unlogged = mem.Listen, true, true
	cl, err := pvesim.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cl.CACert())
	hc := &http.Client{Transport: &http.Transport{DialContext: mem.Dial, TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: 64}}
	furnish(t, cl)
	return &client{t: t, c: cl, http: hc, token: cl.RootToken(), base: cl.URLs()[0]}, func() {
		hc.CloseIdleConnections()
		cl.Close()
	}
}
