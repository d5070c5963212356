package proxmox

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// slow makes tasks long enough to be caught at work.
var slow = pvesim.Costs{Fork: 20 * time.Millisecond, FullClone: 300 * time.Millisecond, Create: 300 * time.Millisecond,
	Start: 200 * time.Millisecond, Stop: 50 * time.Millisecond, Destroy: 50 * time.Millisecond}

func TestCreateFromOSTemplate(t *testing.T) {
	virtual(t, pvesim.Options{Costs: slow}, func(t *testing.T, r *rig) {
		c := r.open(t)
		want, power := plain("vm-c", 20003)
		mustApply(t, c, creation(want))
		g := r.guest(t, 20003)
		for option, value := range map[string]string{
			"hostname": "vm-c", "memory": "2048", "cores": "2", "unprivileged": "1", "tags": "cohort-a;provost", "features": "nesting=1",
		} {
			if g.Config[option] != value {
				t.Errorf("%s is %q, want %q", option, g.Config[option], value)
			}
		}
		if g.Pool != "students" || g.Status != "stopped" || g.Node != "pve3" {
			t.Errorf("made %+v", g)
		}
		var made []string
		for _, req := range r.sim.Requests() {
			if req.Method == "POST" {
				made = append(made, req.Params["ostemplate"]+" "+req.Params["rootfs"]+" "+req.Params["ssh-public-keys"])
			}
		}
		if want := "nfs:vztmpl/debian-12-standard_12.10-1_amd64.tar.zst ceph:8 ssh-ed25519 AAAA me"; !slices.Equal(made, []string{want}) {
			t.Errorf("made from %q, want %q", made, want)
		}
		if r.writes() != 1 {
			t.Errorf("wrote %v, want one request", r.written())
		}
		if live := list(t, c)[power.Key]; live.Attrs["boot"] != "new" || live.Attrs["state"] != "stopped" {
			t.Errorf("power is %v", live.Attrs)
		}
	})
}

func TestCloneAndFirstStart(t *testing.T) {
	virtual(t, pvesim.Options{Costs: slow, StatDelay: 10 * time.Second}, func(t *testing.T, r *rig) {
		c := r.open(t)
		for _, tt := range []struct {
			make func(string, int, ...string) (inventory.Resource, inventory.Resource)
			vmid int
		}{{container, 20001}, {machine, 20002}} {
			guest, power := tt.make("vm-x"+hex(tt.vmid), tt.vmid)
			power.Attrs = inventory.Attrs{"boot": "done"} // power: initial
			mustApply(t, c, creation(guest))
			mustApply(t, c, creation(power))
			items := list(t, r.open(t))
			if live := items[power.Key].Attrs; live["state"] != "running" || live["boot"] != "done" {
				t.Errorf("%s is %v", power.Key, live)
			}
			// Its owner may stop it; it is not started again.
			r.sim.SetStatus(tt.vmid, "stopped")
			writes := r.writes()
			mustApply(t, c, creation(power))
			if r.guest(t, tt.vmid).Status != "stopped" || r.writes() != writes {
				t.Errorf("%s was started again", power.Key)
			}
		}
		if g := r.guest(t, 20002); g.Config["scsi0"] == "" || !strings.Contains(g.Config["scsi0"], "size=20G") ||
			g.Config["ipconfig0"] != "ip=10.0.0.70/24,gw=10.0.0.254" || g.Config["net0"] == "" {
			t.Errorf("the machine is %v", g.Config)
		}
		if g := r.guest(t, 20001); g.Config["net1"] != "" || !strings.Contains(g.Config["rootfs"], "size=8G") {
			t.Errorf("the container is %v", g.Config)
		}
	})
}

func TestLinkedCloneOnAnotherNode(t *testing.T) {
	virtual(t, pvesim.Options{Costs: slow}, func(t *testing.T, r *rig) {
		want, _ := container("vm-a", 20001, "node", "pve3", "create.clone", "linked")
		mustApply(t, r.open(t), creation(want))
		if g := r.guest(t, 20001); g.Node != "pve3" {
			t.Errorf("it is on %s", g.Node)
		}
	})
}

func TestReplaceKeepsVMIDAndMAC(t *testing.T) {
	virtual(t, pvesim.Options{Costs: slow}, func(t *testing.T, r *rig) {
		c := r.open(t)
		want, power := container("vm-a", 20001)
		mustApply(t, c, creation(want))
		mustApply(t, c, creation(power))
		live := list(t, c)[want.Key]
		anew, _ := container("vm-a", 20001, "rebuild", "1")
		ch := change(inventory.Replace, live, anew, "rebuild")
		mustApply(t, c, ch)
		again := list(t, c)
		if again[want.Key].Attrs["rebuild"] != "1" || again[power.Key].Attrs["state"] != "stopped" || again[power.Key].Attrs["boot"] != "new" {
			t.Errorf("now it is %v and %v", again[want.Key].Attrs, again[power.Key].Attrs)
		}
		if again[want.Key].Attrs["net0.mac"] != live.Attrs["net0.mac"] {
			t.Error("the MAC changed")
		}
		writes := r.writes()
		mustApply(t, c, ch)
		if r.writes() != writes {
			t.Errorf("replaced twice: %v", r.written()[writes:])
		}
	})
}

func TestALoweredRebuildStays(t *testing.T) {
	c := &Cluster{name: "cri", campus: "isima"}
	for _, tt := range [][3]string{{"0", "2", "2"}, {"3", "2", "3"}, {"", "", ""}, {"0", "", ""}, {"x", "1", "1"}} {
		m := c.markFor(wanted("rebuild", tt[0]), "20031", map[string]string{markRebuild: tt[1]})
		if m.Extra[markRebuild] != tt[2] {
			t.Errorf("declared %q, marked %q: %q", tt[0], tt[1], m.Extra[markRebuild])
		}
	}
}

func TestAdopt(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		c := r.open(t)
		before := list(t, c)["cri/foreign/500"]
		file := r.sim.File(500)
		after, _ := container("printer", 500, "rebuild", "3")
		after.Attrs = inventory.Attrs{"type": "lxc", "vmid": "500", "name": "printer", "node": "pve1", "rebuild": "3"}
		ch := change(inventory.Adopt, before, after, "owner")
		mustApply(t, c, ch)
		live := list(t, r.open(t))
		if live[after.Key].Owner != owner || live[after.Key].Attrs["rebuild"] != "3" || live["cri/power/printer"].Attrs["boot"] != "done" {
			t.Errorf("adopted as %v", live[after.Key])
		}
		if now := withoutDescription(r.sim.File(500)); now != withoutDescription(file) {
			t.Errorf("more than the mark was written:\n%s\n%s", file, now)
		}
		if r.writes() != 1 {
			t.Errorf("wrote %v", r.written())
		}
		mustApply(t, c, ch)
		if r.writes() != 1 {
			t.Errorf("adopted twice: %v", r.written())
		}
		other, _ := container("other", 500)
		if o := apply(c, change(inventory.Adopt, before, other, "owner")); o.State != inventory.StateFailed || !strings.Contains(o.Error, "is cri/guest/printer already") {
			t.Errorf("adopted by another: %+v", o)
		}
	})
}

func withoutDescription(file string) string {
	var keep []string
	for line := range strings.Lines(file) {
		if !strings.HasPrefix(line, "#") {
			keep = append(keep, line)
		}
	}
	return strings.Join(keep, "")
}

func TestAdoptOnlyWhatWasPlanned(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		c := r.open(t)
		before := list(t, c)["cri/foreign/500"]
		before.Attrs["memory"] = "9999"
		after, _ := container("printer", 500)
		o := apply(c, change(inventory.Adopt, before, after, "owner"))
		if o.State != inventory.StateRetry || r.writes() != 0 {
			t.Errorf("%+v after %v", o, r.written())
		}
	})
}

func TestRenameAndNewOwner(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		c := r.open(t)
		want, _ := container("vm-a", 20001)
		mustApply(t, c, creation(want))
		before := list(t, c)[want.Key]
		after, power := container("vm-z", 20001)
		after.Owner.Unit = "cohort/b"
		mustApply(t, c, change(inventory.Update, before, after, "key", "name", "owner"))
		mustApply(t, c, creation(power))
		items := list(t, r.open(t))
		if _, old := items[want.Key]; old || items[after.Key].Owner.Unit != "cohort/b" || items[after.Key].Attrs["name"] != "vm-z" {
			t.Errorf("renamed to %v", items[after.Key])
		}
		if live := items[power.Key].Attrs; live["state"] != "running" || live["boot"] != "done" {
			t.Errorf("power is %v", live)
		}
	})
}

func TestGrowAndMigrateARunningMachine(t *testing.T) {
	virtual(t, pvesim.Options{Costs: slow}, func(t *testing.T, r *rig) {
		c := r.open(t)
		want, power := machine("vm-b", 20002)
		mustApply(t, c, creation(want))
		mustApply(t, c, creation(power))
		before := list(t, c)[want.Key]
		after, _ := machine("vm-b", 20002, "disk", "32", "node", "pve3", "memory", "8192")
		mustApply(t, c, change(inventory.Update, before, after, "disk", "node", "memory"))
		items := list(t, r.open(t))
		live := items[want.Key].Attrs
		if live["disk"] != "32" || live["node"] != "pve3" || live["memory"] != "8192" || items[power.Key].Attrs["state"] != "running" {
			t.Errorf("it is %v", live)
		}
		// Its power is found where it is now.
		stopped := power.Clone()
		stopped.Attrs["state"] = "stopped"
		mustApply(t, c, change(inventory.Update, items[power.Key], stopped, "state"))
		if r.guest(t, 20002).Status != "stopped" {
			t.Error("it still runs")
		}
		for _, req := range r.sim.Requests() {
			if strings.HasSuffix(req.Path, "/shutdown") && (req.Params["forceStop"] != "1" || req.Params["timeout"] != "1") {
				t.Errorf("a machine that does not shut down is waited for: %v", req.Params)
			}
		}
	})
}

func TestCompareAndSet(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		c := r.open(t)
		want, _ := container("vm-a", 20001)
		mustApply(t, c, creation(want))
		before := list(t, c)[want.Key]
		if err := r.sim.EditFile(20001, strings.Replace(r.sim.File(20001), "memory: 2048", "memory: 777", 1)); err != nil {
			t.Fatal(err)
		}
		after, _ := container("vm-a", 20001, "memory", "4096")
		o := apply(c, change(inventory.Update, before, after, "memory"))
		if o.State != inventory.StateRetry || !strings.Contains(o.Error, `memory was "2048" when this was planned and is "777" now`) {
			t.Errorf("%+v", o)
		}
	})
}

func TestDeleteOnlyWhatIsOursNow(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		c := r.open(t)
		want, power := container("vm-a", 20001)
		mustApply(t, c, creation(want))
		mustApply(t, c, creation(power))
		live := list(t, c)[want.Key]
		// Between the plan and the deletion somebody puts another machine there.
		if err := r.sim.EditFile(20001, "hostname: precious\nmemory: 512\nrootfs: ceph:vm-20001-disk-0,size=8G\n"); err != nil {
			t.Fatal(err)
		}
		for _, ch := range []inventory.Change{deletion(live), deletion(power)} {
			if o := apply(c, ch); o.State != inventory.StateFailed || !strings.Contains(o.Error, "carries no mark of ours") {
				t.Errorf("%s: %+v", ch.Key, o)
			}
		}
		if r.guest(t, 20001).Status != "running" {
			t.Error("it was stopped")
		}
	})
}

// Between our last look and the write anything may happen; these things do.
func TestRaces(t *testing.T) {
	for _, tt := range []struct {
		name   string
		moment string // the event at which somebody edits the guest
		edit   func(file string) string
		change func(live, power inventory.Resource) inventory.Change
		state  inventory.State
		text   string
		stays  string
	}{
		{"another machine is there after the stop", "shutting down",
			func(string) string { return "hostname: precious\nrootfs: ceph:vm-20001-disk-0,size=8G\n" },
			func(live, _ inventory.Resource) inventory.Change { return deletion(live) },
			inventory.StateFailed, "carries no mark of ours", "hostname: precious"},
		{"a hand-made change before the PUT", "setting memory",
			func(file string) string { return strings.Replace(file, "cores: 2", "cores: 3", 1) },
			func(live, _ inventory.Resource) inventory.Change {
				after := live.Clone()
				after.Attrs["memory"] = "4096"
				return change(inventory.Update, live, after, "memory")
			},
			inventory.StateRetry, "detected modified configuration", "memory: 2048"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
				c := r.open(t)
				want, power := container("vm-a", 20001)
				mustApply(t, c, creation(want))
				mustApply(t, c, creation(power))
				live := list(t, c)[want.Key]
				o := c.Apply(t.Context(), []inventory.Change{tt.change(live, power)}, func(e inventory.Event) {
					if strings.HasPrefix(e.Text, tt.moment) {
						if err := r.sim.EditFile(20001, tt.edit(r.sim.File(20001))); err != nil {
							t.Error(err)
						}
					}
				})[0]
				if o.State != tt.state || !strings.Contains(o.Error, tt.text) {
					t.Errorf("%+v", o)
				}
				if file := r.sim.File(20001); !strings.Contains(file, tt.stays) {
					t.Errorf("the file is now\n%s", file)
				}
			})
		})
	}
}

func TestAVMIDThatSomebodyTook(t *testing.T) {
	for name, make := range map[string]func(string, int, ...string) (inventory.Resource, inventory.Resource){
		"container": container, "machine": machine,
	} {
		for _, node := range []string{"pve1", "pve3"} {
			t.Run(name+" against "+node, func(t *testing.T) {
				virtual(t, pvesim.Options{Costs: slow}, func(t *testing.T, r *rig) {
					c := r.open(t)
					list(t, c)
					if err := r.sim.AddGuest(pvesim.Guest{VMID: 20001, Node: node, Type: "lxc", Config: map[string]string{
						"hostname": "faster", "rootfs": "ceph:vm-20001-disk-0,size=2G"}}); err != nil {
						t.Fatal(err)
					}
					before := r.sim.File(20001)
					want, _ := make("vm-a", 20001)
					o := apply(c, creation(want))
					if o.State != inventory.StateRetry || !strings.Contains(o.Error, `VMID 20001 is taken by lxc "faster" on `+node) || !strings.Contains(o.Error, "list again") {
						t.Errorf("%+v", o)
					}
					if r.sim.File(20001) != before {
						t.Error("the other's machine was changed")
					}
				})
			})
		}
	}
}

func TestFaults(t *testing.T) {
	clone := "/nodes/*/*/*/clone"
	for _, tt := range []struct {
		name  string
		fault pvesim.Fault
		state inventory.State // of the first try
		text  string
	}{
		{"the answer to the clone is lost", pvesim.Fault{Method: "POST", Path: clone, Kind: pvesim.DropAnswer}, inventory.StateDone, ""},
		{"the clone is lost on the way", pvesim.Fault{Method: "POST", Path: clone, Kind: pvesim.DropBefore}, inventory.StateRetry, "no guest 20001 is to be seen: list again"},
		{"the task fails", pvesim.Fault{Method: "POST", Path: clone, Kind: pvesim.FailTask, Reason: "clone failed: no space left on device"},
			inventory.StateFailed, "cannot finish task vzclone on pve1: clone failed: no space left on device"},
		{"the task is interrupted", pvesim.Fault{Method: "POST", Path: clone, Kind: pvesim.FailTask, Reason: "clone failed: interrupted by signal"},
			inventory.StateRetry, "interrupted by signal"},
		{"the source is locked", pvesim.Fault{Method: "POST", Path: clone, Kind: pvesim.Refuse, Status: 500, Reason: "CT is locked (disk)"},
			inventory.StateRetry, "500 CT is locked (disk)"},
		{"a right is missing", pvesim.Fault{Method: "POST", Path: clone, Kind: pvesim.Refuse, Status: 403, Reason: "Permission check failed (/vms/9000, VM.Clone)"},
			inventory.StateFailed, "403 Permission check failed (/vms/9000, VM.Clone)"},
		{"the answer to the configuration is lost", pvesim.Fault{Method: "PUT", Path: "/nodes/*/lxc/*/config", Kind: pvesim.DropAnswer}, inventory.StateDone, ""},
		{"polls are lost", pvesim.Fault{Method: "GET", Path: "/nodes/*/tasks", Kind: pvesim.DropBefore, Times: 2}, inventory.StateDone, ""},
		{"the configuration times out", pvesim.Fault{Method: "PUT", Path: "/nodes/*/lxc/*/config", Kind: pvesim.Refuse, Status: 500,
			Reason: "can't lock file '/run/lock/lxc/pve-config-20001.lock' - got timeout"}, inventory.StateRetry, "got timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, pvesim.Options{Costs: slow}, func(t *testing.T, r *rig) {
				c := r.open(t)
				r.sim.Inject(tt.fault)
				want, _ := container("vm-a", 20001)
				o := apply(c, creation(want))
				if o.State != tt.state || !strings.Contains(o.Error, tt.text) {
					t.Errorf("%s: %s, want %s: %s", o.State, o.Error, tt.state, tt.text)
				}
				mustApply(t, c, creation(want)) // the next try makes it true
				live := list(t, r.open(t))[want.Key]
				if live.Attrs["memory"] != "2048" || live.Attrs["net0.bridge"] != "vibr285" {
					t.Errorf("it is %v", live.Attrs)
				}
				if left, err := os.ReadDir(r.cfg.StateDir); err != nil || len(left) != 0 {
					t.Errorf("intents left: %v, %v", left, err)
				}
			})
		})
	}
}

func TestALostWorkerLeavesStuckLocks(t *testing.T) {
	virtual(t, pvesim.Options{Costs: slow}, func(t *testing.T, r *rig) {
		c := r.open(t)
		r.sim.Inject(pvesim.Fault{Method: "POST", Path: "/nodes/*/lxc/*/clone", Kind: pvesim.LoseWorker})
		want, _ := container("vm-a", 20001)
		if o := apply(c, creation(want)); o.State != inventory.StateRetry || !strings.Contains(o.Error, "no worker") {
			t.Errorf("%+v", o)
		}
		o := apply(c, creation(want))
		if o.State != inventory.StateFailed || !strings.Contains(o.Error, `run "pct unlock 20001" on node pve1`) {
			t.Errorf("%+v", o)
		}
	})
}

func TestHeldLock(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		c := r.open(t)
		want, _ := container("vm-a", 20001)
		mustApply(t, c, creation(want))
		live := list(t, c)[want.Key]
		r.sim.HoldLock(20001, "backup")
		after, _ := container("vm-a", 20001, "memory", "4096")
		for _, ch := range []inventory.Change{change(inventory.Update, live, after, "memory"), deletion(live)} {
			if o := apply(c, ch); o.State != inventory.StateRetry || !strings.Contains(o.Error, "CT 20001 is locked (backup)") {
				t.Errorf("%s: %+v", ch.Action, o)
			}
		}
		if list(t, c)[want.Key].Attrs["lock"] != "backup" {
			t.Error("the listing does not show the lock")
		}
		r.sim.HoldLock(20001, "")
		mustApply(t, c, change(inventory.Update, live, after, "memory"))
	})
}

// A process that is killed while a clone runs leaves the rest to the next one,
// with the intent or without it.
func TestKilledWhileCloning(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(string, int, ...string) (inventory.Resource, inventory.Resource)
		lose bool
	}{{"container", container, false}, {"container, hint lost", container, true}, {"machine", machine, false}, {"machine, hint lost", machine, true}} {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, pvesim.Options{Costs: slow}, func(t *testing.T, r *rig) {
				want, power := tt.make("vm-a", 20001)
				ctx, cancel := context.WithCancel(t.Context())
				started := func(e inventory.Event) {
					if strings.HasPrefix(e.Text, "cloning") {
						time.AfterFunc(100*time.Millisecond, cancel)
					}
				}
				o := r.open(t).Apply(ctx, []inventory.Change{creation(want)}, started)[0]
				if o.State != inventory.StateUnknown || !strings.Contains(o.Error, "still running") {
					t.Fatalf("stopped with %+v", o)
				}
				if tt.lose {
					if err := os.RemoveAll(r.cfg.StateDir); err != nil {
						t.Fatal(err)
					}
				}
				c := r.open(t)
				list(t, c)
				mustApply(t, c, creation(want))
				mustApply(t, c, creation(power))
				posts := slices.DeleteFunc(r.written(), func(s string) bool { return !strings.HasSuffix(s, "/clone") })
				if len(posts) != 1 {
					t.Errorf("cloned %d times", len(posts))
				}
				if r.guest(t, 20001).Status != "running" {
					t.Error("it does not run")
				}
			})
		})
	}
}

func TestAStopIsQuick(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		r.sim.Inject(pvesim.Fault{Method: "GET", Path: "/cluster/resources", Kind: pvesim.Hang})
		want, _ := container("vm-a", 20001)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		o := r.open(t).Apply(ctx, []inventory.Change{creation(want), creation(want)}, nil)
		if o[0].State != inventory.StateUnknown || o[1].State != inventory.StateUnknown {
			t.Errorf("%+v", o)
		}
	})
}

func TestChangesThatMakeNoSense(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		c := r.open(t)
		want, _ := container("vm-a", 20001)
		elsewhere, _ := container("vm-a", 20001)
		elsewhere.Key = "other/guest/vm-a"
		storage := inventory.Resource{Key: "cri/storage/pve1/ceph"}
		for i, ch := range []inventory.Change{
			{Key: want.Key, Action: inventory.Create},
			{Key: want.Key, Action: inventory.Update, After: &want},
			{Key: want.Key, Action: "mend", Before: &want, After: &want},
			creation(elsewhere), creation(storage), deletion(storage),
			creation(inventory.Resource{Key: "cri/guest/x", Attrs: inventory.Attrs{"vmid": "7"}}),
		} {
			if o := apply(c, ch); o.State != inventory.StateFailed || o.Error == "" {
				t.Errorf("%d: %+v", i, o)
			}
		}
		if r.writes() != 0 {
			t.Errorf("wrote %v", r.written())
		}
	})
}

func TestEvents(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		var said []string
		want, _ := container("vm-a", 20001)
		r.open(t).Apply(t.Context(), []inventory.Change{creation(want)}, func(e inventory.Event) {
			said = append(said, fmt.Sprintf("%s: %s", e.Key, e.Text))
		})
		if len(said) < 3 || said[0] != "cri/guest/vm-a: cloning from 9000" || !strings.Contains(strings.Join(said, "\n"), "growing rootfs from 4 to 8 GiB") {
			t.Errorf("%q", said)
		}
	})
}
