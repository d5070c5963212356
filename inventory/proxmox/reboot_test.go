package proxmox

import (
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// What waits for the next start is listed, one restart makes it so, and another
// does nothing.
func TestReboot(t *testing.T) {
	for name, c := range map[string]struct {
		make        func(string, int, ...string) (guest, power inventory.Resource)
		attr, value string
		option      string
	}{
		"container": {container, "nameserver", "10.0.0.99", "nameserver"},
		"machine":   {machine, "cores", "8", "cores"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, pvesim.Options{})
			cluster := r.open(t)
			guest, power := c.make("vm-r", 20100)
			mustApply(t, cluster, creation(guest))
			mustApply(t, cluster, creation(power))
			live := list(t, cluster)[guest.Key]
			if live.Attrs["pending"] != "" {
				t.Fatalf("a machine that was started now waits for %s", live.Attrs["pending"])
			}
			next := guest.Clone()
			next.Attrs[c.attr] = c.value
			mustApply(t, cluster, change(inventory.Update, live, next, c.attr))
			live = list(t, cluster)[guest.Key]
			if live.Attrs[c.attr] != c.value || live.Attrs["pending"] != c.option {
				t.Fatalf("%s is %q, pending %q", c.attr, live.Attrs[c.attr], live.Attrs["pending"])
			}
			if again := list(t, r.open(t))[guest.Key]; again.Attrs["pending"] != c.option {
				t.Errorf("a new process sees %q", again.Attrs["pending"])
			}

			reboot := rebootOf(live)
			mustApply(t, cluster, reboot)
			g := r.guest(t, 20100)
			if live = list(t, cluster)[guest.Key]; live.Attrs["pending"] != "" || g.Status != "running" || !strings.Contains(g.Config[c.option], c.value) {
				t.Errorf("pending %q, %s, %s", live.Attrs["pending"], g.Status, g.Config[c.option])
			}
			writes := r.writes()
			mustApply(t, cluster, reboot)
			if r.writes() != writes {
				t.Errorf("restarted once more: %v", r.written()[writes:])
			}
		})
	}
}

func rebootOf(guest inventory.Resource) inventory.Change {
	key := inventory.MakeKey(guest.Key.System(), inventory.KindReboot, guest.Key.Name())
	before := inventory.Resource{Key: key, Owner: guest.Owner, Attrs: inventory.Attrs{"pending": guest.Attrs["pending"]}}
	after := inventory.Resource{Key: key, Owner: guest.Owner, Attrs: inventory.Attrs{"pending": ""}}
	return change(inventory.Update, before, after, "pending")
}

// What does not carry our mark is not restarted, and what was restarted in vain is
// not restarted for the same again.
func TestRebootIsRefused(t *testing.T) {
	r := newRig(t, pvesim.Options{})
	cluster := r.open(t)
	guest, power := container("vm-r", 20100)
	mustApply(t, cluster, creation(guest))
	mustApply(t, cluster, creation(power))
	live := list(t, cluster)[guest.Key]
	live.Attrs["pending"] = "nameserver"
	reboot := rebootOf(live)
	if reason := cluster.Refuse(reboot); reason != "" {
		t.Errorf("refused: %s", reason)
	}
	cluster.restartedInVain("20100", "nameserver")
	if reason := cluster.Refuse(reboot); !strings.Contains(reason, "does not take that") {
		t.Errorf("it would be restarted once more: %q", reason)
	}
	file := r.sim.File(20100)
	if err := r.sim.EditFile(20100, strings.ReplaceAll(file, "campus=isima", "campus=other")+"\n[pve:pending]\nnameserver: 10.0.0.99\n"); err != nil {
		t.Fatal(err)
	}
	writes := r.writes()
	if o := apply(cluster, reboot); o.State == inventory.StateDone || r.writes() != writes {
		t.Errorf("%+v, and wrote %v", o, r.written()[writes:])
	}
}
