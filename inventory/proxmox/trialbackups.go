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
	for _, i := range t.numbers(0) {
		if err := t.backUpAndRestore(ctx, t.ref(i), t.t.Small/gib, &t.t.Backup, &t.t.Restore); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s, restores %s, of 1 GiB", told(t.t.Backup), told(t.t.Restore)), nil
}

// timeBackupCopies does that with a copy of the template, which is what provost does
// where it restores machines.
func (t *trial) timeBackupCopies(ctx context.Context) (string, error) {
	switch why := unrestorable(t.from); {
	case len(t.t.Restore) == 0:
		return "", leftOut("backups were not timed")
	case why != "":
		return "", leftOut(why)
	}
	copied := t.ref(t.Count)
	if err := t.alone(ctx, &t.t.Copy, func() (upid, error) { return t.clone(ctx, t.from.ref, t.Count, "1") }); err != nil {
		return "", err
	}
	err := t.repeat(&t.t.RestoreCopy, func() error {
		return t.backUpAndRestore(ctx, copied, t.t.Large/gib, &t.t.BackupCopy, &t.t.RestoreCopy)
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, restores %s, of %s GiB", told(t.t.BackupCopy), told(t.t.RestoreCopy), formatGiB(t.from.disk)), t.destroyTimed(ctx, copied)
}

// backUpAndRestore leaves neither the backup nor what was made of it.
func (t *trial) backUpAndRestore(ctx context.Context, r ref, disk float64, backups, restores *[]time.Duration) error {
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
	restored := t.Count + 1
	if err := t.alone(ctx, restores, func() (upid, error) { return t.restore(ctx, restored, string(standing[0].VolID), disk) }); err != nil {
		return err
	}
	if err := t.destroyTimed(ctx, t.ref(restored)); err != nil {
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
