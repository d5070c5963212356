package proxmox

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// archiving is the part of one Prepare that weighs restoring against cloning.
type archiving struct {
	standing []inventory.Resource // archives
	room     float64              // GiB that archives may still take
	planned  map[string]bool      // templates whose machines are restored, by VMID
	making   map[string]bool      // those of which there is no archive yet
}

func (c *Cluster) newArchiving(live []inventory.Resource) archiving {
	a := archiving{room: float64(c.cfg.Limits.BackupsGiB), planned: map[string]bool{}, making: map[string]bool{}}
	for _, r := range live {
		if r.Key.System() == c.name && r.Key.Kind() == kindArchive {
			a.standing = append(a.standing, r) // the newest first, as they are listed
		}
	}
	return a
}

// restored decides whether a crowd is restored, which clones would take so long;
// note says what cloning takes. An archive that is missing is made first.
func (f *fanout) restored(w crowd, clone speed, cloned time.Duration, note string) bool {
	took, stands, ok := f.restoring(w, clone)
	started := f.started(w, clone)
	if !ok || float64(took) > float64(max(cloned, started))*(1-worthwhile) {
		return false
	}
	if started > 0 {
		note += fmt.Sprintf(", %s with their starts; %s restored from a backup and started", roughly(started), roughly(took))
	} else {
		note += fmt.Sprintf(", %s restored from a backup", roughly(took))
	}
	vmid := w.original.vmid
	if !stands && !f.archives.making[vmid] && !f.addArchive(w, cloned, note) {
		return false
	}
	f.c.log.Info("restoring instead of cloning", "reason", note) // where the archive stands, no change of the plan can say so
	f.archives.planned[vmid] = true
	f.planned, f.took = 0, took
	return true
}

// restoring is how long it takes to restore a crowd, the making of the archive
// included where none stands; false where that cannot be done.
func (f *fanout) restoring(w crowd, clone speed) (took time.Duration, stands, ok bool) {
	t, vault := w.original, f.c.cfg.Backups
	if vault != "" && !f.view.keepsBackups(vault) {
		f.c.log.Warn("cloning, as the storage for backups is not there", "backups", vault,
			"hint", "name in backups: a storage of this cluster whose content types include backup")
	}
	if vault == "" || !f.view.backupsRead[vault] || unrestorable(t) != "" {
		return 0, false, false
	}
	stands = true
	for _, r := range w.clones {
		if _, reached := f.view.vault(r.Attrs["node"], vault); !reached {
			return 0, false, false
		}
		_, has := f.view.restorable(t, r.Attrs["node"])
		stands = stands && has
	}
	each, wide := f.c.restoreSpeed(t, w.clones[0]), f.c.cfg.Limits.ClonesPerStorage
	about := f.view.aboutRestore(t, w.clones[0])
	if _, timed := f.c.pace.of(about); !timed && f.c.cfg.Guesses != nil {
		each = f.c.cfg.Guesses.restoredAndStarted(about)
	}
	if each.assumed && each.most == 0 {
		wide = min(wide, mostAssumed) // nobody has seen that more at once win anything
	}
	took = makespan(len(w.clones), wide, 0, wide, each)
	if stands || f.archives.making[t.vmid] {
		return took, stands, true
	}
	took += f.c.backupTime(t, clone)
	if _, copied := f.standingCopy(t); !copied {
		took += clone.alone
	}
	return took, false, f.roomForArchive(w)
}

// mostAssumed are twice as many as there may be clones of one template at once.
const mostAssumed = 2 * (mostCopies + 1)

// started is how long the clones and their starts take, where restores were timed:
// most of these started their machines, too. So it is with what was measured; but
// where nothing is known of either, it is 0.
func (f *fanout) started(w crowd, clone speed) time.Duration {
	each := clone.and(f.c.usual("vzstart", guessBoot))
	if _, timed := f.c.pace.of(f.view.aboutRestore(w.original, w.clones[0])); !timed {
		if f.c.cfg.Guesses == nil {
			return 0
		}
		each = f.c.cfg.Guesses.clonedAndStarted(f.view.aboutClone(planFrom(w.clones[0], w.original), w.clones[0]))
	}
	return makespan(len(w.clones), len(w.sources), f.planned, f.c.cfg.Limits.ClonesPerStorage, each)
}

// asRestoresTell is how fast clones are where nobody has seen what they do to each
// other, but what restores do: both write to the same storage.
func (f *fanout) asRestoresTell(clone speed, w crowd) speed {
	seen, ok := f.c.pace.of(f.view.aboutRestore(w.original, w.clones[0]))
	if !clone.assumed || !ok || seen.assumed {
		return clone
	}
	clone.drag, clone.most = max(clone.drag, seen.drag), seen.most
	return clone
}

// roomForArchive also sees to it that all clones will reach the archive.
func (f *fanout) roomForArchive(w crowd) bool {
	at := f.places(w)[0].node
	if r, ok := f.standingCopy(w.original); ok {
		at = r.Attrs["node"]
	} else if f.room < w.original.disk {
		return false
	}
	vault := f.c.cfg.Backups
	if _, reached := f.view.vault(at, vault); !reached || f.archives.room < w.original.disk { // how much smaller it will be nobody knows
		return false
	}
	return f.view.shared(at, vault) ||
		!slices.ContainsFunc(w.clones, func(r inventory.Resource) bool { return r.Attrs["node"] != at })
}

// standingCopy is one of a template as it is that can be backed up.
func (f *fanout) standingCopy(t template) (inventory.Resource, bool) {
	for _, r := range f.standing {
		if r.Attrs["source"] == t.vmid && r.Attrs["of"] == t.print && r.Attrs["ready"] == "1" {
			return r, true
		}
	}
	return inventory.Resource{}, false
}

// addArchive plans an archive, and the copy that it is made of.
func (f *fanout) addArchive(w crowd, saves time.Duration, note string) bool {
	copied, stands := f.standingCopy(w.original)
	if !stands {
		ch, ok := f.newCopy(w, f.places(w)[0], saves, note)
		if !ok {
			return false
		}
		copied = *ch.After
		f.room -= w.original.disk
	}
	after := inventory.Resource{Key: f.c.key(kindArchive, w.original.vmid), Attrs: maps.Clone(copied.Attrs)}
	maps.Copy(after.Attrs, inventory.Attrs{
		"copy": string(copied.Key), "backups": f.c.cfg.Backups, createQueue: strconv.Itoa(int(saves.Seconds()) + 1),
		"create.base": "template:" + w.original.vmid, "create.clone": "full",
	})
	f.archives.making[w.original.vmid] = true
	f.archives.room -= w.original.disk
	f.out = append(f.out, inventory.Change{Key: after.Key, Action: inventory.Create, After: &after, Note: note})
	return true
}

// retireArchives deletes those of what is not so any more, and counts the room
// that the others take. When they take too much, those that nobody needs now go
// first, the oldest before the others.
func (f *fanout) retireArchives(wanted map[string]bool) {
	var keep []inventory.Resource
	newer := map[string]bool{}
	for _, r := range f.archives.standing {
		source, ok := f.view.template(r.Attrs["source"])
		place := source.vmid + " on " + r.Attrs["storage"] + " of " + r.Attrs["node"]
		switch {
		case r.Attrs["protected"] == "1", !ok && f.view.taken[r.Attrs["source"]]: // it may be a template that could not be read
		case !ok:
			f.remove(r, fmt.Sprintf("template %s, of which it is a backup, is gone", r.Attrs["source"]))
		case r.Attrs["of"] != source.print:
			f.remove(r, fmt.Sprintf("template %s has changed since it was backed up", source.vmid))
		case newer[place]:
			f.remove(r, fmt.Sprintf("there is a newer backup of template %s", source.vmid))
		default:
			newer[place] = true
			keep = append(keep, r)
			f.archives.room -= sizeOf(r)
		}
	}
	for _, r := range slices.Backward(keep) {
		if f.archives.room < 0 && !wanted[r.Attrs["source"]] {
			f.remove(r, fmt.Sprintf("backups of templates take more than the %d GiB of limits.backups_gib", f.c.cfg.Limits.BackupsGiB))
			f.archives.room += sizeOf(r)
		}
	}
}

func sizeOf(r inventory.Resource) float64 {
	size, _ := strconv.ParseFloat(r.Attrs["size"], 64)
	return size
}
