package proxmox

import (
	"context"
	"fmt"
)

// leftovers are what runs of [Cluster.Time] left behind: they were killed.
type leftovers struct {
	guests   []guest
	archives []archived
	at       []store // of the archives
}

func (l leftovers) String() string {
	return plural(len(l.guests), "guest", "guests") + " and " + plural(len(l.archives), "backup", "backups")
}

// leftovers looks at all guests and backups for the mark of such a run.
func (c *Cluster) leftovers(ctx context.Context) (l leftovers, err error) {
	if err := c.checkVersion(ctx); err != nil {
		return l, err
	}
	s, err := c.survey(ctx)
	if err != nil {
		return l, err
	}
	for _, vmid := range s.vmids() {
		g := s.guests[vmid]
		if g.cfg == nil { // the mark is not known yet
			if g.cfg, err = c.config(ctx, g.ref); err != nil {
				continue
			}
		}
		if c.isTrial(g) {
			l.guests = append(l.guests, g)
		}
	}
	for _, at := range backupStores(s.lines) {
		standing, err := c.trialArchives(ctx, at, func(string) bool { return true })
		if err != nil {
			c.log.Warn("cannot look for backups that a trial left", "storage", at.name, "error", err)
			continue
		}
		for _, a := range standing {
			l.archives, l.at = append(l.archives, a), append(l.at, at)
		}
	}
	return l, nil
}

// clearEarlier deletes what an earlier run of the same place left. What another place
// times just now is left alone.
func (t *trial) clearEarlier(ctx context.Context) error {
	l, err := t.c.leftovers(ctx)
	if err != nil || len(l.guests)+len(l.archives) == 0 {
		return err
	}
	for _, g := range l.guests {
		if by, _ := t.c.trialOf(g.vmid, g.cfg["description"]); by != t.By {
			return fmt.Errorf("%s was made by a run on %s: if that has ended, delete with --clean what it left", g.ref, by)
		}
	}
	t.Say("deleting what an earlier run left: %s", l)
	return t.c.clearLeftovers(ctx, l)
}

// ClearTrials deletes what runs of [Cluster.Time] left behind, whoever made them, and
// says what that was. Without the mark of such a run nothing is touched.
func (c *Cluster) ClearTrials(ctx context.Context) (string, error) {
	l, err := c.leftovers(ctx)
	if err != nil {
		return "", err
	}
	return l.String(), c.clearLeftovers(ctx, l)
}

func (c *Cluster) clearLeftovers(ctx context.Context, l leftovers) error {
	for _, g := range l.guests {
		if err := c.clearTrial(ctx, g.ref); err != nil {
			return err
		}
	}
	for i, a := range l.archives {
		if err := c.clearArchives(ctx, l.at[i], func(vmid string) bool { return vmid == string(a.VMID) }); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.backups = nil // which VMIDs have some
	return nil
}
