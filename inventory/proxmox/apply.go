package proxmox

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/provost-dev/provost/inventory"
)

// Apply implements reconciler.System: one change after another. The reconciler
// runs many Applies at once.
func (c *Cluster) Apply(ctx context.Context, changes []inventory.Change, progress func(inventory.Event)) []inventory.Outcome {
	c.noteApplied()
	defer c.noteApplied()
	outcomes := make([]inventory.Outcome, len(changes))
	for i, ch := range changes {
		err := unknownf("not tried: stopping")
		if ctx.Err() == nil {
			err = c.apply(ctx, &job{c: c, change: ch, progress: progress})
		}
		outcomes[i] = inventory.Outcome{Key: ch.Key, State: stateOf(err)}
		if err != nil {
			outcomes[i].Error = err.Error()
		}
	}
	return outcomes
}

// apply chooses what to do by kind and action. Each way reads the live thing
// first, and does nothing when it is as the change wants it.
func (c *Cluster) apply(ctx context.Context, j *job) error {
	ch := j.change
	defer c.endMaking(ch)
	c.noteBegun(ch.Key)
	if ch.Action != inventory.Delete && ch.After == nil || ch.Action != inventory.Create && ch.Before == nil {
		return failf("cannot %s %s: the change is incomplete", ch.Action, ch.Key)
	}
	kind := ch.Key.Kind()
	switch {
	case ch.Key.System() != c.name:
		return failf("cannot %s %s: it is not of cluster %s", ch.Action, ch.Key, c.name)
	case kind == inventory.KindPower && ch.Action == inventory.Delete:
		return j.powerOff(ctx)
	case kind == inventory.KindPower && (ch.Action == inventory.Create || ch.Action == inventory.Update):
		return j.power(ctx)
	case kind == inventory.KindReboot && ch.Action == inventory.Update:
		return j.reboot(ctx)
	case kind == kindCopy && (ch.Action == inventory.Create || ch.Action == inventory.Replace):
		return j.makeCopy(ctx)
	case kind == kindCopy && ch.Action == inventory.Delete:
		return j.removeCopy(ctx)
	case kind == kindArchive && ch.Action == inventory.Create:
		return j.makeArchive(ctx)
	case kind == kindArchive && ch.Action == inventory.Delete:
		return j.removeArchive(ctx)
	case kind == inventory.KindTemplate && ch.Action == inventory.Update:
		return j.unlockTemplate(ctx)
	case kind != inventory.KindGuest:
		return failf("cannot %s %s: Proxmox has nothing of that kind to change", ch.Action, ch.Key)
	}
	if ch.After != nil {
		if wrong := unfit(ch); wrong != "" {
			return failf("cannot %s %s: %s", ch.Action, ch.Key, wrong)
		}
	}
	switch ch.Action {
	case inventory.Create:
		return j.create(ctx)
	case inventory.Update:
		return j.update(ctx)
	case inventory.Replace:
		return j.replace(ctx)
	case inventory.Delete:
		return j.delete(ctx)
	case inventory.Adopt:
		return j.adopt(ctx)
	}
	return failf("cannot %s %s: no such action", ch.Action, ch.Key)
}

// job is one change under way. Events may come from several at once.
type job struct {
	c        *Cluster
	change   inventory.Change
	progress func(inventory.Event)
}

func (j *job) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	j.c.log.Debug(text, "key", j.change.Key)
	if j.progress != nil {
		j.progress(inventory.Event{Key: j.change.Key, Text: text})
	}
}

// run sends a request that starts a task and waits for the task. An answer
// without a task is an answer.
func (j *job) run(ctx context.Context, what string, send func() (upid, error)) error {
	u, err := send()
	if err != nil {
		return err
	}
	if u != "" {
		j.say("%s: task %s running", what, u)
	}
	return j.c.wait(ctx, u)
}

// config reads a guest's configuration, its digest included.
func (c *Cluster) config(ctx context.Context, r ref) (rawConfig, error) {
	var fields json.RawMessage
	if _, err := c.api.get(ctx, r.path()+"/config", &fields); err != nil {
		return nil, err
	}
	return parseConfJSON(fields)
}

// find reads a guest where it should be, or else where it has moved to. It is not
// there only where nobody has its VMID.
func (c *Cluster) find(ctx context.Context, r ref) (g guest, ok bool, err error) {
	var missed error
	if r.node != "" {
		cfg, err := c.config(ctx, r)
		if err == nil {
			return guest{ref: r, cfg: cfg}, true, nil
		}
		if !gone(err) && !forbidden(err) {
			return guest{}, false, err
		}
		missed = err
	}
	l, ok, err := c.locate(ctx, r.vmid)
	if err != nil {
		return guest{}, false, err
	}
	if !ok {
		return guest{}, false, c.reallyGone(ctx, r, missed)
	}
	cfg, err := c.config(ctx, l.ref())
	if gone(err) {
		return guest{}, false, c.reallyGone(ctx, r, err)
	}
	return guest{ref: l.ref(), cfg: cfg, pool: l.pool, status: l.status}, err == nil, err
}

// running asks whether the guest runs now.
func (c *Cluster) running(ctx context.Context, r ref) (bool, error) {
	var now struct {
		Status string `json:"status"`
	}
	if _, err := c.api.get(ctx, r.path()+"/status/current", &now); err != nil {
		return false, err
	}
	return powerState(now.Status) != "stopped", nil
}

// refOf is where a listed guest stood.
func refOf(attrs inventory.Attrs) ref {
	return ref{vmid: attrs["vmid"], typ: attrs["type"], node: attrs["node"]}
}
