package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory/proxmox"
	"github.com/provost-dev/provost/inventory/windows"
	"github.com/provost-dev/provost/reconciler"
)

// Who is let in, and how, is tested in package web; here only that the configuration
// reaches it.
func TestPagesFromConfiguration(t *testing.T) {
	c := &Config{Listen: "127.0.0.1:0", PublicURL: "https://provost.example.org", Pages: PagesConfig{Proxies: []string{"127.0.0.1", "10.0.0.0/8"}}}
	access, err := c.access()
	if err != nil || !access.PublicBadge || !access.OverTLS || len(access.Proxies) != 2 || access.UserHeader != http.CanonicalHeaderKey("x-forwarded-user") {
		t.Errorf("%+v, error %v", access, err)
	}
	for want, c := range map[string]*Config{
		"pages.token_file or pages.proxies": {Listen: "0.0.0.0:80"},
		"is neither public nor private":     {Pages: PagesConfig{Badge: "hidden"}},
		"cert_file and key_file":            {Pages: PagesConfig{CertFile: "x"}},
		"anybody could send it":             {Pages: PagesConfig{UserHeader: "X-User"}},
		"neither an address nor a network":  {Pages: PagesConfig{Proxies: []string{"proxy.example.org"}}},
	} {
		if errs := c.checkPages(); len(errs) != 1 || !strings.Contains(errs[0].Error(), want) {
			t.Errorf("%+v: %v, want %s", c, errs, want)
		}
	}
}

func TestWhereTheLeaseIs(t *testing.T) {
	pve := func(mode reconciler.ApplyMode) SystemConfig {
		return SystemConfig{Apply: mode, Proxmox: &proxmox.Config{}}
	}
	systems := map[string]SystemConfig{
		"ad": {Apply: reconciler.ApplyAuto, Windows: &windows.Config{}}, "b": pve(reconciler.ApplyOff),
		"c": pve(reconciler.ApplyManual), "d": pve(reconciler.ApplyAuto),
	}
	for _, c := range []struct {
		lease, where, wrong string
		lasts               time.Duration
	}{
		{"", "c", "", time.Minute},
		{"off", "", "", time.Minute},
		{"d", "d", "", time.Minute},
		{"b", "b", "only observed", time.Minute},
		{"ad", "ad", "neither off nor a system with proxmox:", time.Minute},
		{"none", "none", "neither off nor a system", time.Minute},
		{"", "c", "too short", time.Second},
	} {
		config := &Config{Lease: c.lease, LeaseTime: c.lasts, Systems: systems}
		if got := config.leaseSystem(); got != c.where {
			t.Errorf("lease: %q is on %q, want %q", c.lease, got, c.where)
		}
		if got := config.checkLease(); (got == "") != (c.wrong == "") || !strings.Contains(got, c.wrong) {
			t.Errorf("lease: %q: %q, want %q", c.lease, got, c.wrong)
		}
	}
	observed := &Config{Systems: map[string]SystemConfig{"b": pve(reconciler.ApplyOff)}}
	if got := observed.leaseSystem(); got != "" {
		t.Errorf("where nothing is applied, the lease is on %q", got)
	}
}
