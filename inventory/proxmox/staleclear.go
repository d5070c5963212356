package proxmox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// mayClear reports whether a guest's lock is stale and may be taken away: that of a
// template, or of what carries our mark.
func (c *Cluster) mayClear(g guest) bool {
	_, ours, _ := c.judge(g)
	_, copied := c.copyMark(g)
	return (ours || copied || g.template()) && c.cfg.StaleLocks == staleClear &&
		slices.Contains(clearable, g.cfg["lock"]) && c.look().stale[g.vmid] != ""
}

// unlocked makes sure that nothing holds a guest. A stale lock is taken away where
// that is allowed.
func (j *job) unlocked(ctx context.Context, g guest) error {
	lock := g.cfg["lock"]
	switch {
	case lock == "":
		return nil
	case j.c.mayClear(g):
		return j.clearLock(ctx, g.ref, lock)
	case j.c.look().stale[g.vmid] != "":
		return failf("%s", advise(g.ref, lock))
	}
	return retryf("%s is locked (%s)", g.ref, lock)
}

// freeSource makes sure that no stale lock is on what is to be cloned.
func (j *job) freeSource(ctx context.Context, t template) error {
	if j.c.look().stale[t.vmid] == "" {
		return nil
	}
	cfg, err := j.c.config(ctx, t.ref)
	if err != nil {
		return err
	}
	return j.unlocked(ctx, guest{ref: t.ref, cfg: cfg})
}

// unlocking are the changes that take stale locks from templates, where that is
// allowed: nobody can clone them before.
func (c *Cluster) unlocking(live []inventory.Resource) []inventory.Change {
	var changes []inventory.Change
	for _, r := range live {
		if r.Key.System() != c.name || r.Key.Kind() != inventory.KindTemplate || r.Attrs["stale"] == "" || c.cfg.StaleLocks != staleClear {
			continue
		}
		after := r.Clone()
		delete(after.Attrs, "stale")
		changes = append(changes, inventory.Change{
			Key: r.Key, Action: inventory.Update, Before: &r, After: &after, Fields: []string{"lock"}, Note: "no task holds its lock",
		})
	}
	return changes
}

// unlockTemplate makes such a change.
func (j *job) unlockTemplate(ctx context.Context) error {
	g, ok, err := j.c.find(ctx, ref{vmid: j.change.Key.Name(), typ: j.change.Before.Attrs["type"], node: j.change.Before.Attrs["node"]})
	if err != nil || !ok {
		return err
	}
	return j.unlocked(ctx, g)
}

// clearLock looks again, and runs pct unlock or qm unlock on the guest's node.
func (j *job) clearLock(ctx context.Context, r ref, lock string) error {
	busy, err := j.busy(ctx, r)
	if err != nil {
		return err
	}
	if busy != "" {
		return retryf("%s is locked (%s) by task %s", r, lock, busy)
	}
	switch cfg, err := j.c.config(ctx, r); {
	case err != nil:
		return err
	case cfg["lock"] == "":
		return nil
	case cfg["lock"] != lock:
		return retryf("%s is locked (%s) now: list again", r, cfg["lock"])
	}
	j.say("clearing the stale lock %q of %s on %s", lock, r, r.node)
	j.c.log.Warn("clearing a stale lock", "guest", r.String(), "node", r.node, "lock", lock)
	if err := j.c.ssh.unlock(ctx, r); err != nil {
		return retryf("cannot clear the stale lock of %s: %v; %s", r, err, advise(r, lock))
	}
	j.c.forgetLock(r.vmid)
	return nil
}

// busy finds a running task that may hold a guest, on any node that answers. It
// asks the nodes themselves, who show all of them.
func (j *job) busy(ctx context.Context, r ref) (upid, error) {
	for node, online := range j.c.look().nodes {
		if !online {
			continue
		}
		var ts []task
		if _, err := j.c.api.get(ctx, "/nodes/"+node+"/tasks?source=active&limit=500", &ts); err != nil {
			return "", err
		}
		for _, t := range ts {
			if t.running() && (string(t.ID) == r.vmid || t.Type == "vzdump" && node == r.node) {
				return t.UPID, nil
			}
		}
	}
	return "", nil
}

// forgetLock books that a lock is gone.
func (c *Cluster) forgetLock(vmid string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.locks, vmid)
	stale := map[string]string{}
	for other, advice := range c.view.stale {
		if other != vmid {
			stale[other] = advice
		}
	}
	c.view.stale = stale
}

// unlock runs the word "unlock" of the forced command on the guest's node. Which
// host that is only the names can tell, and pct and qm know the guests of their
// own node only; so the others are tried after it.
func (s *sshReader) unlock(ctx context.Context, r ref) error {
	ctx, cancel := context.WithTimeout(ctx, sshTimeout)
	defer cancel()
	hosts := slices.Clone(s.hosts)
	slices.SortStableFunc(hosts, func(a, b string) int { return likeNode(b, r.node) - likeNode(a, r.node) })
	var errs []error
	for _, host := range hosts {
		err := s.run(ctx, host, "unlock "+r.typ+" "+r.vmid)
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", host, err))
	}
	return errors.Join(errs...)
}

func likeNode(host, node string) int {
	name, _, _ := strings.Cut(host, ":")
	if first, _, _ := strings.Cut(name, "."); first == node {
		return 1
	}
	return 0
}

// run runs a word of the forced command for what it does.
func (s *sshReader) run(ctx context.Context, host, word string) error {
	client, err := s.connect(ctx, host)
	if err != nil {
		return err
	}
	defer client.Close()
	defer context.AfterFunc(ctx, func() { client.Close() })()
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	defer session.Close()
	out, err := session.CombinedOutput(word)
	if err != nil {
		return fmt.Errorf("%w: %s", err, truncate(strings.TrimSpace(string(out)), 200))
	}
	return nil
}
