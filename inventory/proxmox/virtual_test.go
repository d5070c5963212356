package proxmox

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/memnet"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// virtual runs a test in virtual time on a rig whose network is in memory.
func virtual(t *testing.T, opts pvesim.Options, test func(*testing.T, *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newVirtualRig(t, opts)) })
}

// newVirtualRig is a rig whose network is in memory, for a test in virtual time.
func newVirtualRig(t *testing.T, opts pvesim.Options) *rig {
	t.Helper()
	mem := &memnet.Network{}
	opts.Listen = mem.Listen
	r := newRig(t, opts)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.sim.CACert())
	transport := &http.Transport{DialContext: mem.Dial, TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	r.opts = Options{Transport: transport, DialSSH: mem.Dial}
	return r
}

// A cohort as long as the field knows it: 12 machines whose clones take a minute
// each, all of the listing, the SSH read and the waiting in virtual time.
func TestACohortInVirtualTime(t *testing.T) {
	costs := pvesim.Costs{Answer: 30 * time.Millisecond, FullClone: time.Minute, Start: 5 * time.Second}
	virtual(t, pvesim.Options{StatDelay: 10 * time.Second, Costs: costs}, func(t *testing.T, r *rig) {
		c := r.open(t)
		list(t, c)
		r.sim.ForgetRequests()
		began := time.Now()
		const n = 12
		for i := range n {
			guest, power := container(fmt.Sprintf("vm-%02d", i), 20000+i, "disk", "4")
			for _, ch := range []inventory.Change{creation(guest), creation(power)} {
				if o := apply(c, ch); o.State != inventory.StateDone {
					t.Fatalf("%s: %+v", ch.Key, o)
				}
			}
		}
		took := time.Since(began)
		requests := len(r.sim.Requests()) / n
		if took < n*65*time.Second || took > n*75*time.Second {
			t.Errorf("one after another %d machines took %s, want little more than %s", n, took, n*65*time.Second)
		}
		if requests > 60 {
			t.Errorf("%d requests a machine", requests)
		}
		t.Logf("%d machines one after another: %s, %d requests each", n, took.Round(time.Second), requests)
		items := list(t, c)
		for i := range n {
			if power := items[c.key(inventory.KindPower, fmt.Sprintf("vm-%02d", i))]; power.Attrs["state"] != "running" {
				t.Errorf("%s is %v", power.Key, power.Attrs)
			}
		}
	})
}
