package proxmox

import (
	"maps"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// view is what the last listing saw, as far as changes ask for it: where guests
// are, what can be cloned, which nodes and storages there are. It is a memory
// for names and never a licence: before a write the guest is read again.
type view struct {
	listed    bool
	at        time.Time             // when
	guests    map[inventory.Key]ref // ours, by the guest's key
	taken     map[string]bool       // the VMIDs that somebody had
	templates []template
	copies    map[string][]template // of a template, by its VMID
	archives  map[string][]archive  // of a template, by its VMID, the newest first
	// backupsRead are the storages whose backups are known.
	backupsRead map[string]bool
	nodes       map[string]bool // by name; whether it is online
	cores       map[string]int  // of the nodes, by name
	storages    map[string]storage
	stale       map[string]string // by VMID: what to do about a lock that no task holds
	ran         map[string]string // by VMID: what the mark said of a first start when the guest was seen to run
	ahead       time.Duration     // of the cluster's clock before this machine's
	// images are the OS templates of a node's storage, or of one that nodes share,
	// listed when first asked for.
	images map[string][]string
}

// template is a guest that can be cloned: a template, or a copy that we made of one.
type template struct {
	ref
	name    string
	disk    float64 // GiB
	storage string
	cfg     rawConfig
	stuck   string // why it cannot be cloned until somebody helps, or ""
	print   string // tells whether a template is still what it was
	of      string // a copy's: the print of the template when it was copied
	source  string // a copy's: the VMID of the template
}

// born is a guest that this process has made since the last listing, so that it
// knows how the guest stands.
type born struct {
	owed    string // what its mark says of a first start
	started bool   // its creation was to start it
	runs    bool   // which was seen to end well
	at      time.Time
}

// storage is one storage as one node sees it.
type storage struct {
	shared bool
	kind   string // rbd, nfs, btrfs, …
	backup bool   // it takes backups
}

func storageKey(node, name string) string { return node + "/" + name }

// look returns the view. The maps may be read, not written; note and
// the others replace them.
func (c *Cluster) look() view {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.view
}

func (c *Cluster) setView(v view) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.view = v
	c.occupied, c.deleted, c.born = map[string]bool{}, map[string]bool{}, map[string]born{}
}

// note remembers where a guest is that was made, moved or renamed just now.
func (c *Cluster) note(key inventory.Key, r ref) {
	c.mu.Lock()
	defer c.mu.Unlock()
	guests := maps.Clone(c.view.guests)
	if guests == nil {
		guests = map[inventory.Key]ref{}
	}
	guests[key] = r
	c.view.guests = guests
}

// occupy remembers that a VMID is not free any more, or may not be. What ran under
// it was another guest.
func (c *Cluster) occupy(vmid string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.occupied[vmid] = true
	if _, ok := c.view.ran[vmid]; ok {
		c.view.ran = maps.Clone(c.view.ran)
		delete(c.view.ran, vmid)
	}
}

// free reports that nobody had the VMID at the last listing, and that this
// process has not tried to use it since. It spares a look before a POST, which
// PVE refuses where somebody was faster.
func (c *Cluster) free(vmid string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.view.listed && !c.view.taken[vmid] && !c.occupied[vmid]
}

func (c *Cluster) noteBorn(vmid string, b born) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.at = time.Now()
	c.born[vmid] = b
}

// lately is how long what is known of a guest since it was made needs no second
// look. Who deletes it meanwhile is seen among the tasks.
const lately = 2 * time.Minute

// takeBorn is what is known of a guest since it was made, while that holds. It
// tells once: what comes after looks at the guest itself.
func (c *Cluster) takeBorn(vmid string) (born, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, ok := c.born[vmid]
	delete(c.born, vmid)
	return b, ok && time.Since(b.at) < lately
}

func (c *Cluster) forget(key inventory.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	guests := maps.Clone(c.view.guests)
	delete(guests, key)
	c.view.guests = guests
}

func (c *Cluster) rememberImages(place string, images []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := maps.Clone(c.view.images)
	if all == nil {
		all = map[string][]string{}
	}
	all[place] = images
	c.view.images = all
}
