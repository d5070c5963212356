package proxmox

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// vmid is the i-th of the range.
func (t *trial) vmid(i int) string { return strconv.Itoa(t.first + i) }

func (t *trial) ref(i int) ref { return ref{vmid: t.vmid(i), typ: typeLXC, node: t.from.node} }

// trialText is a guest's description. It goes with the request that makes a guest, so that none is ever
// without its mark.
func (c *Cluster) trialText(vmid string) string {
	return inventory.WithMark("Made to time this cluster. It may be deleted.", inventory.Mark{
		Key: c.key(trialKind, vmid), Owner: inventory.Owner{Campus: c.campus}, Extra: map[string]string{markVMID: vmid},
	})
}

// isTrial reports whether a guest was made to time this cluster, by its mark.
func (c *Cluster) isTrial(g guest) bool {
	m, ok := inventory.ParseMark(g.cfg["description"])
	return ok && m.Owner.Campus == c.campus && m.Key == c.key(trialKind, g.vmid) && m.Extra[markVMID] == g.vmid
}

// create makes the i-th guest from the OS template.
func (t *trial) create(ctx context.Context, i int) (upid, error) {
	vmid := t.vmid(i)
	return t.c.api.post(ctx, "/nodes/"+t.from.node+"/lxc", params{
		"vmid": vmid, "ostemplate": t.image, "hostname": "provost-trial-" + vmid, "description": t.c.trialText(vmid),
		"cores": "1", "memory": "512", "unprivileged": "1", "rootfs": t.from.storage + ":1",
	})
}

// clone makes the i-th guest of a source.
func (t *trial) clone(ctx context.Context, source ref, i int, full string) (upid, error) {
	vmid := t.vmid(i)
	return t.c.api.post(ctx, source.path()+"/clone", params{
		"newid": vmid, "hostname": "provost-trial-" + vmid, "description": t.c.trialText(vmid), "full": full,
	})
}

// destroy deletes the i-th guest, if it is one of ours.
func (t *trial) destroy(ctx context.Context, i int) (upid, error) {
	cfg, err := t.c.config(ctx, t.ref(i))
	if err != nil {
		return "", err
	}
	if g := (guest{ref: t.ref(i), cfg: cfg}); !t.c.isTrial(g) {
		return "", fmt.Errorf("%s is not of this trial and is left alone", g.ref)
	}
	return t.c.api.delete(ctx, t.ref(i).path()+"?purge=1")
}

// clearTime is for deleting what was made, also after a Ctrl-C.
const clearTime = 10 * time.Minute

// clear deletes all that was made and still stands. It goes on when ctx has ended.
func (t *trial) clear(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearTime)
	defer cancel()
	var errs []error
	for i := range 2 * t.Count {
		if err := t.c.clearTrial(ctx, t.ref(i)); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("cannot clear away all that was made, --clean may later: %w", errors.Join(errs...))
	}
	t.Say("all that was made is deleted")
	return nil
}

// ClearTrials deletes what runs of [Cluster.Time] left behind, and says how many
// guests that were. Without the mark of such a run nothing is touched.
func (c *Cluster) ClearTrials(ctx context.Context) (n int, err error) {
	s, err := c.survey(ctx)
	if err != nil {
		return 0, err
	}
	for _, vmid := range s.vmids() {
		g := s.guests[vmid]
		if g.cfg == nil { // the mark is not known yet
			if g.cfg, err = c.config(ctx, g.ref); err != nil {
				continue
			}
		}
		if !c.isTrial(g) {
			continue
		}
		if err := c.clearTrial(ctx, g.ref); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// clearTrial waits for whatever holds a guest, looks at its mark, stops it and
// deletes it. One that is gone is well.
func (c *Cluster) clearTrial(ctx context.Context, r ref) error {
	j := &job{c: c}
	g, err := j.settle(ctx, r, "")
	switch {
	case errors.Is(err, errNoGuest):
		return nil
	case err != nil:
		return err
	case !c.isTrial(g):
		return fmt.Errorf("%s %q on %s is not of a trial and is left alone", g.ref, g.name(), g.node)
	}
	if running, err := c.running(ctx, g.ref); err != nil {
		return err
	} else if running {
		if err := j.run(ctx, "stopping", func() (upid, error) { return c.api.post(ctx, g.path()+"/status/stop", nil) }); err != nil {
			return err
		}
	}
	return j.run(ctx, "deleting", func() (upid, error) { return c.api.delete(ctx, g.path()+"?purge=1") })
}
