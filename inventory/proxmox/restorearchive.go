package proxmox

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// An archive is a backup of a copy of a container template, from which machines
// are restored: that locks nothing, so any number may be under way. It is of a
// copy, because who restores the backup of a template gets a template. Its notes
// hold a mark that says whose it is, of what, and how that looked; a backup
// without it is somebody's, and neither used nor deleted.
//
//	archive <cluster>/archive/<file>, and <cluster>/archive/<vmid of the template>
//	while it is made
//
//	volid, storage, node, size (GiB)  where it is
//	vmid       of the copy
//	source     VMID of the template
//	of         fingerprint of the template when it was copied
//	protected  1 when somebody protects it from being deleted
const kindArchive = "archive"

// archive is one that can be restored.
type archive struct {
	volid     string
	at        store
	vmid      string // of the copy
	source    string // VMID of the template
	of        string
	size      float64 // GiB
	made      int     // seconds since 1970
	protected bool
}

// archived is a line of a storage's contents.
type archived struct {
	VolID     text `json:"volid"`
	VMID      text `json:"vmid"`
	Notes     text `json:"notes"`
	Size      text `json:"size"`
	Made      text `json:"ctime"`
	Protected text `json:"protected"`
}

// volumePattern keeps what a storage says from reaching into a path.
var volumePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*:backup/[A-Za-z0-9][A-Za-z0-9._:/-]*$`)

// archiveOf is the archive that a line tells of, if it is ours.
func (c *Cluster) archiveOf(line archived, at store) (archive, bool) {
	m, ok := inventory.ParseMark(string(line.Notes))
	ours := ok && m.Owner.Campus == c.campus && m.Key.System() == c.name && m.Key.Kind() == kindArchive && m.Extra[markVMID] == string(line.VMID)
	volid := string(line.VolID)
	size, _ := strconv.ParseFloat(string(line.Size), 64)
	return archive{
		volid: volid, at: at, vmid: string(line.VMID), source: m.Extra[markSource], of: m.Extra[markOf],
		size: size / gib, made: number(string(line.Made)), protected: canonicalBool(string(line.Protected)) == "1",
	}, ours && volumePattern.MatchString(volid) && strings.HasPrefix(volid, at.name+":") && !strings.Contains(volid, "..")
}

// file names an archive: on a file system by its file, on a backup server by what
// stands for it there.
func (a archive) file() string {
	_, file, _ := strings.Cut(a.volid, ":backup/")
	return strings.ReplaceAll(file, "/", "-")
}

// archives lists ours, the newest first, which is the one that is used.
func (l *lister) archives(all []archive) {
	slices.SortFunc(all, func(a, b archive) int { return cmp.Or(cmp.Compare(b.made, a.made), cmp.Compare(a.volid, b.volid)) })
	for _, a := range all {
		l.view.archives[a.source] = append(l.view.archives[a.source], a)
		attrs := inventory.Attrs{
			"volid": a.volid, "storage": a.at.name, "node": a.at.node, "size": strconv.FormatFloat(a.size, 'f', 1, 64),
			"vmid": a.vmid, "source": a.source, "of": a.of, "protected": "0",
		}
		if a.protected {
			attrs["protected"] = "1"
		}
		l.add(inventory.Resource{Key: l.c.key(kindArchive, a.file()), Attrs: attrs})
	}
}

// makeArchive makes a copy of the template, unless one stands, and backs it up.
// Whatever goes wrong, the machines that wait for it are cloned instead.
func (j *job) makeArchive(ctx context.Context) error {
	r := *j.change.After
	err := j.archive(ctx, r)
	if err != nil {
		j.c.restores.without(r.Attrs["source"])
		j.c.loans.announce()
	}
	return err
}

func (j *job) archive(ctx context.Context, r inventory.Resource) error {
	if err := j.c.ensureListed(ctx); err != nil {
		return err
	}
	at, ok := j.c.look().vault(r.Attrs["node"], r.Attrs["backups"])
	if !ok {
		return failf("cannot back up %s: node %s has no storage %q for backups", r.Attrs["source"], r.Attrs["node"], r.Attrs["backups"])
	}
	if err := j.awaitBackup(ctx, refOf(r.Attrs)); err != nil {
		return err
	}
	if done, err := j.findArchive(ctx, r, at); done || err != nil {
		return err // a former try got that far
	}
	copied := inventory.Resource{Key: inventory.Key(r.Attrs["copy"]), Attrs: r.Attrs}
	making := &job{c: j.c, progress: j.progress, change: inventory.Change{Key: copied.Key, Action: inventory.Create, After: &copied}}
	if err := making.makeCopy(ctx); err != nil {
		return err
	}
	if err := j.backUp(ctx, r, at); err != nil {
		return err
	}
	done, err := j.findArchive(ctx, r, at)
	if err == nil && !done {
		return failf("the backup of CT %s on %s has no notes that say whose it is: look at the log of its task, and delete it", r.Attrs["vmid"], at.name)
	}
	return err
}

// awaitBackup waits for a backup that a former process began.
func (j *job) awaitBackup(ctx context.Context, copied ref) error {
	if j.c.free(copied.vmid) {
		return nil
	}
	g, _, err := j.c.find(ctx, copied)
	if err == nil && g.cfg["lock"] == "backup" {
		_, err = j.awaitHolder(ctx, g, "")
	}
	return err
}

// backUp has the copy read to the storage. It is lent meanwhile, as PVE locks it.
func (j *job) backUp(ctx context.Context, r inventory.Resource, at store) error {
	copied, ok := j.c.look().copyNamed(r.Attrs["source"], r.Attrs["vmid"])
	if !ok {
		return retryf("the copy of %s is gone: list again", r.Attrs["source"])
	}
	giveBack, err := j.hold(ctx, copied)
	if err != nil {
		return err
	}
	defer giveBack()
	j.say("backing up %s to %s", copied.ref, at.name)
	mark := inventory.Mark{Key: r.Key, Owner: inventory.Owner{Campus: j.c.campus}, Extra: map[string]string{
		markVMID: copied.vmid, markSource: r.Attrs["source"], markOf: r.Attrs["of"],
	}}
	u, err := j.c.api.post(ctx, "/nodes/"+copied.node+"/vzdump", params{
		"vmid": copied.vmid, "storage": at.name, "mode": "stop", "compress": "zstd",
		"remove":   "0", // deletes nothing
		"lockwait": "1", // minute, for other backups of the node; at night these take hours
		// A mark is one line without a backslash and without braces.
		"notes-template": mark.String(),
	})
	if err != nil {
		return err
	}
	j.c.pace.tell(u, j.c.look().aboutBackup(copied))
	return j.c.wait(ctx, u)
}

// hold borrows one copy, and no other.
func (j *job) hold(ctx context.Context, copied template) (giveBack func(), err error) {
	b := &borrower{key: j.change.Key, how: byCopying, original: copied.original(), node: copied.node, lent: make(chan template, 1),
		sources: func() []template { return []template{copied} }}
	j.c.loans.ask(b)
	select {
	case t := <-b.lent:
		return func() { j.c.loans.give(t, b) }, nil
	case <-ctx.Done():
		if !j.c.loans.leave(b) {
			j.c.loans.give(<-b.lent, b)
		}
		return nil, ctx.Err()
	}
}

// findArchive looks whether the archive of r stands, and lets it be used.
func (j *job) findArchive(ctx context.Context, r inventory.Resource, at store) (bool, error) {
	lines, err := j.c.readArchives(ctx, at, r.Attrs["vmid"])
	if err != nil {
		return false, err
	}
	for _, line := range slices.Backward(lines) {
		if a, ours := j.c.archiveOf(line, at); ours && a.source == r.Attrs["source"] && a.of == r.Attrs["of"] {
			j.c.noteArchive(a)
			return true, nil
		}
	}
	return false, nil
}

// readArchives reads the backups that a storage has of one guest.
func (c *Cluster) readArchives(ctx context.Context, at store, vmid string) (lines []archived, err error) {
	_, err = c.api.get(ctx, "/nodes/"+at.node+"/storage/"+at.name+"/content?content=backup&vmid="+vmid, &lines)
	return lines, err
}

// removeArchive deletes an archive that is of no use any more. Its notes are read
// once more: what somebody has taken for himself or protects stays.
func (j *job) removeArchive(ctx context.Context) error {
	before := *j.change.Before
	at := store{name: before.Attrs["storage"], node: before.Attrs["node"]}
	lines, err := j.c.readArchives(ctx, at, before.Attrs["vmid"])
	if err != nil {
		return err
	}
	i := slices.IndexFunc(lines, func(line archived) bool { return string(line.VolID) == before.Attrs["volid"] })
	if i < 0 {
		return nil
	}
	a, ours := j.c.archiveOf(lines[i], at)
	switch {
	case !ours || a.source != before.Attrs["source"] || a.of != before.Attrs["of"]:
		return failf("the notes of %s are not those of an archive of template %s any more, and it is left alone", a.volid, before.Attrs["source"])
	case a.protected:
		return failf("%s is protected and is left alone", a.volid)
	}
	j.c.dropArchive(a)
	j.say("deleting %s", a.volid)
	return j.run(ctx, "deleting", func() (upid, error) {
		return j.c.api.delete(ctx, "/nodes/"+at.node+"/storage/"+at.name+"/content/"+strings.ReplaceAll(a.volid, "/", "%2F"))
	})
}

// noteArchive lets waiting machines be restored from an archive made just now.
func (c *Cluster) noteArchive(a archive) {
	c.changeArchives(a, func(list []archive) []archive { return append([]archive{a}, list...) })
	c.restores.with(a.source)
	c.loans.announce()
}

func (c *Cluster) dropArchive(a archive) {
	c.changeArchives(a, func(list []archive) []archive { return list })
}

// changeArchives replaces what is known of one archive, and has its storage read
// again by the next listing.
func (c *Cluster) changeArchives(a archive, change func(others []archive) []archive) {
	c.mu.Lock()
	defer c.mu.Unlock()
	archives := map[string][]archive{}
	for source, list := range c.view.archives {
		archives[source] = slices.DeleteFunc(slices.Clone(list), func(o archive) bool { return o.volid == a.volid })
	}
	archives[a.source] = change(archives[a.source])
	c.view.archives = archives
	for place, b := range c.backups {
		b.next = time.Time{}
		c.backups[place] = b
	}
}

// vault is the storage of that name as a node reaches it.
func (v view) vault(node, name string) (store, bool) {
	s, ok := v.storages[storageKey(node, name)]
	return store{name: name, node: node, place: v.place(node, name)}, ok && s.backup
}

// keepsBackups reports that some node reaches a storage of that name for backups.
func (v view) keepsBackups(name string) bool {
	for node := range v.nodes {
		if _, reached := v.vault(node, name); reached {
			return true
		}
	}
	return false
}

// restorable is the archive of a template as it is, that a node reaches.
func (v view) restorable(t template, node string) (archive, bool) {
	for _, a := range v.archives[t.vmid] {
		_, has := v.vault(node, a.at.name)
		if has && a.of == t.print && (a.at.node == node || v.shared(node, a.at.name)) {
			return a, true
		}
	}
	return archive{}, false
}

func (v view) copyNamed(source, vmid string) (template, bool) {
	for _, t := range v.copies[source] {
		if t.vmid == vmid {
			return t, true
		}
	}
	return template{}, false
}
