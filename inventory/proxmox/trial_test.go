package proxmox

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// trialCosts make a trial of three take about two minutes.
var trialCosts = pvesim.Costs{
	Read: 100 * time.Millisecond, Answer: 30 * time.Millisecond, FullClone: 3 * time.Second, LinkedClone: time.Second, Create: 2 * time.Second,
	Start: time.Second, Stop: time.Second, Destroy: 500 * time.Millisecond,
}

func (r *rig) time(ctx context.Context, t *testing.T) (Timings, error) {
	return r.open(t).Time(ctx, Trial{Template: "9000", Count: 3, By: "here", Say: func(string, ...any) {}})
}

// withVault gives the rig a storage for backups.
func (r *rig) withVault() *rig {
	r.sim.AddStorage("vault", "nfs", []string{"backup"}, true, 500)
	r.cfg.Backups = "vault"
	return r
}

func trialText(c *Cluster, vmid string) string { return c.trialMark(vmid, "here").String() }

// foreignToTrials is a digest of all that no trial made.
func (r *rig) foreignToTrials() string {
	return r.sim.Digest(func(g pvesim.Guest) bool { return g.VMID != 9000 && (g.VMID < 990001000 || g.VMID > 990001099) })
}

// leavesNothing runs a test that must neither leave nor change anything.
func (r *rig) leavesNothing(t *testing.T, test func()) {
	t.Helper()
	foreign, before := r.foreignToTrials(), len(r.sim.Guests())
	test()
	if left := len(r.sim.Guests()) - before; left != 0 || r.foreignToTrials() != foreign || len(r.sim.Backups("vault")) > 0 {
		t.Errorf("%d guests are left, backups %v; something foreign changed: %v", left, r.sim.Backups("vault"), r.foreignToTrials() != foreign)
	}
}

// A trial leaves nothing, whenever it is stopped.
func TestATrialLeavesNothing(t *testing.T) {
	ended := false
	for after := 500 * time.Millisecond; !ended; after += 31300 * time.Millisecond {
		virtual(t, pvesim.Options{Costs: trialCosts, NoSSH: true}, func(t *testing.T, r *rig) {
			r.withVault().leavesNothing(t, func() {
				ctx, stop := context.WithTimeout(t.Context(), after)
				defer stop()
				_, err := r.time(ctx, t)
				if ended = err == nil; ended && after < time.Minute {
					t.Errorf("stopped after %s it ended well", after)
				}
				if err != nil && strings.Contains(err.Error(), "clear away") {
					t.Errorf("stopped after %s: %v", after, err)
				}
			})
		})
	}
}

// Without a right that all needs nothing is made; without one that a part needs, that
// part is left out.
func TestATrialLooksAtItsRights(t *testing.T) {
	needless := []string{"Datastore.Audit", "Pool.Allocate", "Pool.Audit", "Sys.Audit"} // with which all is as without
	for _, without := range append([]string{""}, rights...) {
		if slices.Contains(needless, without) {
			continue
		}
		t.Run("without "+without, func(t *testing.T) {
			virtual(t, pvesim.Options{Costs: trialCosts, NoSSH: true}, func(t *testing.T, r *rig) {
				r.withVault().restrict(t, slices.DeleteFunc(slices.Clone(rights), func(right string) bool { return right == without }))
				r.leavesNothing(t, func() {
					timed, err := r.time(t.Context(), t)
					t.Logf("without %q: %v %v", without, err, timed.Untimed)
					switch {
					case err != nil && r.writes() > 0:
						t.Errorf("without %s it made something first: %v", without, err)
					case err != nil && !strings.Contains(err.Error(), without):
						t.Errorf("without %s it says: %v", without, err)
					case err == nil && timed.Untimed[Snapshots] != "the token lacks VM.Snapshot on /vms/990001000":
						t.Errorf("of snapshots it says %q", timed.Untimed[Snapshots])
					case err == nil && without == "" && len(timed.Untimed) > 2: // and SSH
						t.Errorf("with all rights not timed: %v", timed.Untimed)
					}
				})
			})
		})
	}
}

// What only a part needs may fail: the rest is timed.
func TestATrialGoesOnWithoutWhatFails(t *testing.T) {
	for _, tt := range []struct {
		path  string
		thing Thing
		kind  pvesim.FaultKind
	}{
		{"/cluster/bulk-action/guest/start", BulkStarts, pvesim.Refuse},
		{"/nodes/*/lxc/*/migrate", Migrations, pvesim.FailTask},
		{"/nodes/*/vzdump", Backups, pvesim.FailTask},
	} {
		virtual(t, pvesim.Options{Costs: trialCosts, NoSSH: true}, func(t *testing.T, r *rig) {
			r.withVault().sim.Inject(pvesim.Fault{Method: "POST", Path: tt.path, Kind: tt.kind, Status: 500, Reason: "no space left on device", Skip: 1, Times: -1})
			if tt.thing == BulkStarts {
				r.sim.ClearFaults()
				r.sim.Inject(pvesim.Fault{Path: tt.path, Kind: tt.kind, Status: 500, Reason: "no space left on device"})
			}
			r.leavesNothing(t, func() {
				timed, err := r.time(t.Context(), t)
				if err != nil || !strings.Contains(timed.Untimed[tt.thing], "no space left on device") || len(timed.Linked) == 0 {
					t.Errorf("%s: %v, not timed: %v", tt.thing, err, timed.Untimed)
				}
			})
		})
	}
}

// What all needs may not, and says what it was.
func TestATrialEndsWithWhatFails(t *testing.T) {
	virtual(t, pvesim.Options{Costs: trialCosts, NoSSH: true}, func(t *testing.T, r *rig) {
		r.withVault().sim.Inject(pvesim.Fault{Path: "/nodes/*/lxc/9000/clone", Kind: pvesim.FailTask, Reason: "no space left on device"})
		r.leavesNothing(t, func() {
			_, err := r.time(t.Context(), t)
			if err == nil || !strings.Contains(err.Error(), "cannot time full clones of the template: ") || !strings.Contains(err.Error(), "no space left on device") {
				t.Errorf("it says: %v", err)
			}
		})
	})
}

func TestATrialNeedsItsRange(t *testing.T) {
	r := newRig(t, pvesim.Options{NoSSH: true})
	mine := inventory.Mark{Key: "cri/guest/vm-x", Owner: owner, Extra: map[string]string{"vmid": "990001050"}}
	config := map[string]string{"hostname": "vm-x", "memory": "64", "ostype": "debian", "arch": "amd64", "rootfs": "ceph:vm-990001050-disk-0,size=1G", "description": mine.String()}
	if err := r.sim.AddGuest(pvesim.Guest{VMID: 990001050, Node: "pve2", Type: "lxc", Config: config}); err != nil {
		t.Fatal(err)
	}
	for vmids, want := range map[string]string{
		"":                    "VMID 990001050 is in use",
		"990001050-990001099": "VMID 990001050 is in use",
		"990002000-990002003": "has no room for 6 guests",
	} {
		r.cfg.Trials = vmids
		if _, err := r.time(t.Context(), t); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", vmids, err, want)
		}
	}
	if r.writes() > 0 {
		t.Errorf("it wrote: %q", r.written())
	}
}

// What a crash left is known by its mark, shown as foreign, and deleted on demand;
// whatever has another mark, or a copy of one, stays.
func TestWhatACrashedTrialLeft(t *testing.T) {
	r := newRig(t, pvesim.Options{NoSSH: true}).withVault()
	c := r.open(t)
	add := func(vmid int, status, description string) {
		t.Helper()
		config := map[string]string{"hostname": "x", "memory": "64", "ostype": "debian", "arch": "amd64", "rootfs": "ceph:1", "description": description}
		if err := r.sim.AddGuest(pvesim.Guest{VMID: vmid, Node: "pve2", Type: "lxc", Status: status, Config: config}); err != nil {
			t.Fatal(err)
		}
	}
	add(990001000, "running", trialText(c, "990001000"))
	add(990001007, "stopped", trialText(c, "990001007"))
	add(990001008, "stopped", trialText(c, "990001007"))
	add(990001009, "stopped", strings.Replace(trialText(c, "990001009"), "campus=isima", "campus=elsewhere", 1))
	add(990001010, "stopped", "made by hand")
	items := list(t, c)
	if why := items["cri/foreign/990001000"].Attrs["why"]; !strings.Contains(why, "cri/trial/990001000") {
		t.Errorf("a listing says %q of it", why)
	}
	for _, vmid := range []int{990001000, 990001008} {
		if err := r.sim.AddBackup("vault", vmid); err != nil {
			t.Fatal(err)
		}
	}
	ours, other := r.sim.Backups("vault")[0].VolID, r.sim.Backups("vault")[1].VolID
	r.sim.Annotate(ours, trialText(c, "990001000"), false)
	r.sim.Annotate(other, trialText(c, "990001000"), false) // whose it is not
	if _, err := c.Time(t.Context(), Trial{Count: 3, By: "elsewhere"}); err == nil || !strings.Contains(err.Error(), "CT 990001000 was made by a run on here") {
		t.Errorf("another one says: %v", err)
	}
	left, err := r.open(t).ClearTrials(t.Context())
	if err != nil || left != "2 guests and 1 backup" {
		t.Errorf("%s deleted: %v", left, err)
	}
	if left := r.sim.Backups("vault"); len(left) != 1 || left[0].VolID != other {
		t.Errorf("backups: %v", left)
	}
	for vmid, want := range map[int]bool{990001000: false, 990001007: false, 990001008: true, 990001009: true, 990001010: true, 500: true, 9000: true} {
		if _, stands := r.sim.Guest(vmid); stands != want {
			t.Errorf("%d stands: %v", vmid, stands)
		}
	}
}

func TestTrialsRefuse(t *testing.T) {
	r := newRig(t, pvesim.Options{NoSSH: true})
	c := r.open(t)
	for want, trial := range map[string]Trial{
		"count: 2 is not at least 3":       {Count: 2},
		`no container template "9100"`:     {Count: 3, Template: "9100"}, // it is a machine
		`no machine template "9000"`:       {Count: 3, Machine: "9000"},
		`no storage "ceph" with content`:   {Count: 3, Backups: "ceph"},
		"template 9001 is of 1 GiB":        {Count: 3, Template: "tiny"},
		`none begins with "arch"`:          {Count: 3, OSTemplate: "nfs:arch"},
		"storage 'nowhere' does not exist": {Count: 3, OSTemplate: "nowhere:debian"},
	} {
		if _, err := c.Time(t.Context(), trial); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", trial, err, want)
		}
	}
	if r.writes() > 0 {
		t.Errorf("it wrote: %q", r.written())
	}
}

func TestATrialLooksForRoom(t *testing.T) {
	r := newRig(t, pvesim.Options{NoSSH: true})
	if err := r.sim.AddGuest(pvesim.Guest{VMID: 600, Node: "pve1", Type: "lxc", Config: map[string]string{
		"hostname": "archive", "memory": "64", "ostype": "debian", "arch": "amd64", "rootfs": "ceph:vm-600-disk-0,size=9980G"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.open(t).Time(t.Context(), Trial{Count: 3}); err == nil || !strings.Contains(err.Error(), "storage ceph has 9 GiB free, and up to 10 are needed") || r.writes() > 0 {
		t.Errorf("%v; it wrote %q", err, r.written())
	}
}

func TestATrialOfATemplateThatIsAway(t *testing.T) {
	r := newRig(t, pvesim.Options{NoSSH: true})
	r.cfg.Endpoints = r.cfg.Endpoints[1:]
	r.sim.NodeDown("pve1")
	for _, want := range []string{"9000", ""} {
		_, err := r.open(t).Time(t.Context(), Trial{Count: 3, Template: want})
		if err == nil || !strings.Contains(err.Error(), "pve1") && want != "" || r.writes() > 0 {
			t.Errorf("%q: %v; it wrote %q", want, err, r.written())
		}
		t.Log(err)
	}
}
