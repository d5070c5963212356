package proxmox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// trialKind is the kind in the marks of guests and backups that only serve to time
// a cluster.
const trialKind = "trial"

// markBy says in such a mark who times.
const markBy = "by"

// vmid is the i-th of the range. The first Count are made from the OS template and
// stay until the end; the others are copies of whatever is timed.
func (t *trial) vmid(i int) string { return strconv.Itoa(t.first + i) }

func (t *trial) ref(i int) ref { return ref{vmid: t.vmid(i), typ: typeLXC, node: t.from.node} }

// trialMark goes with the request that makes a guest or a backup, so that none is
// ever without it.
func (c *Cluster) trialMark(vmid, by string) inventory.Mark {
	return inventory.Mark{Key: c.key(trialKind, vmid), Owner: inventory.Owner{Campus: c.campus}, Extra: map[string]string{markVMID: vmid, markBy: by}}
}

func (t *trial) text(vmid string) string {
	return inventory.WithMark("Made to time this cluster. It may be deleted.", t.c.trialMark(vmid, t.By))
}

// trialOf reads the mark of a guest or a backup that was made to time this cluster.
func (c *Cluster) trialOf(vmid, text string) (by string, ok bool) {
	m, ok := inventory.ParseMark(text)
	return m.Extra[markBy], ok && m.Owner.Campus == c.campus && m.Key == c.key(trialKind, vmid) && m.Extra[markVMID] == vmid
}

func (c *Cluster) isTrial(g guest) bool {
	_, ok := c.trialOf(g.vmid, g.cfg["description"])
	return ok
}

// create makes the i-th guest from the OS template.
func (t *trial) create(ctx context.Context, i int) (upid, error) {
	return t.install(ctx, i, params{"ostemplate": t.image})
}

// restore makes the i-th guest from a backup, with a disk of so many GiB.
func (t *trial) restore(ctx context.Context, i int, volid string, disk float64) (upid, error) {
	return t.install(ctx, i, params{"ostemplate": volid, "restore": "1", "rootfs": t.from.storage + ":" + formatGiB(disk)})
}

func (t *trial) install(ctx context.Context, i int, special params) (upid, error) {
	vmid := t.vmid(i)
	p := params{
		"vmid": vmid, "hostname": "provost-trial-" + vmid, "description": t.text(vmid),
		"cores": "1", "memory": "512", "unprivileged": "1", "rootfs": t.from.storage + ":1",
	}
	maps.Copy(p, special)
	return t.c.api.post(ctx, "/nodes/"+t.from.node+"/lxc", p)
}

// clone makes the i-th guest of a source.
func (t *trial) clone(ctx context.Context, source ref, i int, full string) (upid, error) {
	name, vmid := "hostname", t.vmid(i)
	if source.typ == typeQEMU {
		name = "name"
	}
	return t.c.api.post(ctx, source.path()+"/clone", params{
		"newid": vmid, name: "provost-trial-" + vmid, "description": t.text(vmid), "full": full,
	})
}

// destroy deletes a guest, if it is one of ours.
func (t *trial) destroy(ctx context.Context, r ref) (upid, error) {
	cfg, err := t.c.config(ctx, r)
	if err != nil {
		return "", err
	}
	if g := (guest{ref: r, cfg: cfg}); !t.c.isTrial(g) {
		return "", fmt.Errorf("%s is not of this trial and is left alone", g.ref)
	}
	return t.c.api.delete(ctx, r.path()+"?purge=1")
}

// tidy makes all as it is between two steps: those that stay stand still, and nothing
// else is there.
func (t *trial) tidy(ctx context.Context) error {
	if err := t.c.clearArchives(ctx, t.vault, t.within); err != nil {
		return err
	}
	for i := range t.Count {
		if err := t.c.stopTrial(ctx, t.ref(i)); err != nil && !errors.Is(err, errNoGuest) {
			return err
		}
		if err := t.c.clearTrial(ctx, t.ref(t.Count+i)); err != nil {
			return err
		}
	}
	return nil
}

// within reports whether a VMID is of this trial's range.
func (t *trial) within(vmid string) bool {
	n := number(vmid)
	return n >= t.first && n < t.first+2*t.Count
}

// clearTime is for deleting what was made, also after a Ctrl-C. What runs then is
// waited for.
const clearTime = 20 * time.Minute

// clear deletes all that was made and still stands. It goes on when ctx has ended.
func (t *trial) clear(ctx context.Context) error {
	if ctx.Err() != nil {
		t.Say("deleting what was made, once what runs has ended; the next run does if this is stopped, too")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearTime)
	defer cancel()
	var errs []error
	for i := range 2 * t.Count {
		if err := t.c.clearTrial(ctx, t.ref(i)); err != nil {
			errs = append(errs, err)
		}
	}
	if err := t.c.clearArchives(ctx, t.vault, t.within); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return fmt.Errorf("cannot clear away all that was made, the next run or --clean may: %w", errors.Join(errs...))
	}
	t.Say("all that was made is deleted")
	return nil
}

// stopTrial waits for whatever holds a guest, looks at its mark and stops it.
func (c *Cluster) stopTrial(ctx context.Context, r ref) error {
	j := &job{c: c}
	if _, err := j.awaitHolder(ctx, guest{ref: r}, r.vmid); err != nil {
		return err
	}
	g, err := j.settle(ctx, r, "")
	switch {
	case err != nil:
		return err
	case !c.isTrial(g):
		return fmt.Errorf("%s %q on %s is not of a trial and is left alone", g.ref, g.name(), g.node)
	}
	if running, err := c.running(ctx, g.ref); err != nil || !running {
		return err
	}
	return j.run(ctx, "stopping", func() (upid, error) { return c.api.post(ctx, g.path()+"/status/stop", nil) })
}

// clearTrial deletes a guest of a trial. One that is gone is well.
func (c *Cluster) clearTrial(ctx context.Context, r ref) error {
	err := c.stopTrial(ctx, r)
	if errors.Is(err, errNoGuest) {
		return nil
	}
	if err != nil {
		return err
	}
	g, ok, err := c.find(ctx, r) // it may have moved
	if err != nil || !ok {
		return err
	}
	if !c.isTrial(g) {
		return fmt.Errorf("%s is not of a trial any more and is left alone", g.ref)
	}
	j := &job{c: c}
	return j.run(ctx, "deleting", func() (upid, error) { return c.api.delete(ctx, g.path()+"?purge=1") })
}
