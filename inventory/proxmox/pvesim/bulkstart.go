package pvesim

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim/schema"
)

// A bulk start is a worker that is a client itself: as the token that asked, it
// looks at one guest after the other, starts it by a request and a task of its
// own, and looks each second which of these have ended. So says
// PVE::API2::Cluster::BulkAction::Guest.
const bulkPause = time.Second

// bulkStart starts guests of the whole cluster.
func (k *call) bulkStart() (any, error) {
	var guests []*guest
	for _, word := range schema.SplitList(k.str("vms")) {
		vmid, err := strconv.Atoi(word)
		if err != nil {
			return nil, die("'%s' is not a VMID", word)
		}
		if err := k.need("/vms/"+word, "VM.PowerMgmt"); err != nil {
			return nil, err
		}
		if g := k.c.guests[vmid]; g != nil {
			guests = append(guests, g)
		}
	}
	slices.SortFunc(guests, func(a, b *guest) int { return cmp.Compare(a.vmid, b.vmid) })
	b := &bulk{c: k.c, who: k.who, guests: guests, most: max(k.num("max-workers"), k.num("maxworkers"))}
	if b.most < 1 {
		b.most = 4 // as the schema says
	}
	j := job{kind: "bulk-start", end: b.all}
	if !busy(k.c.costs.Start).none() {
		j = job{kind: "bulk-start", run: b.run, end: func(*task) error { return b.verdict() }}
	}
	return k.spawn(j)
}

// bulk is one bulk start under way.
type bulk struct {
	c      *Cluster
	who    *identity
	guests []*guest
	most   int // at once
	under  []started
	failed []string
}

// started is a guest whose task the bulk start waits for.
type started struct {
	guest *guest
	upid  string
}

func (b *bulk) verdict() error {
	if len(b.failed) > 0 {
		return die("Some guests failed to start: %s", strings.Join(b.failed, ", "))
	}
	return nil
}

// run goes from guest to guest, without the lock.
func (b *bulk) run(t *task) error {
	for i, g := range b.guests {
		if i > 0 && !b.c.sleep(b.c.costsNow().Bulk) {
			return nil
		}
		for len(b.under) >= b.most {
			b.look()
			if err := b.c.idle(t, bulkPause); err != nil {
				return err
			}
		}
		upid, err := b.start(g)
		switch {
		case err != nil:
			b.failed = append(b.failed, g.id())
		case upid != "":
			b.under = append(b.under, started{g, upid})
		}
	}
	for b.look(); len(b.under) > 0; b.look() {
		if err := b.c.idle(t, bulkPause); err != nil {
			return err
		}
	}
	return nil
}

// start looks at a guest and starts it if it does not run.
func (b *bulk) start(g *guest) (upid string, err error) {
	path := "/" + g.kind + "/" + g.id() + "/status/"
	now, err := b.ask("GET", g, path+"current", read((*call).getCurrent))
	if row, ok := now.(map[string]any); err == nil && ok && row["status"] == "running" {
		return "", nil
	}
	handle := (*call).startLXC
	if !g.isLXC() {
		handle = (*call).startQEMU
	}
	answer, err := b.ask("POST", g, path+"start", taskRoute(handle))
	if err != nil {
		return "", err
	}
	return fmt.Sprint(answer), nil
}

// look asks for each task whether it has ended.
func (b *bulk) look() {
	b.under = slices.DeleteFunc(b.under, func(s started) bool {
		answer, err := b.ask("GET", s.guest, "/tasks/"+s.upid+"/status", read((*call).getTaskStatus))
		row, _ := answer.(map[string]any)
		ended := err != nil || row["status"] == "stopped"
		if ended && row["exitstatus"] != "OK" {
			b.failed = append(b.failed, s.guest.id())
		}
		return ended
	})
}

// ask is a request of the worker's own. It waits for a worker of the guest's
// node like any other, and faults strike it.
func (b *bulk) ask(verb string, g *guest, path string, rt route) (any, error) {
	path = "/nodes/" + g.node.name + path
	method, _, vars := b.c.api.Find(verb, path)
	k := &call{c: b.c, verb: verb, method: method, who: b.who, params: vars, node: g.node, vmid: g.vmid, kind: g.kind}
	switch k.fault = b.c.takeFault(verb, path, vars); k.fault.Kind {
	case Refuse:
		return nil, &apiError{status: k.fault.Status, reason: k.fault.Reason}
	case Hang, DropBefore:
		return nil, die("timeout")
	}
	return b.c.run(k, rt)
}

// all starts the guests at one instant, where nothing takes time.
func (b *bulk) all(*task) error {
	for _, g := range b.guests {
		if g.running {
			continue
		}
		k := &call{c: b.c, who: b.who, params: map[string]string{}, node: g.node, vmid: g.vmid, kind: g.kind}
		start := k.startLXC
		if !g.isLXC() {
			start = k.startQEMU
		}
		if _, err := start(); err != nil || !g.running {
			b.failed = append(b.failed, g.id())
		}
	}
	return b.verdict()
}
