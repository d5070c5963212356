package proxmox

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
	"github.com/provost-dev/provost/inventory/untrusted"
)

// The requests of these tests are not checked (Unlogged) to be such as Proxmox would
// take: here it is the double that refuses them, by the schema.

// A description goes through the API into a file that is read over SSH and, where
// there is no SSH, through the API again: it comes back equal or is refused, and
// no other line of the file is touched by it.
func TestUntrustedDescriptions(t *testing.T) {
	for name, noSSH := range map[string]bool{"read as files": false, "read over the API": true} {
		t.Run(name, func(t *testing.T) {
			virtual(t, pvesim.Options{NoSSH: noSSH, Unlogged: true}, func(t *testing.T, r *rig) {
				c := r.open(t)
				made, _ := plain("vm-c", 20003)
				mustApply(t, c, creation(made))
				foreign := r.foreign()
				for _, u := range untrusted.Texts() {
					before := list(t, c)[made.Key]
					after := before.Clone()
					after.Attrs["description"] = u.Text
					outcome := apply(c, change(inventory.Update, before, after, "description"))
					live := list(t, c)[made.Key]
					if live.Owner != owner {
						t.Fatalf("%s: took the mark away: %q", u.Name, r.guest(t, 20003).Config["description"])
					}
					got := live.Attrs["description"]
					delete(live.Attrs, "description")
					delete(before.Attrs, "description")
					if !maps.Equal(live.Attrs, before.Attrs) {
						t.Errorf("%s: changed something else: %v, before %v", u.Name, live.Attrs, before.Attrs)
					}
					if outcome.State == inventory.StateFailed {
						clear(t, u, outcome.Error)
					} else if want := inventory.StripMark(u.Text); got != want {
						t.Errorf("%s: %s: %q became %q", u.Name, outcome.State, brief(want), brief(got))
					}
				}
				if r.foreign() != foreign {
					t.Error("something foreign was changed")
				}
			})
		})
	}
}

// Any other attribute is refused, or changes itself and nothing beside it.
func TestUntrustedAttributes(t *testing.T) {
	virtual(t, pvesim.Options{Unlogged: true}, func(t *testing.T, r *rig) {
		c := r.open(t)
		container, _ := plain("vm-c", 20003)
		qemu, _ := machine("vm-d", 20004)
		mustApply(t, c, creation(container))
		mustApply(t, c, creation(qemu))
		standing := list(t, c)
		for _, u := range untrusted.Texts() {
			for _, attr := range []string{"name", "cores", "tags", "pool", "features", "nameserver", "searchdomain", "onboot",
				"net0.bridge", "net0.name", "net0.mac", "net0.ip", "net0.gw", "net0.tag", "net0.model", "ciuser", "sshkeys", "node", "storage", "disk", "vmid", "type"} {
				made := container
				if attr == "ciuser" || attr == "sshkeys" || attr == "net0.model" {
					made = qemu
				}
				before, stood := standing[made.Key], r.sim.File(20003)+r.sim.File(20004)
				after := before.Clone()
				after.Attrs[attr] = u.Text
				ch := change(inventory.Update, before, after, attr)
				reason := c.Refuse(ch)
				outcome := apply(c, ch)
				if outcome.State == inventory.StateFailed {
					clear(t, u, outcome.Error)
				}
				if reason != "" {
					clear(t, u, reason)
				}
				if r.sim.File(20003)+r.sim.File(20004) == stood && attr != "node" && attr != "pool" {
					continue
				}
				live, there := list(t, c)[made.Key]
				if !there {
					t.Fatalf("%s in %s: lost the guest", u.Name, attr)
				}
				for name, was := range before.Attrs {
					if name != attr && live.Attrs[name] != was && !strings.HasPrefix(name+attr, "net0.gwnet0.ip") {
						t.Errorf("%s in %s: changed %s from %q to %q", u.Name, attr, name, was, brief(live.Attrs[name]))
					}
				}
				if now := live.Attrs[attr]; now != before.Attrs[attr] {
					mustApply(t, c, change(inventory.Update, live, before, attr))
				}
			}
		}
	})
}

// What names a path of the API never leads elsewhere.
func TestUntrustedCreations(t *testing.T) {
	virtual(t, pvesim.Options{Unlogged: true}, func(t *testing.T, r *rig) {
		c := r.open(t)
		list(t, c)
		foreign := r.foreign()
		r.sim.ForgetRequests()
		for _, u := range untrusted.Texts() {
			for _, attr := range []string{"node", "vmid", "type", "name", "storage", "disk", "create.base", "net0.bridge", "pool"} {
				if u.Text == "no" {
					continue // a good name for a machine
				}
				made, _ := plain("vm-c", 20003, attr, u.Text)
				if o := c.Apply(context.Background(), []inventory.Change{creation(made)}, nil)[0]; o.State == inventory.StateDone {
					t.Errorf("%s as %s: made", u.Name, attr)
				} else {
					clear(t, u, o.Error)
				}
			}
		}
		for _, req := range r.sim.Requests() {
			if req.Method != "GET" && !strings.HasPrefix(req.Path, "/nodes/pve3/lxc") {
				t.Errorf("wrote to %s %s", req.Method, req.Path)
			}
		}
		if r.foreign() != foreign {
			t.Error("something foreign was changed")
		}
	})
}

// clear demands an error that says something and can be shown.
func clear(t *testing.T, u untrusted.Text, text string) {
	t.Helper()
	if r := untrusted.Obeyed(text); r >= 0 || len(text) < 10 || len(text) > 1000 {
		t.Errorf("%s: the error is %q", u.Name, brief(text))
	}
}

func brief(s string) string { return truncate(s, 200) }
