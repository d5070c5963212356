package proxmox

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// backupsAge is for how long it is believed which guests a storage has backups
// of. Those that matter are of guests that are gone, and nobody makes more of them.
const backupsAge = 10 * time.Minute

// A storage that hangs must not hold up every pass for long.
const (
	backupsLimit = 10 * time.Second // for an answer
	backupsRetry = time.Minute      // before it is asked again
)

// backups are the VMIDs that a storage has backups of, when they were last read,
// and those backups that are ours.
type backups struct {
	vmids []string
	ours  []archive
	known bool      // they were read at least once
	err   error     // of the last try
	next  time.Time // the next try
}

// backedUp is what all storages told.
type backedUp struct {
	vmids  map[string]bool
	ours   []archive
	read   map[string]bool // the storages that did tell
	unread string          // why others did not
}

// backedUp reads which VMIDs have backups, from every storage that may hold some.
// A storage that does not answer now, or whose node is offline, is believed to have
// what it had.
func (c *Cluster) backedUp(ctx context.Context, lines []line) backedUp {
	stores := backupStores(lines)
	found := make([]backups, len(stores))
	var wg sync.WaitGroup
	for i, store := range stores {
		c.mu.Lock()
		found[i] = c.backups[store.place]
		c.mu.Unlock()
		if !time.Now().Before(found[i].next) {
			wg.Go(func() { found[i] = c.readBackups(ctx, store, found[i]) })
		}
	}
	wg.Wait()
	all := backedUp{vmids: map[string]bool{}, read: map[string]bool{}}
	kept := map[string]backups{}
	for i, store := range stores {
		kept[store.place] = found[i]
		if !found[i].known {
			all.unread = fmt.Sprintf("the backups on storage %s cannot be read: %v", store.name, found[i].err)
			continue
		}
		all.read[store.name] = true
		all.ours = append(all.ours, found[i].ours...)
		for _, vmid := range found[i].vmids {
			all.vmids[vmid] = true
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range lines {
		place := storageKey(l.node, l.storage)
		_, asked := kept[place]
		if b, ok := c.backups[place]; l.kind == "storage" && ok && !asked {
			kept[place] = b
			for _, vmid := range b.vmids {
				all.vmids[vmid] = true
			}
		}
	}
	c.backups = kept
	return all
}

// store is a storage to be asked for backups: a shared one by one node.
type store struct{ name, node, place string }

func backupStores(lines []line) []store {
	online := map[string]bool{}
	for _, l := range lines {
		online[l.node] = online[l.node] || l.kind == "node" && l.status == "online"
	}
	var stores []store
	for _, l := range lines {
		if l.kind != "storage" || !online[l.node] || !l.holds("backup") {
			continue
		}
		s := store{l.storage, l.node, storageKey(l.node, l.storage)}
		if canonicalBool(l.shared) == "1" {
			s.place = storageKey("", l.storage)
		}
		if !slices.ContainsFunc(stores, func(known store) bool { return known.place == s.place }) {
			stores = append(stores, s)
		}
	}
	return stores
}

func (c *Cluster) readBackups(ctx context.Context, s store, last backups) backups {
	var content []archived
	ctx, cancel := context.WithTimeout(ctx, backupsLimit)
	defer cancel()
	_, err := c.api.get(ctx, "/nodes/"+s.node+"/storage/"+s.name+"/content?content=backup", &content)
	if err != nil {
		c.log.Warn("cannot read which guests have backups", "storage", s.name, "error", err)
		last.err, last.next = err, time.Now().Add(backupsRetry)
		return last
	}
	b := backups{known: true, next: time.Now().Add(backupsAge)}
	for _, entry := range content {
		if entry.VMID != "" && !slices.Contains(b.vmids, string(entry.VMID)) {
			b.vmids = append(b.vmids, string(entry.VMID))
		}
		if a, ours := c.archiveOf(entry, s); ours {
			b.ours = append(b.ours, a)
		}
	}
	return b
}

// backups lists our own, and the VMIDs that nobody has, but that backups are there
// of: given to another guest, they would be mixed with its own, and thinned out by
// them.
func (l *lister) backups(all backedUp) {
	l.view.backupsRead = all.read
	l.archives(all.ours)
	if all.unread != "" {
		l.unknown(l.c.key(inventory.KindBackup), all.unread)
	}
	for _, vmid := range sortedKeys(all.vmids) {
		if !l.view.taken[vmid] {
			l.view.taken[vmid] = true
			l.add(inventory.Resource{Key: l.c.key(inventory.KindBackup, vmid), Attrs: inventory.Attrs{}})
		}
	}
}
