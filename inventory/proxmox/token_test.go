package proxmox

import (
	"os"
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// A token that was renewed is taken up by the requests of the process that runs, and
// the one that was refused goes out again with it.
func TestATokenIsRenewed(t *testing.T) {
	r := newRig(t, pvesim.Options{})
	r.restrict(t, rights)
	c := r.open(t)
	list(t, c)
	old, err := os.ReadFile(r.cfg.TokenFile)
	if err != nil {
		t.Fatal(err)
	}
	r.restrict(t, rights) // of the same name, with another secret
	renewed, err := os.ReadFile(r.cfg.TokenFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.cfg.TokenFile, old, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.List(t.Context()); err == nil || !strings.Contains(err.Error(), "the token provost@pve!gitops is not accepted") {
		t.Errorf("with a token that has expired: %v", err)
	}
	if err := os.WriteFile(r.cfg.TokenFile, renewed, 0o600); err != nil {
		t.Fatal(err)
	}
	ct, _ := container("vm-a", 20001)
	mustApply(t, c, creation(ct)) // a POST as well as a GET
	r.guest(t, 20001)
}

// So is another authority, by the next connection.
func TestAnAuthorityIsRenewed(t *testing.T) {
	r, other := newRig(t, pvesim.Options{NoSSH: true}), newRig(t, pvesim.Options{NoSSH: true})
	c := func() *Cluster {
		r.cfg.CAFile = other.cfg.CAFile
		return r.open(t)
	}()
	if _, err := c.List(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(r.cfg.CAFile, r.sim.CACert(), 0o600); err != nil {
		t.Fatal(err)
	}
	list(t, c)
}
