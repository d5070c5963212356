package calibrate

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory/memnet"
	"github.com/provost-dev/provost/inventory/proxmox"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// tolerance is how near the fit must come to the parameters that were played.
const tolerance = 0.15

// TestFitFindsWhatWasPlayed: the real client times a double whose parameters are
// known, in virtual time, and the fit finds them again.
func TestFitFindsWhatWasPlayed(t *testing.T) {
	for _, preset := range []string{"tiny", "campus"} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s/%d", preset, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					want, err := pvesim.Preset(preset)
					if err != nil {
						t.Fatal(err)
					}
					like, _ := pvesim.Preset("slow-nfs") // which is like neither
					got, notes := Fit(timings(t, want, seed), like)
					compare(t, got, want)
					if got.Migrate != like.Migrate || got.Local.Throughput != like.Local.Throughput || notes["migrate"] != "" {
						t.Errorf("what was not timed is not the preset's: %+v", got)
					}
				})
			})
		}
	}
}

func timings(t *testing.T, costs pvesim.Costs, seed uint64) proxmox.Timings {
	t.Helper()
	mem := &memnet.Network{}
	sim, err := pvesim.Start(pvesim.Options{Nodes: []string{"pve1"}, Listen: mem.Listen, Costs: costs, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	sim.AddStorage("local", "dir", []string{"vztmpl"}, false, 100)
	sim.AddStorage("ceph", "rbd", []string{"images", "rootdir"}, true, 20000)
	for _, err := range []error{
		sim.AddOSTemplate("local", "debian-12-standard_12.7-1_amd64.tar.zst"),
		sim.AddTemplate(pvesim.Guest{VMID: 9000, Node: "pve1", Type: "lxc", Config: map[string]string{
			"hostname": "desktop", "ostype": "debian", "arch": "amd64", "memory": "2048", "unprivileged": "1", "rootfs": "ceph:base-9000-disk-0,size=12G"}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(sim.RootToken()), 0o600); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(sim.CACert())
	transport := &http.Transport{DialContext: mem.Dial, TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := proxmox.NewWith("cri", "isima", proxmox.Config{Endpoints: sim.URLs(), TokenFile: token}, slog.New(slog.DiscardHandler), proxmox.Options{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	began, before := time.Now(), len(sim.Guests())
	timed, err := c.Time(t.Context(), proxmox.Trial{Count: 8, Say: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	if after := len(sim.Guests()); after != before {
		t.Errorf("%d guests were left behind", after-before)
	}
	t.Logf("timed in %s with %d requests", time.Since(began).Round(time.Second), len(sim.Requests()))
	return timed
}

func compare(t *testing.T, got, want pvesim.Costs) {
	t.Helper()
	for name, p := range map[string][2]float64{
		"read":              {got.Read.Seconds(), want.Read.Seconds()},
		"worker":            {got.Worker.Seconds(), want.Worker.Seconds()},
		"row":               {got.Row.Seconds(), want.Row.Seconds()},
		"tasks":             {got.Tasks.Seconds(), want.Tasks.Seconds()},
		"answer":            {got.Answer.Seconds(), want.Answer.Seconds()},
		"config":            {got.Config.Seconds(), want.Config.Seconds()},
		"full_clone":        {got.FullClone.Seconds(), want.FullClone.Seconds()},
		"linked_clone":      {got.LinkedClone.Seconds(), want.LinkedClone.Seconds()},
		"create":            {got.Create.Seconds(), want.Create.Seconds()},
		"start":             {got.Start.Seconds(), want.Start.Seconds()},
		"stop":              {got.Stop.Seconds(), want.Stop.Seconds()},
		"destroy":           {got.Destroy.Seconds(), want.Destroy.Seconds()},
		"contention":        {got.Contention, want.Contention},
		"unpacked":          {got.Unpacked, want.Unpacked},
		"booted":            {got.Booted, want.Booted},
		"shared.throughput": {got.Shared.Throughput, want.Shared.Throughput},
		"shared.stream":     {got.Shared.Stream, want.Shared.Stream},
		"shared.volume":     {got.Shared.Volume.Seconds(), want.Shared.Volume.Seconds()},
	} {
		off := math.Abs(p[0]/p[1] - 1)
		t.Logf("%-18s %12.6g for %12.6g: %5.1f %%", name, p[0], p[1], 100*off)
		if p[0] != p[1] && !(off <= tolerance) {
			t.Errorf("%s is fitted as %g, and was %g: %.0f %% off", name, p[0], p[1], 100*off)
		}
	}
}
