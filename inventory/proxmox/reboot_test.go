package proxmox

import (
	"slices"
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
		noSSH       bool
	}{
		"container":              {container, "nameserver", "10.0.0.99", "nameserver", false},
		"machine":                {machine, "cores", "8", "cores", false},
		"container, without SSH": {container, "nameserver", "10.0.0.99", "nameserver", true},
		"machine, without SSH":   {machine, "cores", "8", "cores", true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, pvesim.Options{NoSSH: c.noSSH})
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

// asked are the guests of which it was asked what waits for their next start.
func (r *rig) asked() []string {
	var vmids []string
	for _, req := range r.sim.Requests() {
		if rest, ok := strings.CutSuffix(req.Path, "/pending"); ok {
			vmids = append(vmids, rest[strings.LastIndexByte(rest, '/')+1:])
		}
	}
	return vmids
}

// Without SSH only the guests are asked that were changed in place and run, in each
// pass until nothing waits any more, by a new process too. Those that were changed by
// somebody else, or take it at once, are not; nor is one that is not ours any more.
func TestWithoutSSHOnlyWhatWasChangedIsAsked(t *testing.T) {
	r := newRig(t, pvesim.Options{NoSSH: true})
	cluster := r.open(t)
	var guests []inventory.Resource
	for i, name := range []string{"vm-changed", "vm-tagged", "vm-by-hand", "vm-stopped"} {
		guest, power := container(name, 20100+i)
		mustApply(t, cluster, creation(guest))
		if name != "vm-stopped" {
			mustApply(t, cluster, creation(power))
		}
		guests = append(guests, guest)
	}
	live := list(t, cluster)
	if asked := r.asked(); len(asked) > 0 {
		t.Errorf("asked about new guests: %v", asked)
	}
	edit := func(i int, attr, value string) {
		next := guests[i].Clone()
		next.Attrs[attr] = value
		mustApply(t, cluster, change(inventory.Update, live[guests[i].Key], next, attr))
	}
	edit(0, "nameserver", "10.0.0.99")
	edit(1, "tags", "lab;provost")
	edit(3, "nameserver", "10.0.0.99")
	if err := r.sim.EditFile(20102, r.sim.File(20102)+"\n[pve:pending]\nnameserver: 10.0.0.98\n"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Cluster{cluster, r.open(t)} {
		r.sim.ForgetRequests()
		live = list(t, c)
		if asked := r.asked(); !slices.Equal(asked, []string{"20100"}) {
			t.Errorf("asked about %v", asked)
		}
		if got := live[guests[0].Key].Attrs["pending"]; got != "nameserver" {
			t.Errorf("pending %q", got)
		}
	}
	mustApply(t, cluster, rebootOf(live[guests[0].Key]))
	if live = list(t, cluster); live[guests[0].Key].Attrs["pending"] != "" {
		t.Error("it waits still")
	}
	r.sim.ForgetRequests()
	list(t, cluster)
	if asked := r.asked(); len(asked) > 0 {
		t.Errorf("asked after the restart: %v", asked)
	}
	edit(0, "nameserver", "10.0.0.97")
	if err := r.sim.EditFile(20100, strings.ReplaceAll(r.sim.File(20100), "campus=isima", "campus=other")); err != nil {
		t.Fatal(err)
	}
	r.sim.ForgetRequests()
	list(t, cluster)
	if asked := r.asked(); len(asked) > 0 || len(cluster.changed()) > 0 {
		t.Errorf("asked about somebody else's: %v, noted %v", asked, cluster.changed())
	}
}
