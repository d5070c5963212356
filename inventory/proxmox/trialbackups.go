package proxmox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// timeBackups backs up small containers and makes others of the backups, one after
// another: a node makes one backup at a time.
func (t *trial) timeBackups(ctx context.Context) (string, error) {
	if t.vault.name == "" {
		return "", leftOut("no storage for backups is named, neither by backups: nor by --backups")
	}
	if err := t.mayToo("VM.Backup"); err != nil {
		return "", err
	}
	for n, i := range t.numbers(0) {
		if err := t.backUpTo(ctx, t.ref(i), t.Count+n, t.t.Small/gib, &t.t.Backup, &t.t.Restore); err != nil {
			return "", err
		}
		if err := t.destroyTimed(ctx, t.ref(t.Count+n)); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s, restores %s, of 1 GiB", told(t.t.Backup), told(t.t.Restore)), nil
}

// timeBackupCopies does that with a copy of the template, which is what provost does
// where it restores machines. What was restored is what is backed up next.
func (t *trial) timeBackupCopies(ctx context.Context) (string, error) {
	switch why := unrestorable(t.from); {
	case len(t.t.Restore) == 0:
		return "", leftOut("backups were not timed")
	case why != "":
		return "", leftOut(why)
	}
	from := t.Count
	if err := t.alone(ctx, &t.t.Copy, func() (upid, error) { return t.clone(ctx, t.from.ref, from, "1") }); err != nil {
		return "", err
	}
	err := t.repeat(&t.t.RestoreCopy, func() error {
		to := t.Count + (from-t.Count+1)%t.Count
		if err := t.backUpTo(ctx, t.ref(from), to, t.t.Large/gib, &t.t.BackupCopy, &t.t.RestoreCopy); err != nil {
			return err
		}
		last := from
		from = to
		return t.destroyTimed(ctx, t.ref(last))
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, restores %s, of %s GiB", told(t.t.BackupCopy), told(t.t.RestoreCopy), formatGiB(t.from.disk)), t.destroyTimed(ctx, t.ref(from))
}

// backUpTo backs up a guest and makes the one of that number of it. The backup does
// not stay.
func (t *trial) backUpTo(ctx context.Context, r ref, to int, disk float64, backups, restores *[]time.Duration) error {
	if err := t.alone(ctx, backups, func() (upid, error) { return t.backUp(ctx, r) }); err != nil {
		return err
	}
	standing, err := t.c.trialArchives(ctx, t.vault, func(vmid string) bool { return vmid == r.vmid })
	if err != nil {
		return err
	}
	if len(standing) != 1 {
		return fmt.Errorf("%d backups of %s with this trial's mark are on %s: one is to be there", len(standing), r, t.vault.name)
	}
	if err := t.alone(ctx, restores, func() (upid, error) { return t.restore(ctx, to, string(standing[0].VolID), disk) }); err != nil {
		return err
	}
	return t.c.clearArchives(ctx, t.vault, t.within)
}

// backUp backs up a guest as [job.backUp] does.
func (t *trial) backUp(ctx context.Context, r ref) (upid, error) {
	return t.c.api.post(ctx, "/nodes/"+r.node+"/vzdump", params{
		"vmid": r.vmid, "storage": t.vault.name, "mode": "stop", "compress": "zstd", "remove": "0", "lockwait": "1",
		"notes-template": t.c.trialMark(r.vmid, t.By).String(),
	})
}

// trialArchives are the backups on a storage that were made to time this cluster, of
// such guests.
func (c *Cluster) trialArchives(ctx context.Context, at store, of func(vmid string) bool) ([]archived, error) {
	var lines []archived
	if _, err := c.api.get(ctx, "/nodes/"+at.node+"/storage/"+at.name+"/content?content=backup", &lines); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(lines, func(l archived) bool {
		_, ours := c.trialOf(string(l.VMID), string(l.Notes))
		volid := string(l.VolID)
		return !ours || !of(string(l.VMID)) || !volumePattern.MatchString(volid) || !strings.HasPrefix(volid, at.name+":") || strings.Contains(volid, "..")
	}), nil
}

// clearArchives deletes those. Without a storage there are none.
func (c *Cluster) clearArchives(ctx context.Context, at store, of func(vmid string) bool) error {
	if at.name == "" {
		return nil
	}
	standing, err := c.trialArchives(ctx, at, of)
	if err != nil {
		return err
	}
	for _, l := range standing {
		if canonicalBool(string(l.Protected)) == "1" {
			return fmt.Errorf("%s was made to time the cluster, and somebody protects it: delete it", l.VolID)
		}
		if err := c.deleteVolume(ctx, at, string(l.VolID)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) deleteVolume(ctx context.Context, at store, volid string) error {
	j := &job{c: c}
	return j.run(ctx, "deleting", func() (upid, error) {
		return c.api.delete(ctx, "/nodes/"+at.node+"/storage/"+at.name+"/content/"+strings.ReplaceAll(volid, "/", "%2F"))
	})
}
