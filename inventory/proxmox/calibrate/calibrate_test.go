package calibrate

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/provost-dev/provost/inventory/memnet"
	"github.com/provost-dev/provost/inventory/proxmox"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// tolerance is how near the fit must come to the parameters that were played.
const tolerance = 0.10

// clusters are some whose parameters are known: presets, and some that differ from
// them in what presets only guess, or leave out.
func clusters(t *testing.T) map[string]pvesim.Costs {
	t.Helper()
	all := map[string]pvesim.Costs{}
	for name, change := range map[string]func(*pvesim.Costs){
		"tiny": func(*pvesim.Costs) {},
		"campus, zstd on old processors": func(c *pvesim.Costs) {
			c.BackupStream, c.RestoreStream = 90e6, 60e6
			c.Backup, c.Restore, c.Migrate, c.Snapshot = 4*time.Second, 9*time.Second, 5*time.Second, 2500*time.Millisecond
			c.LinkedMachine, c.Bulk, c.SSH, c.File = 1200*time.Millisecond, 150*time.Millisecond, 180*time.Millisecond, 400*time.Microsecond
		},
		"tiny, quicker packed than copied": func(c *pvesim.Costs) {
			c.Shared.Throughput, c.Shared.Stream = 9e9, 3e9
			c.BackupStream, c.RestoreStream = 5e9, 4e9
			c.LinkedMachine, c.Bulk, c.SSH = 400*time.Millisecond, 400*time.Millisecond, 90*time.Millisecond
		},
	} {
		preset, _, _ := strings.Cut(name, ",")
		costs, err := pvesim.Preset(preset)
		if err != nil {
			t.Fatal(err)
		}
		costs.Jitter = 0.02 // with more, a small work beside much copying is not told so well
		change(&costs)
		all[name] = costs
	}
	return all
}

// TestFitFindsWhatWasPlayed: the real client times a double whose parameters are
// known, in virtual time, and the file that is printed has them again.
func TestFitFindsWhatWasPlayed(t *testing.T) {
	for name, want := range clusters(t) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				like, err := pvesim.Preset("tiny")
				if strings.HasPrefix(name, "tiny") {
					like, err = pvesim.Preset("campus")
				}
				if err != nil {
					t.Fatal(err)
				}
				costs, notes := Fit(timings(t, want), like)
				compare(t, printed(t, costs, notes), want)
				if costs.Template != like.Template || costs.Local.Throughput != like.Local.Throughput || notes["template"] != "" {
					t.Errorf("what was not timed is not the preset's: %+v", costs)
				}
			})
		})
	}
}

// printed are the costs as the file has them.
func printed(t *testing.T, costs pvesim.Costs, notes map[string]string) pvesim.Costs {
	t.Helper()
	var file bytes.Buffer
	if err := costs.WritePreset(&file, "slow-nfs", notes); err != nil {
		t.Fatal(err)
	}
	t.Log(file.String())
	read, err := pvesim.ReadPreset("printed.yaml", file.Bytes())
	if err != nil || read != costs {
		t.Errorf("it is read as %+v: %v", read, err)
	}
	return read
}

func timings(t *testing.T, costs pvesim.Costs) proxmox.Timings {
	t.Helper()
	mem := &memnet.Network{}
	sim, err := pvesim.Start(pvesim.Options{Nodes: []string{"pve1", "pve2"}, Listen: mem.Listen, Costs: costs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	furnish(t, sim)
	c := open(t, mem, sim)
	others := func(g pvesim.Guest) bool { return g.VMID != 9000 } // which a clone writes, to lock it
	before := sim.Digest(others)
	began := time.Now()
	timed, err := c.Time(t.Context(), proxmox.Trial{Count: 8, Say: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	if sim.Digest(others) != before || len(sim.Backups("vault")) > 0 {
		t.Errorf("something is not as it was; backups: %v", sim.Backups("vault"))
	}
	if len(timed.Untimed) > 0 {
		t.Errorf("not timed: %v", timed.Untimed)
	}
	t.Logf("timed in %s with %d requests", time.Since(began).Round(time.Second), len(sim.Requests()))
	return timed
}

// furnish gives the cluster one of each thing that can be timed.
func furnish(t *testing.T, sim *pvesim.Cluster) {
	t.Helper()
	sim.AddStorage("local", "dir", []string{"vztmpl"}, false, 100)
	sim.AddStorage("ceph", "rbd", []string{"images", "rootdir"}, true, 20000)
	sim.AddStorage("vault", "nfs", []string{"backup"}, true, 20000)
	for _, err := range []error{
		sim.AddOSTemplate("local", "debian-12-standard_12.7-1_amd64.tar.zst"),
		sim.AddTemplate(pvesim.Guest{VMID: 9000, Node: "pve1", Type: "lxc", Config: map[string]string{
			"hostname": "desktop", "ostype": "debian", "arch": "amd64", "memory": "2048", "unprivileged": "1", "rootfs": "ceph:base-9000-disk-0,size=12G"}}),
		sim.AddTemplate(pvesim.Guest{VMID: 9001, Node: "pve2", Type: "qemu", Config: map[string]string{
			"name": "cloud", "memory": "2048", "ostype": "l26", "scsihw": "virtio-scsi-single", "boot": "order=scsi0", "scsi0": "ceph:base-9001-disk-0,size=4G"}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// open connects a client by API and SSH.
func open(t *testing.T, mem *memnet.Network, sim *pvesim.Cluster) *proxmox.Cluster {
	t.Helper()
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	sim.AuthorizeSSH(key)
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(sim.CACert())
	transport := &http.Transport{DialContext: mem.Dial, TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := proxmox.NewWith("cri", "isima", proxmox.Config{
		Endpoints: sim.URLs(), TokenFile: file("token", []byte(sim.RootToken())), Backups: "vault",
		SSH: proxmox.SSHConfig{Hosts: sim.SSHAddrs(), KeyFile: file("key", pem.EncodeToMemory(block)),
			KnownHostsFile: file("known", []byte(knownhosts.Line(sim.SSHAddrs(), sim.SSHHostKey())+"\n"))},
	}, slog.New(slog.DiscardHandler), proxmox.Options{Transport: transport, DialSSH: mem.Dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func compare(t *testing.T, got, want pvesim.Costs) {
	t.Helper()
	for name, p := range map[string][2]float64{
		"cores":             {float64(got.Cores), float64(want.Cores)},
		"jitter":            {got.Jitter, want.Jitter},
		"read":              {got.Read.Seconds(), want.Read.Seconds()},
		"worker":            {got.Worker.Seconds(), want.Worker.Seconds()},
		"row":               {got.Row.Seconds(), want.Row.Seconds()},
		"tasks":             {got.Tasks.Seconds(), want.Tasks.Seconds()},
		"answer":            {got.Answer.Seconds(), want.Answer.Seconds()},
		"config":            {got.Config.Seconds(), want.Config.Seconds()},
		"full_clone":        {got.FullClone.Seconds(), want.FullClone.Seconds()},
		"linked_machine":    {cmp.Or(got.LinkedMachine, got.LinkedClone).Seconds(), cmp.Or(want.LinkedMachine, want.LinkedClone).Seconds()},
		"snapshot":          {got.Snapshot.Seconds(), want.Snapshot.Seconds()},
		"migrate":           {got.Migrate.Seconds(), want.Migrate.Seconds()},
		"backup":            {got.Backup.Seconds(), want.Backup.Seconds()},
		"restore":           {got.Restore.Seconds(), want.Restore.Seconds()},
		"backup_stream":     {cmp.Or(got.BackupStream, got.Shared.Stream), cmp.Or(want.BackupStream, want.Shared.Stream)},
		"restore_stream":    {cmp.Or(got.RestoreStream, got.Shared.Stream), cmp.Or(want.RestoreStream, want.Shared.Stream)},
		"bulk":              {got.Bulk.Seconds(), want.Bulk.Seconds()},
		"ssh":               {got.SSH.Seconds(), want.SSH.Seconds()},
		"file":              {got.File.Seconds(), want.File.Seconds()},
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
		if name == "bulk" && math.Abs(p[0]-p[1]) < 0.01 {
			continue // two lists of tasks are as far apart
		}
		if name == "jitter" && math.Abs(p[0]-p[1]) < 0.01 {
			continue // how some dozens of figures scatter
		}
		off := math.Abs(p[0]/p[1] - 1)
		t.Logf("%-18s %12.6g for %12.6g: %5.1f %%", name, p[0], p[1], 100*off)
		if p[0] != p[1] && !(off <= tolerance) {
			t.Errorf("%s is fitted as %g, and was %g: %.0f %% off", name, p[0], p[1], 100*off)
		}
	}
}
