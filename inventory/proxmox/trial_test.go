package proxmox

import (
	"context"
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
	return r.open(t).Time(ctx, Trial{Template: "9000", Count: 3, Say: func(string, ...any) {}})
}

func trialText(c *Cluster, vmid string) string { return c.trialMark(vmid, "here").String() }

// foreignToTrials is a digest of all that no trial made.
func (r *rig) foreignToTrials() string {
	return r.sim.Digest(func(g pvesim.Guest) bool { return g.VMID != 9000 && (g.VMID < 990001000 || g.VMID > 990001099) })
}

// A trial leaves nothing, whenever it is stopped.
func TestATrialLeavesNothing(t *testing.T) {
	for after := 500 * time.Millisecond; after < 2*time.Minute; after += 9700 * time.Millisecond {
		virtual(t, pvesim.Options{Costs: trialCosts, NoSSH: true}, func(t *testing.T, r *rig) {
			foreign, before := r.foreignToTrials(), len(r.sim.Guests())
			ctx, stop := context.WithTimeout(t.Context(), after)
			defer stop()
			_, err := r.time(ctx, t)
			if after < 20*time.Second && err == nil {
				t.Errorf("stopped after %s it ended well", after)
			}
			if err != nil && strings.Contains(err.Error(), "clear away") {
				t.Error(err)
			}
			if left := len(r.sim.Guests()) - before; left != 0 || r.foreignToTrials() != foreign {
				t.Errorf("stopped after %s it left %d guests; something foreign changed: %v", after, left, r.foreignToTrials() != foreign)
			}
		})
	}
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
	r := newRig(t, pvesim.Options{NoSSH: true})
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
	left, err := r.open(t).ClearTrials(t.Context())
	if err != nil || left != "2 guests and 0 backups" {
		t.Errorf("%s deleted: %v", left, err)
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
