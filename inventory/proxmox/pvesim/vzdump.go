package pvesim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// backup is an archive of a guest on a storage.
type backup struct {
	file      string // vzdump-lxc-100-2026_11_21-13_37_00.tar.zst
	vmid      int
	kind      string
	made      time.Time
	size      int64
	notes     string
	protected bool
	conf      Section // of the guest when it was made; no values where nobody knows
}

func (s *storage) volid(b *backup) string { return s.name + ":backup/" + b.file }

// Backup is an archive as a test looks at it.
type Backup struct {
	VolID     string
	VMID      int
	Notes     string
	Protected bool
}

// Backups returns those on a storage, in the order in which they were made.
func (c *Cluster) Backups(storage string) []Backup {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []Backup
	if s := c.storages[storage]; s != nil {
		for _, b := range s.backups {
			all = append(all, Backup{VolID: s.volid(b), VMID: b.vmid, Notes: b.notes, Protected: b.protected})
		}
	}
	return all
}

// Annotate gives a backup other notes and protects it or not, as a person would.
func (c *Cluster) Annotate(volid, notes string, protected bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.backup(volid); b != nil {
		b.notes, b.protected = notes, protected
	}
}

// backup finds an archive by its volume's name.
func (c *Cluster) backup(volume string) *backup {
	store, _, _ := splitVolume(volume)
	s := c.storages[store]
	if s == nil {
		return nil
	}
	for _, b := range s.backups {
		if s.volid(b) == volume {
			return b
		}
	}
	return nil
}

// rootOnly are parameters of a backup that no token may use.
var rootOnly = []string{"dumpdir", "job-id", "script", "tmpdir"}

// notModelled are those that the double does not know what to do with.
var notModelled = []string{"all", "exclude", "pool", "stdout", "stop"}

// vzdump backs up one guest. As on the real server the request itself looks at
// little: what is wrong with the storage or the guest, the task finds out.
func (k *call) vzdump() (any, error) {
	if err := k.permitBackup(); err != nil {
		return nil, err
	}
	for _, name := range notModelled {
		if k.has(name) {
			return nil, die("the double backs up the one guest that vmid names, and knows no %s", name)
		}
	}
	g := k.c.guests[k.num("vmid")]
	if g != nil && g.node != k.node {
		return "OK", nil // it is another node's: nothing to do here
	}
	store := k.backupStorage()
	if err := k.need("/storage/"+store, "Datastore.AllocateSpace"); err != nil {
		return nil, err
	}
	// One at a time on each node; the next waits for three hours, or as it says.
	turn := fileClaim{path: k.node.name + ":/var/run/vzdump.lock", exclusive: true, limit: 180 * time.Minute}
	if minutes := k.num("lockwait"); minutes > 0 {
		turn.limit = time.Duration(minutes) * time.Minute
	}
	return k.spawn(job{kind: "vzdump", id: k.str("vmid"), fork: true, files: []fileClaim{turn}, cost: k.backupCost(g),
		begin: func(t *task) error { return k.beginBackup(t, store) },
		undo:  func() { k.endBackup() },
		end:   func(t *task) error { return k.finishBackup(t, store) },
	})
}

func (k *call) backupStorage() string {
	if k.has("storage") {
		return k.str("storage")
	}
	return "local"
}

func (k *call) permitBackup() error {
	for _, name := range rootOnly {
		if k.has(name) {
			return badParam(name, "Only root may set this option.")
		}
	}
	for _, name := range []string{"bwlimit", "ionice", "performance"} {
		if !k.has(name) {
			continue
		}
		if err := k.need("/", "Sys.Modify"); err != nil {
			return err
		}
	}
	if k.has("prune-backups") {
		return k.need("/storage/"+k.backupStorage(), "Datastore.Allocate")
	}
	if strings.Contains(k.str("notes-template"), "\n") {
		return badParam("notes-template", "contains a line feed\n")
	}
	return nil
}

// backupCost reads every disk once; the archive is smaller, and goes elsewhere.
func (k *call) backupCost(g *guest) work {
	costs := &k.c.costs
	w := busy(costs.Backup)
	w.own = costs.BackupStream
	if g == nil {
		return w
	}
	for _, name := range diskKeys(g.kind, g.conf.Values) {
		value := g.conf.Values[name]
		if store, _, ok := splitVolume(volumeOf(value)); ok && volumeOption(value, "media") != "cdrom" {
			w = w.through(costs, k.c.storages[store], float64(parseSize(volumeOption(value, "size"))), k.bwlimit())
		}
	}
	return w
}

func (k *call) beginBackup(t *task, store string) error {
	s, err := k.c.storageFor(store, k.node)
	if err == nil && !slices.Contains(s.contents, "backup") {
		err = die("can't use storage '%s' for backups - wrong content type", store)
	}
	if err != nil {
		return die("could not get storage information for '%s': %s", store, err)
	}
	vmid := k.num("vmid")
	if err := k.need(fmt.Sprintf("/vms/%d", vmid), "VM.Backup"); err != nil {
		return err
	}
	g := k.c.guests[vmid]
	if g == nil {
		err = die("unable to find VM '%d'", vmid)
	} else {
		err = g.checkLock()
	}
	if err != nil {
		t.log = append(t.log, fmt.Sprintf("ERROR: Backup of VM %d failed - %s", vmid, err))
		return die("job errors")
	}
	g.setLock(k.c, "backup")
	return nil
}

func (k *call) endBackup() {
	if g := k.c.guests[k.num("vmid")]; g != nil && g.lock() == "backup" {
		g.setLock(k.c, "")
	}
}

func (k *call) finishBackup(t *task, store string) error {
	g, s := k.c.guests[k.num("vmid")], k.c.storages[store]
	if g == nil || s == nil {
		return die("job errors")
	}
	k.endBackup()
	now := time.Now().UTC()
	b := &backup{vmid: g.vmid, kind: g.kind, made: now, notes: k.notes(g), protected: k.on("protected"), conf: g.conf.Section.clone()}
	b.name(s, archiveFormat(g.kind, k.str("compress")))
	for _, name := range diskKeys(g.kind, g.conf.Values) {
		b.size += parseSize(volumeOption(g.conf.Values[name], "size")) / packed
	}
	s.backups = append(s.backups, b)
	t.log = append(t.log, "INFO: Finished Backup of VM "+g.id())
	return nil
}

// name calls a backup by its second, and waits for one that is not taken: in the
// double a backup may take no time.
func (b *backup) name(s *storage, format string) {
	for {
		b.file = fmt.Sprintf("vzdump-%s-%d-%s.%s", b.kind, b.vmid, b.made.Format("2006_01_02-15_04_05"), format)
		if !slices.ContainsFunc(s.backups, func(o *backup) bool { return o.file == b.file }) {
			return
		}
		b.made = b.made.Add(time.Second)
	}
}

// packed is by how much smaller an archive is than the disk: a guess, and the
// room that it takes is all that hangs on it.
const packed = 2

func archiveFormat(kind, compress string) string {
	format := "tar"
	if kind == "qemu" {
		format = "vma"
	}
	switch compress {
	case "zstd":
		return format + ".zst"
	case "gzip":
		return format + ".gz"
	case "lzo", "1":
		return format + ".lzo"
	}
	return format
}

// notes are made from their template.
func (k *call) notes(g *guest) string {
	return strings.NewReplacer(`\\`, `\`, `\n`, "\n", "{{cluster}}", "standalone node",
		"{{guestname}}", g.name(), "{{node}}", k.node.name, "{{vmid}}", g.id()).Replace(k.str("notes-template"))
}

// backups are those that the caller may see; the others are left out without a word.
func (k *call) backups(s *storage) []map[string]any {
	var rows []map[string]any
	for _, b := range s.backups {
		if !k.c.can(k.who, "/storage/"+s.name, "Datastore.Allocate") && !k.c.can(k.who, fmt.Sprintf("/vms/%d", b.vmid), "VM.Backup") {
			continue
		}
		_, format, _ := strings.Cut(b.file, ".")
		row := map[string]any{"volid": s.volid(b), "content": "backup", "subtype": b.kind, "format": format,
			"size": b.size, "vmid": b.vmid, "ctime": b.made.Unix()}
		if first, _, _ := strings.Cut(b.notes, "\n"); first != "" {
			row["notes"] = first
		}
		if b.protected {
			row["protected"] = 1
		}
		rows = append(rows, row)
	}
	return rows
}

// deleteBackup removes an archive; what is protected stays.
func (k *call) deleteBackup(s *storage, name string) (any, error) {
	b := k.c.backup(s.name + ":" + name)
	if b == nil {
		return nil, die("can't find file '%s:%s'", s.name, name)
	}
	if err := k.need("/storage/"+s.name, "Datastore.AllocateSpace"); err != nil {
		return nil, err
	}
	if err := k.need(fmt.Sprintf("/vms/%d", b.vmid), "VM.Backup"); err != nil {
		return nil, err
	}
	return k.spawn(job{kind: "imgdel", id: fmt.Sprintf("%d@%s", b.vmid, s.name), end: func(*task) error {
		if b.protected {
			return die("cannot remove protected volume '%s' on '%s'", name, s.name)
		}
		s.backups = slices.DeleteFunc(s.backups, func(o *backup) bool { return o == b })
		return nil
	}})
}
