package proxmox

import (
	"slices"
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// tokenName is that of the token that restrict gives.
const tokenName = "provost@pve!gitops"

// seen are what a listing could not read, with the reasons, and the VMIDs of our guests in it.
func seen(t *testing.T, c *Cluster) (unknown, ours map[inventory.Key]string) {
	t.Helper()
	l, err := c.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unknown, ours = map[inventory.Key]string{}, map[inventory.Key]string{}
	for _, u := range l.Unknown {
		unknown[u.Prefix] = u.Reason
	}
	for _, item := range l.Items {
		if item.Key.Kind() == inventory.KindGuest {
			ours[item.Key] = item.Attrs["vmid"]
		}
	}
	return unknown, ours
}

// A guest that the token may not see any more looks in the resources like one that
// is gone. It stays listed as it was, and frozen, and nobody is told that it is gone.
func TestAGuestThatIsHidden(t *testing.T) {
	r := newRig(t, pvesim.Options{NoSSH: true})
	r.live(t, 3)
	r.restrict(t, rights)
	c := r.open(t)
	before := list(t, c)
	r.sim.SetPrivileges(tokenName, map[string][]string{"/": rights, "/pool/students": {}, "/vms/20001": {}})
	for pass := range 2 {
		unknown, ours := seen(t, c)
		if !strings.Contains(unknown["cri/guest/vm-01"], "may not see") || unknown["cri/power/vm-01"] == "" || len(unknown) != 2 {
			t.Errorf("pass %d: unknown are %v", pass, unknown)
		}
		if ours["cri/guest/vm-01"] != "20001" {
			t.Errorf("pass %d: what was known is lost: %v", pass, ours)
		}
	}
	for _, key := range []inventory.Key{"cri/guest/vm-01", "cri/power/vm-01"} {
		if o := apply(c, deletion(before[key])); o.State == inventory.StateDone || !strings.Contains(o.Error, "VM.Audit") {
			t.Errorf("%s: %v", key, o)
		}
	}
	r.sim.SetPrivileges(tokenName, map[string][]string{"/": rights})
	if unknown, _ := seen(t, c); len(unknown) != 0 {
		t.Errorf("with its rights back: %v", unknown)
	}
}

// A guest that is gone is asked about once, and not where provost deleted it.
func TestAGuestThatIsGone(t *testing.T) {
	r := newRig(t, pvesim.Options{NoSSH: true})
	r.live(t, 3)
	c, other := r.open(t), r.open(t)
	before := list(t, c)
	mustApply(t, other, deletion(before["cri/guest/vm-01"]))
	mustApply(t, c, deletion(before["cri/guest/vm-02"]))
	for pass := range 2 {
		r.sim.ForgetRequests()
		if unknown, ours := seen(t, c); len(unknown) != 0 || len(ours) != 1 {
			t.Errorf("pass %d: unknown are %v, ours %v", pass, unknown, ours)
		}
		if asked := r.askedFor("/cluster/nextid"); asked != 1-pass {
			t.Errorf("pass %d: asked %d times", pass, asked)
		}
	}
}

// A process that has just begun knows of no guest that could be missing.
func TestATokenThatDoesNotSeeAll(t *testing.T) {
	audit := func(s string) bool { return s == "VM.Audit" }
	for name, privileges := range map[string]map[string][]string{
		"none":       {},
		"pools only": {"/": slices.DeleteFunc(slices.Clone(rights), audit), "/pool/students": rights},
		"some":       {"/vms/20000": rights, "/nodes": rights},
		"all":        {"/": rights},
		"all guests": {"/vms": rights},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, pvesim.Options{NoSSH: true})
			r.live(t, 2)
			r.restrict(t, nil)
			r.sim.SetPrivileges(tokenName, privileges)
			unknown, _ := seen(t, r.open(t))
			if _, blind := unknown["cri/guest/?"]; blind == strings.HasPrefix(name, "all") {
				t.Errorf("unknown are %v", unknown)
			}
		})
	}
}

// A guest that moves between two requests is not on the node where it was.
func TestAGuestThatMovesWhileItIsRead(t *testing.T) {
	for name, known := range map[string]bool{"known": true, "never read": false} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, pvesim.Options{NoSSH: true})
			r.live(t, 3)
			c := r.open(t)
			if known {
				list(t, c)
				c.noteApplied() // all are read again
			}
			r.sim.Inject(pvesim.Fault{Method: "GET", Path: "/nodes/*/lxc/20001/config", Kind: pvesim.Refuse, Status: 500,
				Reason: "Configuration file 'nodes/pve2/lxc/20001.conf' does not exist"})
			unknown, ours := seen(t, c)
			if !strings.Contains(unknown["cri/guest/vm-01"], "moved") || known && ours["cri/guest/vm-01"] != "20001" {
				t.Errorf("unknown are %v, ours %v", unknown, ours)
			}
			if unknown, ours = seen(t, c); len(unknown) != 0 || len(ours) != 3 {
				t.Errorf("in the next pass unknown are %v, ours %v", unknown, ours)
			}
		})
	}
}

// A file that moves while tar reads may be in neither folder, and the resources do
// not show it where the token may not see the guest.
func TestAFileThatMovesWhileItIsRead(t *testing.T) {
	r := newRig(t, pvesim.Options{})
	r.live(t, 2)
	c := r.open(t)
	s, err := c.survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	files, err := c.ssh.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	delete(files.guests, "20001")
	s.guests, s.lines = map[string]guest{}, slices.DeleteFunc(s.lines, func(l line) bool { return l.vmid == "20001" })
	if c.join(t.Context(), s, files); s.guests["20001"].cfg == nil {
		t.Error("it is taken for gone")
	}
}

// Every cluster has a node. An answer without one is not about a cluster that is empty.
func TestAnAnswerWithoutNodes(t *testing.T) {
	r := newRig(t, pvesim.Options{NoSSH: true})
	r.opts.Transport = anything{"": []byte("[]"), "/version": []byte(`{"version":"9.1.6"}`)}
	if _, err := r.open(t).List(t.Context()); err == nil || !strings.Contains(err.Error(), "no node") {
		t.Errorf("%v", err)
	}
}

func (r *rig) askedFor(path string) (n int) {
	for _, req := range r.sim.Requests() {
		if req.Path == path {
			n++
		}
	}
	return n
}
