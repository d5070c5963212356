package proxmox

import (
	"maps"

	"github.com/provost-dev/provost/inventory"
)

// view is what the last listing saw, as far as changes ask for it: where guests
// are, what can be cloned, which nodes and storages there are. It is a memory
// for names and never a licence: before a write the guest is read again.
type view struct {
	listed    bool
	guests    map[inventory.Key]ref // ours, by the guest's key
	templates []template
	nodes     map[string]bool // by name; whether it is online
	storages  map[string]storage
	// images are the OS templates of a node's storage, listed when first asked for.
	images map[string][]string
}

// template is a guest that can be cloned.
type template struct {
	ref
	name    string
	disk    float64 // GiB
	storage string
}

// storage is one storage as one node sees it.
type storage struct{ shared bool }

func storageKey(node, name string) string { return node + "/" + name }

// look returns the view. The maps may be read, not written; note and
// rememberImages replace them.
func (c *Cluster) look() view {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.view
}

func (c *Cluster) setView(v view) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.view = v
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

func (c *Cluster) forget(key inventory.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	guests := maps.Clone(c.view.guests)
	delete(guests, key)
	c.view.guests = guests
}

func (c *Cluster) rememberImages(node, storage string, images []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := maps.Clone(c.view.images)
	if all == nil {
		all = map[string][]string{}
	}
	all[storageKey(node, storage)] = images
	c.view.images = all
}
