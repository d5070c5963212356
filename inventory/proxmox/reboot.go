package proxmox

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// nextStart is the part of a configuration that names, comma separated, what is
// written and waits for the guest's next start. No option of Proxmox is called so.
const nextStart = "pending"

// optionsWaiting asks for the names of what waits for the guest's next start. The
// answer to GET …/config counts it as set and does not tell.
func (c *Cluster) optionsWaiting(ctx context.Context, r ref) (string, error) {
	var rows []struct {
		Key     string          `json:"key"`
		Pending json.RawMessage `json:"pending"`
		Delete  json.RawMessage `json:"delete"`
	}
	if _, err := c.api.get(ctx, r.path()+"/pending", &rows); err != nil {
		return "", err
	}
	var names []string
	for _, row := range rows {
		if len(row.Pending) > 0 || len(row.Delete) > 0 {
			names = append(names, row.Key)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ","), nil
}

// reboot restarts a running guest so that it takes what is written. One for which
// nothing waits any more, or that was stopped meanwhile, is left alone.
func (j *job) reboot(ctx context.Context) error {
	g, m, err := j.powered(ctx)
	if err != nil {
		return err
	}
	if g.vmid == "" || m.Extra[markRetired] != "" {
		return retryf("%s is not there or not in use any more: list again", j.guestKeys()[0])
	}
	options, running, err := j.c.restartable(ctx, g.ref)
	if err != nil || options == "" || !running {
		return err
	}
	timeout := fmt.Sprint(int(j.c.cfg.StopTimeout.Seconds()))
	j.say("restarting %s on %s for %s", g.ref, g.node, options)
	err = j.run(ctx, "restarting", func() (upid, error) {
		return j.c.api.post(ctx, g.path()+"/status/reboot", params{"timeout": timeout})
	})
	if err != nil {
		return err
	}
	left, err := j.c.optionsWaiting(ctx, g.ref)
	if err == nil && left != "" {
		j.c.restartedInVain(g.vmid, left)
		err = failf("%s was restarted, and does not take %s: look at it in Proxmox, or declare what it has", g.ref, left)
	}
	return err
}

// restartable is what waits for a guest's next start, and whether the guest runs.
func (c *Cluster) restartable(ctx context.Context, r ref) (options string, running bool, err error) {
	if options, err = c.optionsWaiting(ctx, r); err != nil || options == "" {
		return "", false, err
	}
	running, err = c.running(ctx, r)
	return options, running, err
}

// restartedInVain remembers what a guest does not take, so that it is not
// restarted for that in every pass.
func (c *Cluster) restartedInVain(vmid, options string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.vain[vmid] = options
}

// refuseReboot says that a restart would be in vain, or "".
func (c *Cluster) refuseReboot(ch inventory.Change) string {
	at, ok := (&job{c: c, change: ch}).known([]inventory.Key{c.key(inventory.KindGuest, ch.Key.Name())})
	if !ok || ch.Before == nil {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if options := ch.Before.Attrs["pending"]; c.vain[at.vmid] == options {
		return fmt.Sprintf("it was restarted for %s already, and does not take that: look at it in Proxmox, or declare what it has", options)
	}
	return ""
}
