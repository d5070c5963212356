package proxmox

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
	"github.com/provost-dev/provost/reconciler/plan"
)

// being is a guest of a campus that was drawn: what it is, whether it is declared, and
// what happens to it when the first listing was made and when the plan was.
type being struct {
	What, Type, Lock, Seen, Planned string
	Running, Retired, Declared      bool
}

// world is a campus and what goes wrong on it.
type world struct {
	Beings  []being
	NoSSH   bool
	Fresh   bool // the process that plans has never listed before
	Down    string
	Reading []pvesim.Fault // while it is listed
	Writing []pvesim.Fault // while it is changed
	Days    int            // that undeclared guests are kept
	Stopped time.Duration  // when the process is, 0 for never
}

func drawBeing(t *rapid.T) being {
	pick := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, name) }
	return being{
		What:    pick("what", "ours", "ours", "ours", "ours", "unmarked", "campus", "cluster", "cloned", "damaged", "template", "double", "half"),
		Type:    pick("type", "lxc", "lxc", "qemu"),
		Lock:    pick("lock", "", "", "", "", "backup", "migrate", "create", "disk"),
		Seen:    pick("seen", "", "", "", "hidden", "moved"),
		Planned: pick("planned", "", "", "", "disowned", "copied", "template", "moved", "retired"),
		Running: rapid.Bool().Draw(t, "running"), Retired: rapid.Bool().Draw(t, "retired"), Declared: rapid.Bool().Draw(t, "declared"),
	}
}

func drawFault(t *rapid.T) pvesim.Fault {
	path := rapid.SampledFrom([]string{"/nodes/*/*/*/config", "/nodes/*/*/*", "/nodes/*/*/*/status/*", "/nodes/*/*/*/clone", "/nodes/*/*",
		"/cluster/resources", "/cluster/tasks", "/cluster/nextid"}).Draw(t, "path")
	f := pvesim.Fault{Path: path, Skip: rapid.IntRange(0, 6).Draw(t, "skip"), Times: rapid.SampledFrom([]int{1, 3, -1}).Draw(t, "times")}
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		f.Kind, f.Status, f.Reason = pvesim.Refuse, 500, "got timeout"
	case 1:
		f.Kind, f.Status, f.Reason = pvesim.Refuse, 403, "Permission check failed"
	case 2:
		f.Kind, f.Status, f.Reason = pvesim.Refuse, 596, "Connection timed out"
	case 3:
		f.Kind, f.Status, f.Reason = pvesim.Refuse, 500, "Configuration file 'nodes/pve1/lxc/1.conf' does not exist"
	case 4:
		f.Kind = pvesim.DropAnswer
	case 5:
		f.Kind, f.Reason = pvesim.FailTask, "no space left on device"
	}
	return f
}

func drawWorld(t *rapid.T) world {
	faults := rapid.SliceOfN(rapid.Custom(drawFault), 0, 3)
	return world{
		Beings: rapid.SliceOfN(rapid.Custom(drawBeing), 1, 8).Draw(t, "beings"),
		NoSSH:  rapid.Bool().Draw(t, "noSSH"), Fresh: rapid.Bool().Draw(t, "fresh"),
		Down:    rapid.SampledFrom([]string{"", "", "", "pve2"}).Draw(t, "down"),
		Reading: faults.Draw(t, "reading"), Writing: faults.Draw(t, "writing"),
		Days:    rapid.SampledFrom([]int{0, 30}).Draw(t, "days"),
		Stopped: time.Duration(rapid.IntRange(0, 8).Draw(t, "stopped")) * time.Second,
	}
}

// Whatever there is and whatever goes wrong: what does not carry our mark stays as it
// is; what is declared stays there; and what a listing does not show is not taken for
// gone, by which what hangs on it would go.
func TestNothingOfOthersAndNothingUnseen(t *testing.T) {
	few(t)
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		var broken []string
		synctest.Test(t, func(t *testing.T) { broken = w.live(t) })
		if len(broken) > 0 {
			rt.Fatal(strings.Join(broken, "\n"))
		}
	})
}

// few makes a property that costs much be checked seldom where nobody asks for more.
func few(t *testing.T) {
	checks := flag.Lookup("rapid.checks")
	before := checks.Value.String()
	if before != checks.DefValue {
		return
	}
	if err := checks.Value.Set("30"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = checks.Value.Set(before) }) // what it was it takes
}

// live plays it, and tells what was broken.
func (w world) live(t *testing.T) (broken []string) {
	costs := pvesim.Costs{FullClone: 2 * time.Second, LinkedClone: time.Second, Start: time.Second, Stop: time.Second, Destroy: time.Second}
	r := newVirtualRig(t, pvesim.Options{NoSSH: w.NoSSH, Costs: costs})
	w.settle(t, r)
	r.restrict(t, rights)
	c := r.open(t)
	first, err := c.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if w.Fresh {
		c = r.open(t)
	}
	w.happen(r, func(b being) string { return b.Seen })
	r.inject(w.Reading)
	l, err := c.List(t.Context())
	r.sim.ClearFaults()
	if err != nil {
		return nil // then nothing is planned either
	}
	p := w.plan(first.Items, l)
	broken = w.orphaned(p, r)
	w.happen(r, func(b being) string { return b.Planned })
	foreign := r.states(func(g pvesim.Guest) bool { return !isOurs(g) })
	declared := r.states(func(g pvesim.Guest) bool { return isOurs(g) && w.declares(g.VMID) })
	r.inject(w.Writing)
	w.apply(t, c, p)
	time.Sleep(time.Hour) // until all tasks have ended
	for vmid, before := range foreign {
		if now := r.state(vmid); now != before {
			broken = append(broken, fmt.Sprintf("%d is not ours and was changed:\n%s\nis now:\n%s", vmid, before, now))
		}
	}
	for vmid := range declared {
		if r.state(vmid) == "" {
			broken = append(broken, fmt.Sprintf("%d is declared and gone", vmid))
		}
	}
	return broken
}

// settle puts the beings there.
func (w world) settle(t *testing.T, r *rig) {
	for i, b := range w.Beings {
		vmid := 20000 + i
		m := inventory.Mark{Key: inventory.Key(fmt.Sprintf("cri/guest/vm-%02d", i)), Owner: owner, Extra: map[string]string{"vmid": strconv.Itoa(vmid)}}
		if b.Retired {
			m.Extra["retired"], m.Extra["retain"] = "2026-01-01", "30"
		}
		text := "by hand\n\n"
		switch b.What {
		case "campus":
			m.Owner.Campus = "elsewhere"
		case "cluster":
			m.Key = inventory.Key(fmt.Sprintf("paris/guest/vm-%02d", i))
		case "cloned":
			m.Extra["vmid"] = "20099"
		case "double":
			m.Key = "cri/guest/vm-00"
		case "half":
			m.Extra["raw"] = "1"
		case "damaged":
			text += m.String() + " vmid=1" // twice
		}
		if text += m.String(); b.What == "unmarked" {
			text = "nobody's"
		}
		config := map[string]string{"hostname": fmt.Sprintf("vm-%02d", i), "memory": "512", "rootfs": fmt.Sprintf("ceph:vm-%d-disk-0,size=8G", vmid)}
		if b.Type == "qemu" {
			config = map[string]string{"name": fmt.Sprintf("vm-%02d", i), "memory": "512", "scsi0": fmt.Sprintf("ceph:vm-%d-disk-0,size=8G", vmid), "boot": "order=scsi0"}
		}
		if b.What == "half" {
			delete(config, "rootfs")
			delete(config, "scsi0")
		}
		config["description"], config["tags"] = text, "provost"
		g := pvesim.Guest{VMID: vmid, Node: fmt.Sprintf("pve%d", i%3+1), Type: b.Type, Config: config, Template: b.What == "template", Pool: "students"}
		if b.Running && !g.Template && b.What != "half" {
			g.Status = "running"
		}
		if err := r.sim.AddGuest(g); err != nil {
			t.Fatal(err)
		}
		r.sim.HoldLock(vmid, b.Lock)
	}
}

// happen lets happen to each being what it says, and a node go.
func (w world) happen(r *rig, what func(being) string) {
	hidden := map[string][]string{"/": rights, "/pool/students": {}}
	for i, b := range w.Beings {
		vmid := 20000 + i
		file := r.sim.File(vmid)
		switch what(b) {
		case "hidden":
			hidden["/vms/"+strconv.Itoa(vmid)] = []string{}
		case "moved":
			r.sim.Move(vmid, "pve3")
		case "disowned":
			file = strings.ReplaceAll(file, "provost: ", "once ours ")
			file = strings.ReplaceAll(file, "provost%3A ", "once ours ")
		case "copied":
			file = strings.ReplaceAll(file, "vmid="+strconv.Itoa(vmid), "vmid=20098")
		case "template":
			file += "template: 1\n"
		case "retired":
			file = strings.ReplaceAll(file, "retired=2026-01-01", "retired=2026-02-02")
		}
		if file != r.sim.File(vmid) {
			_ = r.sim.EditFile(vmid, file)
		}
	}
	switch {
	case len(hidden) == 2:
	case w.Fresh: // it can only know that it does not see all
		r.sim.SetPrivileges(tokenName, map[string][]string{"/": slices.DeleteFunc(slices.Clone(rights), func(s string) bool { return s == "VM.Audit" })})
	default:
		r.sim.SetPrivileges(tokenName, hidden)
	}
	if w.Down != "" {
		r.sim.NodeDown(w.Down)
	}
}

func (w world) declares(vmid int) bool {
	i := vmid - 20000
	return i >= 0 && i < len(w.Beings) && w.Beings[i].Declared && w.Beings[i].What != "half"
}

// plan is what a pass would do: what is declared is to have more memory, and besides
// somebody declares guests on VMIDs that others have. Each guest has a record.
func (w world) plan(first []inventory.Resource, l inventory.Listing) plan.Plan {
	var desired []inventory.Resource
	live := slices.Clone(l.Items)
	for _, item := range first {
		vmid := number(item.Attrs["vmid"])
		if item.Owner.IsZero() || item.Key.Kind() != inventory.KindGuest || !w.declares(vmid) {
			continue
		}
		want := item.Clone()
		for _, attr := range []string{"lock", "raw", "stale", "pending", "retain"} {
			delete(want.Attrs, attr)
		}
		want.Attrs["memory"], want.Attrs["retired"] = "1024", ""
		power := inventory.Resource{Key: inventory.MakeKey("cri", inventory.KindPower, item.Key.Name()), Attrs: inventory.Attrs{"state": "running"}, Owner: owner}
		desired = append(desired, want, power)
	}
	for i := range w.Beings {
		thief, _ := container(fmt.Sprintf("thief-%d", i), 20000+i)
		desired = append(desired, thief)
		live = append(live, recordOf(i))
	}
	p := plan.Diff(plan.Input{Desired: desired, Live: live, Unknown: l.Unknown})
	p = plan.Retain(p, live, plan.Retention{Day: "2026-11-21", Days: func(inventory.Owner) int { return w.Days }, Unread: l.Unknown})
	return p.BlockDependants()
}

func recordOf(i int) inventory.Resource {
	return inventory.Resource{Key: inventory.Key(fmt.Sprintf("ad/record/vm-%02d.etu.isima.fr/A", i)), Attrs: inventory.Attrs{"value": "10.0.0.1"}, Owner: owner}
}

// orphaned tells which records would go although their guest is there and stays.
func (w world) orphaned(p plan.Plan, r *rig) (broken []string) {
	goes := map[inventory.Key]bool{}
	for _, s := range p.Steps {
		goes[s.Key] = s.Action == inventory.Delete && !s.Blocked()
	}
	for i, b := range w.Beings {
		guest := inventory.Key(fmt.Sprintf("cri/guest/vm-%02d", i))
		if g, there := r.sim.Guest(20000 + i); there && isOurs(g) && b.What == "ours" && goes[recordOf(i).Key] && !goes[guest] && !b.Declared {
			broken = append(broken, fmt.Sprintf("the record of %s would go, and %d is there and stays", guest, g.VMID))
		}
	}
	return broken
}

// apply makes the changes, those that others need first, until the process is stopped.
func (w world) apply(t *testing.T, c *Cluster, p plan.Plan) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if w.Stopped > 0 {
		defer time.AfterFunc(w.Stopped, cancel).Stop()
	}
	changes := slices.DeleteFunc(p.Ready(), func(ch inventory.Change) bool { return ch.Key.System() != "cri" })
	for range 2 { // once, and those that were to be tried again
		for _, kind := range []string{inventory.KindPower, inventory.KindGuest, inventory.KindPower} {
			of := slices.DeleteFunc(slices.Clone(changes), func(ch inventory.Change) bool { return ch.Key.Kind() != kind })
			c.Apply(ctx, of, func(inventory.Event) {})
		}
	}
}

// isOurs judges by itself, so that it does not err along with what it judges.
func isOurs(g pvesim.Guest) bool {
	m, ok := inventory.ParseMark(g.Config["description"])
	return ok && !g.Template && m.Owner.Campus == "isima" && strings.HasPrefix(string(m.Key), "cri/guest/") && m.Extra["vmid"] == strconv.Itoa(g.VMID)
}

func (r *rig) inject(faults []pvesim.Fault) {
	for _, f := range faults {
		r.sim.Inject(f)
	}
}

// state is all that somebody could have changed of a guest, "" if there is none. Of a
// template that is cloned the lock comes and goes.
func (r *rig) state(vmid int) string {
	g, there := r.sim.Guest(vmid)
	if !there {
		return ""
	}
	file := r.sim.File(vmid)
	if g.Template {
		file = strings.ReplaceAll(file, "lock: disk\n", "")
	}
	return fmt.Sprintf("%s %s %s %s\n%s", g.Type, g.Node, g.Pool, g.Status, file)
}

func (r *rig) states(pick func(pvesim.Guest) bool) map[int]string {
	states := map[int]string{}
	for _, g := range r.sim.Guests() {
		if pick(g) {
			states[g.VMID] = r.state(g.VMID)
		}
	}
	return states
}
