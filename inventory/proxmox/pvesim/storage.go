package pvesim

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// storage is a place for volumes. What it holds is what the guests'
// configurations name, and the OS templates.
type storage struct {
	name      string
	kind      string // dir, nfs, btrfs, lvmthin, zfspool, rbd, …
	contents  []string
	shared    bool
	size      int64
	nodes     []string // nil: all
	templates []string // file names under vztmpl/
	backups   []*backup
}

func (s *storage) on(n *node) bool {
	return len(s.nodes) == 0 || slices.Contains(s.nodes, n.name)
}

// files says whether the storage keeps volumes as files in a tree.
func (s *storage) files() bool {
	return slices.Contains([]string{"dir", "nfs", "cifs", "cephfs", "glusterfs", "btrfs"}, s.kind)
}

// storageFor finds a storage that a node can use.
func (c *Cluster) storageFor(name string, n *node) (*storage, error) {
	s := c.storages[name]
	if s == nil {
		return nil, die("storage '%s' does not exist", name)
	}
	if !s.on(n) {
		return nil, die("storage '%s' is not available on node '%s'", name, n.name)
	}
	return s, nil
}

// splitVolume cuts "local:100/vm-100-disk-0.raw" into storage and name.
func splitVolume(volume string) (store, name string, ok bool) {
	if strings.HasPrefix(volume, "/") {
		return "", volume, false
	}
	return strings.Cut(volume, ":")
}

// newVolume names the next free volume of a guest.
func (s *storage) newVolume(g *guest, values map[string]string, format string) string {
	used := map[string]bool{}
	for _, section := range []map[string]string{g.conf.Values, values} {
		for _, k := range diskKeys(g.kind, section) {
			used[baseName(volumeOf(section[k]))] = true
		}
	}
	for i := 0; ; i++ {
		name := fmt.Sprintf("vm-%d-disk-%d", g.vmid, i)
		if s.kind == "zfspool" && g.isLXC() {
			name = "sub" + strings.Replace(name, "vm", "vol", 1)
		}
		file := name
		if s.files() {
			file += "." + format
		}
		if used[file] || used[strings.Replace(file, "vm-", "base-", 1)] {
			continue
		}
		if s.files() {
			return fmt.Sprintf("%s:%d/%s", s.name, g.vmid, file)
		}
		return s.name + ":" + file
	}
}

// baseName is the last part of a volume's name.
func baseName(volume string) string {
	_, name, _ := splitVolume(volume)
	return name[strings.LastIndex(name, "/")+1:]
}

// toBase names a volume after its guest became a template.
func toBase(volume string) string {
	i := len(volume) - len(baseName(volume))
	name := baseName(volume)
	name = strings.Replace(name, "subvol-", "basevol-", 1)
	return volume[:i] + strings.Replace(name, "vm-", "base-", 1)
}

// canLink says whether the storage makes linked clones of a base volume.
func (s *storage) canLink(volume string) bool {
	switch s.kind {
	case "lvmthin", "zfspool", "rbd":
		return true
	case "btrfs":
		return strings.HasSuffix(volume, ".raw")
	}
	return strings.HasSuffix(volume, ".qcow2")
}

// canSnapshot says whether the storage makes snapshots of a volume.
func (s *storage) canSnapshot(volume string) bool { return s.canLink(volume) }

// linkVolume names a linked clone: most storages name the base in it, which is
// how they know that the base is in use.
func (s *storage) linkVolume(base, fresh string) string {
	_, baseVol, _ := splitVolume(base)
	_, freshVol, _ := splitVolume(fresh)
	if s.kind == "btrfs" || s.kind == "lvmthin" {
		return fresh
	}
	return s.name + ":" + baseVol + "/" + freshVol
}

// inUse finds whether some other volume is a linked clone of a base.
func (c *Cluster) inUse(base string) bool {
	for _, g := range c.guests {
		for _, k := range diskKeys(g.kind, g.conf.Values) {
			if strings.HasPrefix(volumeOf(g.conf.Values[k]), base+"/") {
				return true
			}
		}
	}
	return false
}

// volumes lists what guests keep on a storage.
func (c *Cluster) volumes(s *storage, n *node) []map[string]any {
	rows := []map[string]any{}
	for _, g := range c.sortedGuests() {
		if !s.shared && g.node != n {
			continue
		}
		for _, k := range diskKeys(g.kind, g.conf.Values) {
			value := g.conf.Values[k]
			if store, _, ok := splitVolume(volumeOf(value)); !ok || store != s.name {
				continue
			}
			content, format := "images", "raw"
			if g.isLXC() {
				content = "rootdir"
			}
			if strings.HasSuffix(volumeOf(value), ".qcow2") {
				format = "qcow2"
			}
			rows = append(rows, map[string]any{"volid": volumeOf(value), "content": content,
				"format": format, "size": parseSize(volumeOption(value, "size")), "vmid": g.vmid, "ctime": 0})
		}
	}
	return rows
}

func (c *Cluster) used(s *storage, n *node) (bytes int64) {
	for _, v := range c.volumes(s, n) {
		bytes += v["size"].(int64)
	}
	return bytes
}

func (k *call) getStorages() (any, error) {
	rows := []map[string]any{}
	for _, s := range k.c.sortedStorages() {
		if k.c.canAny(k.who, "/storage/"+s.name, "Datastore.Audit", "Datastore.AllocateSpace") {
			row := map[string]any{"storage": s.name, "type": s.kind, "content": strings.Join(s.contents, ","), "digest": ""}
			if s.shared {
				row["shared"] = 1
			}
			if len(s.nodes) > 0 {
				row["nodes"] = strings.Join(s.nodes, ",")
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func (c *Cluster) sortedStorages() []*storage {
	return slices.SortedFunc(maps.Values(c.storages), func(a, b *storage) int { return strings.Compare(a.name, b.name) })
}

func (k *call) getNodeStorages() (any, error) {
	rows := []map[string]any{}
	for _, s := range k.c.sortedStorages() {
		if !s.on(k.node) || !k.c.canAny(k.who, "/storage/"+s.name, "Datastore.Audit", "Datastore.AllocateSpace") {
			continue
		}
		if want := k.str("content"); want != "" && !slices.Contains(s.contents, want) {
			continue
		}
		row := k.storageStatus(s)
		row["storage"] = s.name
		rows = append(rows, row)
	}
	return rows, nil
}

func (k *call) storageStatus(s *storage) map[string]any {
	used := k.c.used(s, k.node)
	return map[string]any{"type": s.kind, "content": strings.Join(s.contents, ","), "enabled": 1, "active": 1,
		"shared": bit(s.shared), "total": s.size, "used": used, "avail": max(s.size-used, 0),
		"used_fraction": float64(used) / float64(max(s.size, 1))}
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (k *call) getStorageStatus() (any, error) {
	s := k.c.storages[k.str("storage")]
	if s == nil || !s.on(k.node) {
		return nil, badParam("storage", "No such storage.")
	}
	row := k.storageStatus(s)
	delete(row, "used_fraction")
	return row, nil
}

func (k *call) getContent() (any, error) {
	s, err := k.c.storageFor(k.str("storage"), k.node)
	if err != nil {
		return nil, err
	}
	rows := []map[string]any{}
	for _, file := range slices.Sorted(slices.Values(s.templates)) {
		rows = append(rows, map[string]any{"volid": s.name + ":vztmpl/" + file, "content": "vztmpl",
			"format": templateFormat(file), "size": 120 << 20, "ctime": 0})
	}
	rows = append(rows, k.c.volumes(s, k.node)...)
	rows = append(rows, k.backups(s)...)
	return slices.DeleteFunc(rows, func(r map[string]any) bool {
		if want := k.str("content"); want != "" && r["content"] != want {
			return true
		}
		return k.has("vmid") && fmt.Sprint(r["vmid"]) != k.str("vmid")
	}), nil
}

func templateFormat(file string) string {
	if i := strings.LastIndex(file, ".tar."); i >= 0 {
		return "t" + file[i+5:]
	}
	return "raw"
}

// deleteContent removes a backup or an OS template; as on the real server, the
// task is content if there is none of these.
func (k *call) deleteContent() (any, error) {
	s, err := k.c.storageFor(k.str("storage"), k.node)
	if err != nil {
		return nil, err
	}
	_, name, ok := strings.Cut(k.str("volume"), ":")
	if !ok {
		name = k.str("volume")
	}
	if strings.HasPrefix(name, "backup/") {
		return k.deleteBackup(s, name)
	}
	if err := k.need("/storage/"+s.name, "Datastore.AllocateTemplate"); err != nil {
		return nil, err
	}
	return k.spawn(job{kind: "imgdel", id: s.name, end: func(*task) error {
		s.templates = slices.DeleteFunc(s.templates, func(t string) bool { return "vztmpl/"+t == name })
		return nil
	}})
}

// ostemplate checks that an OS template is there.
func (c *Cluster) ostemplate(volume string, n *node) error {
	store, name, _ := splitVolume(volume)
	s, err := c.storageFor(store, n)
	if err != nil {
		return err
	}
	if !slices.Contains(s.templates, strings.TrimPrefix(name, "vztmpl/")) {
		return die("volume '%s' does not exist", volume)
	}
	return nil
}

// sizeRequest recognises "storage:8", which asks for a new volume of 8 GiB.
func sizeRequest(volume string) (store string, bytes int64, ok bool) {
	store, size, isVolume := splitVolume(volume)
	gib, err := strconv.ParseFloat(size, 64)
	if !isVolume || err != nil {
		return "", 0, false
	}
	return store, int64(gib*1024) << 20, true
}
