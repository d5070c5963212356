package proxmox

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

func TestOwedIsRead(t *testing.T) {
	for word, want := range map[string]owed{
		"new": {}, "new@pve1@1763732400": {"pve1", 1763732400}, "new@@5": {"", 5},
	} {
		if got, ok := parseOwed(word); !ok || got != want {
			t.Errorf("%q is %+v, %t", word, got, ok)
		}
	}
	for _, word := range []string{"", "done", "ran", "new@", "new@pve1", "new@pve1@", "new@pve1@x", "new@pve1@-5", "new@pve1@0", "newer@pve1@5"} {
		if got, ok := parseOwed(word); ok {
			t.Errorf("%q is %+v", word, got)
		}
	}
}

// hand does what people do with machines, on a double whose tasks take no time.
type hand struct {
	*testing.T
	*rig
	c *Cluster
}

func (h hand) do(path string, p params) {
	h.Helper()
	u, err := h.c.api.post(h.Context(), path, p)
	if err == nil {
		err = h.c.wait(h.Context(), u)
	}
	if err != nil {
		h.Fatal(err)
	}
}

func (h hand) start(node string) { h.Helper(); h.do("/nodes/"+node+"/lxc/20001/status/start", nil) }
func (h hand) stop(node string)  { h.Helper(); h.do("/nodes/"+node+"/lxc/20001/status/stop", nil) }

func (h hand) migrate(from, to string) {
	h.Helper()
	h.do("/nodes/"+from+"/lxc/20001/migrate", params{"target": to})
}

func (h hand) remove() {
	h.Helper()
	u, err := h.c.api.delete(h.Context(), "/nodes/pve1/lxc/20001")
	if err != nil || h.c.wait(h.Context(), u) != nil {
		h.Fatal(err)
	}
}

// busy has a node do n other things.
func (h hand) busy(node string, n int) {
	h.Helper()
	vmid := map[string]int{"pve1": 701, "pve2": 702}[node]
	if _, there := h.sim.Guest(vmid); !there {
		err := h.sim.AddGuest(pvesim.Guest{VMID: vmid, Node: node, Type: "lxc", Config: map[string]string{
			"hostname": "busy", "ostype": "debian", "arch": "amd64", "rootfs": fmt.Sprintf("ceph:vm-%d-disk-0,size=8G", vmid)}})
		if err != nil {
			h.Fatal(err)
		}
	}
	for i := range n {
		verb := []string{"start", "stop"}[i%2]
		if _, err := h.c.api.post(h.Context(), fmt.Sprintf("/nodes/%s/lxc/%d/status/%s", node, vmid, verb), nil); err != nil {
			h.Fatal(err)
		}
	}
}

// reword replaces what the mark says of the first start.
func (h hand) reword(word string) {
	h.Helper()
	at := ref{"20001", "lxc", "pve1"}
	cfg, err := h.c.config(h.Context(), at)
	if err != nil {
		h.Fatal(err)
	}
	m, _ := inventory.ParseMark(cfg["description"])
	m.Extra[markBoot] = word
	if _, err := h.c.api.put(h.Context(), at.path()+"/config", params{"description": inventory.WithMark("", m)}); err != nil {
		h.Fatal(err)
	}
}

// logs counts the requests for the tasks of a node.
func (r *rig) logs() (n int) {
	for _, req := range r.sim.Requests() {
		if strings.HasPrefix(req.Path, "/nodes/") && strings.HasSuffix(req.Path, "/tasks") {
			n++
		}
	}
	return n
}

// What a new process finds of a machine that was made on pve1 and not started by
// provost, and what it has to ask for that.
func TestWhetherTheFirstStartWasMade(t *testing.T) {
	const forgetting = 1400 // tasks
	for name, tt := range map[string]struct {
		since func(hand)
		boot  string // "" when nobody can tell
		logs  int
	}{
		"nothing":                         {func(h hand) {}, "new", 1},
		"it runs":                         {func(h hand) { h.start("pve1") }, "done", 0},
		"its owner stopped it":            {func(h hand) { h.start("pve1"); h.stop("pve1") }, "ran", 0},
		"long ago":                        {func(h hand) { h.start("pve1"); h.stop("pve1"); h.busy("pve1", 60) }, "ran", 1},
		"longer ago":                      {func(h hand) { h.start("pve1"); h.stop("pve1"); h.busy("pve1", 500) }, "ran", 2},
		"so long that it is forgotten":    {func(h hand) { h.start("pve1"); h.stop("pve1"); h.busy("pve1", forgetting) }, "ran", 2},
		"never, but who can tell":         {func(h hand) { h.busy("pve1", forgetting) }, "ran", 2},
		"never, on a new node":            {func(h hand) { h.busy("pve1", 500) }, "new", 2},
		"never, on a busy node":           {func(h hand) { h.busy("pve1", 700) }, "new", 2},
		"never, while others are busy":    {func(h hand) { h.busy("pve2", forgetting) }, "new", 1},
		"never, while others are offline": {func(h hand) { h.sim.NodeDown("pve2") }, "new", 1},
		"its start failed": {func(h hand) {
			h.sim.Inject(pvesim.Fault{Method: "POST", Path: "/nodes/*/lxc/20001/status/start", Kind: pvesim.FailTask, Reason: "hook failed"})
			if _, err := h.c.api.post(h.Context(), "/nodes/pve1/lxc/20001/status/start", nil); err != nil {
				h.Fatal(err)
			}
		}, "new", 1},
		"another of that VMID was started": {func(h hand) {
			h.start("pve1")
			h.stop("pve1")
			h.remove()
			guest, _ := container("vm-a", 20001)
			mustApply(h.T, h.open(h.T), creation(guest))
		}, "new", 1},
		"it was away, and started there": {func(h hand) {
			h.migrate("pve1", "pve2")
			h.start("pve2")
			h.stop("pve2")
			h.migrate("pve2", "pve1")
			h.busy("pve2", 60)
		}, "ran", 2},
		"it is elsewhere":                      {func(h hand) { h.migrate("pve1", "pve2") }, "new", 3},
		"it is elsewhere, its node offline":    {func(h hand) { h.migrate("pve1", "pve2"); h.sim.NodeDown("pve1") }, "", 2},
		"it is elsewhere, its node has forgot": {func(h hand) { h.migrate("pve1", "pve2"); h.busy("pve1", forgetting) }, "ran", 4},
		"the log cannot be read": {func(h hand) {
			h.sim.Inject(pvesim.Fault{Method: "GET", Path: "/nodes/pve1/tasks", Kind: pvesim.Refuse, Status: 500, Reason: "no"})
		}, "", 1},
		"a week":                              {func(h hand) { time.Sleep(firstStartWithin + time.Minute) }, "ran", 0},
		"an old mark":                         {func(h hand) { h.reword("new") }, "new", 3},
		"an old mark of one that was started": {func(h hand) { h.reword("new"); h.start("pve1"); h.stop("pve1"); h.busy("pve1", 60) }, "ran", 1},
		"a mark that nobody understands":      {func(h hand) { h.reword("new@pve1") }, "done", 0},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
				guest, power := container("vm-a", 20001)
				hand{t, r, r.open(t)}.busy("pve1", 10)
				time.Sleep(time.Minute)
				mustApply(t, r.open(t), creation(guest))
				time.Sleep(time.Minute)
				tt.since(hand{t, r, r.open(t)})
				time.Sleep(time.Minute)
				r.sim.ForgetRequests()
				l, err := r.open(t).List(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if n := r.logs(); n != tt.logs {
					t.Errorf("%d requests for logs, want %d", n, tt.logs)
				}
				if boot := bootIn(l, power.Key); boot != tt.boot {
					t.Errorf("boot is %q, want %q: %v", boot, tt.boot, l.Unknown)
				}
			})
		})
	}
}

// bootIn is what a listing says of a first start; "" when it is unknown.
func bootIn(l inventory.Listing, power inventory.Key) string {
	for _, u := range l.Unknown {
		if power.Under(u.Prefix) {
			return ""
		}
	}
	for _, r := range l.Items {
		if r.Key == power {
			return r.Attrs["boot"]
		}
	}
	return "not there"
}

// A machine that its owner switched off before any pass looked stays off, and its
// mark forgets the first start by one write, which the log has no part in.
func TestAFirstStartIsForgottenOnce(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		guest, power := container("vm-a", 20001)
		c := r.open(t)
		mustApply(t, c, creation(guest))
		mustApply(t, c, creation(power))
		hand{t, r, c}.stop("pve1")
		time.Sleep(time.Minute)
		c = r.open(t)
		before := list(t, c)[power.Key]
		after := before.Clone()
		after.Attrs["boot"] = bootDone
		r.sim.ForgetRequests()
		mustApply(t, c, change(inventory.Update, before, after, "boot"))
		if want := []string{"PUT /nodes/pve1/lxc/20001/config"}; fmt.Sprint(r.written()) != fmt.Sprint(want) {
			t.Errorf("wrote %v, want %v", r.written(), want)
		}
		if n := len(r.sim.Requests()); n != 2 {
			t.Errorf("%d requests for one write", n)
		}
		if now := list(t, r.open(t))[power.Key]; now.Attrs["boot"] != bootDone || now.Attrs["state"] != "stopped" {
			t.Errorf("power is %v", now.Attrs)
		}
		mustApply(t, c, change(inventory.Update, before, after, "boot"))
		if r.writes() != 1 {
			t.Errorf("wrote again: %v", r.written())
		}
	})
}

// Its owner switches it on again while that is written: it stays on.
func TestForgettingStopsNothing(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		guest, power := container("vm-a", 20001)
		c := r.open(t)
		mustApply(t, c, creation(guest))
		mustApply(t, c, creation(power))
		h := hand{t, r, c}
		h.stop("pve1")
		time.Sleep(time.Minute)
		before := list(t, c)[power.Key]
		after := before.Clone()
		after.Attrs["boot"] = bootDone
		h.start("pve1")
		mustApply(t, c, change(inventory.Update, before, after, "boot"))
		if r.guest(t, 20001).Status != "running" {
			t.Error("it was stopped")
		}
	})
}

// Nothing is written for a first start that was made, until something is written.
func TestAFirstStartIsForgottenByTheWay(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		guest, power := container("vm-a", 20001)
		c := r.open(t)
		mustApply(t, c, creation(guest))
		mustApply(t, c, creation(power))
		text := func() string { return r.guest(t, 20001).Config["description"] }
		if !strings.Contains(text(), "boot=new@pve1@") {
			t.Errorf("the mark is %q", text())
		}
		before := list(t, c)[guest.Key]
		writes := r.writes()
		mustApply(t, c, creation(guest))
		if r.writes() != writes {
			t.Errorf("wrote %v", r.written()[writes:])
		}
		after := before.Clone()
		after.Attrs["description"] = "moved house"
		mustApply(t, c, change(inventory.Update, before, after, "description"))
		if strings.Contains(text(), "boot=") || !strings.Contains(text(), "moved house") {
			t.Errorf("the mark is %q", text())
		}
	})
}

// A plan that is older than the start: what ran since, and was switched off, is
// not started for its first time again.
func TestAnOldPlanStartsNothingTwice(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		guest, power := container("vm-a", 20001)
		power.Attrs = inventory.Attrs{"boot": "done"}
		c := r.open(t)
		mustApply(t, c, creation(guest))
		h := hand{t, r, c}
		h.start("pve1")
		time.Sleep(time.Minute)
		list(t, c) // sees it run
		h.stop("pve1")
		mustApply(t, c, creation(power))
		if r.guest(t, 20001).Status != "stopped" {
			t.Error("it was started")
		}
	})
}

// A machine that ran when it was retired runs again when it comes back, a month and
// many tasks later; one that its owner had switched off does not.
func TestComingBackIsAFirstStart(t *testing.T) {
	for _, runs := range []bool{true, false} {
		t.Run(fmt.Sprintf("running=%t", runs), func(t *testing.T) {
			virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
				guest, power := container("vm-a", 20001)
				c := r.open(t)
				mustApply(t, c, creation(guest))
				mustApply(t, c, creation(power))
				if !runs {
					hand{t, r, c}.stop("pve1")
					time.Sleep(time.Minute)
				}
				live := list(t, c)[guest.Key]
				retired := live.Clone()
				retired.Attrs["retired"], retired.Attrs["retain"] = "2000-01-01", "60"
				want := bootDone
				if runs {
					retired.Attrs["boot"], want = "new", bootNew
				}
				mustApply(t, c, change(inventory.Update, live, retired, "retired", "retain"))
				stopped := inventory.Resource{Key: power.Key, Owner: owner, Attrs: inventory.Attrs{"state": "stopped"}}
				mustApply(t, c, change(inventory.Update, power, stopped, "state"))

				time.Sleep(30 * 24 * time.Hour)
				hand{t, r, c}.busy("pve1", 1400)
				time.Sleep(time.Minute)
				c = r.open(t)
				r.sim.ForgetRequests()
				items := list(t, c)
				if got := items[power.Key].Attrs["boot"]; got != want || r.logs() != 0 {
					t.Errorf("boot is %q, want %q, after %d looks at logs", got, want, r.logs())
				}
				back := items[guest.Key].Clone()
				back.Attrs["retired"], back.Attrs["retain"] = "", ""
				mustApply(t, c, change(inventory.Update, items[guest.Key], back, "retired", "retain"))
				// Cut off here: the next process goes on.
				if got := list(t, r.open(t))[power.Key].Attrs["boot"]; got != want {
					t.Errorf("back again, boot is %q, want %q", got, want)
				}
			})
		})
	}
}
