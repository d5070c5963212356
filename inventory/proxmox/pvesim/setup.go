package pvesim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// AddStorage adds a storage of a size. Without nodes it is on all of them.
func (c *Cluster) AddStorage(name, kind string, contents []string, shared bool, sizeGiB int, nodes ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.storages[name] = &storage{name: name, kind: kind, contents: slices.Clone(contents), shared: shared,
		size: int64(sizeGiB) << 30, nodes: nodes}
}

// AddOSTemplate puts a file such as debian-12-standard_12.7-1_amd64.tar.zst
// among a storage's OS templates.
func (c *Cluster) AddOSTemplate(storage, file string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.storages[storage]
	if s == nil {
		return fmt.Errorf("cannot add OS template %s: there is no storage %s", file, storage)
	}
	s.templates = append(s.templates, file)
	return nil
}

// AddBackup puts a backup of a guest, which need not exist any more, on a storage,
// as if it had been made when the year 2026 began.
func (c *Cluster) AddBackup(storage string, vmid int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.storages[storage]
	if s == nil {
		return fmt.Errorf("cannot add a backup of %d: there is no storage %s", vmid, storage)
	}
	b := &backup{vmid: vmid, kind: "lxc", size: 1 << 30, made: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	if g := c.guests[vmid]; g != nil {
		b.kind, b.conf = g.kind, g.conf.Section.clone()
	}
	b.name(s, archiveFormat(b.kind, "zstd"))
	s.backups = append(s.backups, b)
	return nil
}

// AddPool adds an empty pool; "a/b" needs "a".
func (c *Cluster) AddPool(name, comment string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pools[name] = &pool{comment: comment, guests: map[int]bool{}, storages: map[string]bool{}}
}

// AddBridge adds a bridge to all nodes; vmbr0 is there from the start.
func (c *Cluster) AddBridge(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bridges[name] = true
}

// AddGuest puts a guest there as it is given: its VMID, Node, Type, Config, Raw
// lines, Pool, and Status "running" or else stopped.
func (c *Cluster) AddGuest(g Guest) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.node(g.Node)
	if n == nil {
		return fmt.Errorf("cannot add guest %d: there is no node %s", g.VMID, g.Node)
	}
	if c.guests[g.VMID] != nil {
		return fmt.Errorf("cannot add guest %d: it exists", g.VMID)
	}
	conf := newConf(g.Config)
	conf.Raw = slices.Clone(g.Raw)
	if g.Template {
		conf.Values["template"] = "1"
	}
	conf, err := ParseConf(g.Type, conf.String()) // as the server would read it
	if err != nil {
		return fmt.Errorf("cannot add guest %d: %w", g.VMID, err)
	}
	made := c.addGuest(n, g.Type, g.VMID, conf)
	made.running = g.Status == "running"
	if g.Pool != "" {
		p := c.pools[g.Pool]
		if p == nil {
			return fmt.Errorf("cannot add guest %d: there is no pool %s", g.VMID, g.Pool)
		}
		p.guests[g.VMID] = true
	}
	made.collect()
	return nil
}

// AddTemplate adds a guest that is a template; its volumes become base volumes.
func (c *Cluster) AddTemplate(g Guest) error {
	g.Template, g.Status = true, ""
	g.Config = maps.Clone(g.Config)
	for _, k := range diskKeys(g.Type, g.Config) {
		v := g.Config[k]
		if !strings.Contains(v, "media=cdrom") {
			g.Config[k] = setVolume(v, toBase(volumeOf(v)), nil)
		}
	}
	return c.AddGuest(g)
}

// EditFile replaces a guest's file under /etc/pve, as a person with an editor
// on the node would.
func (c *Cluster) EditFile(vmid int, text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.guests[vmid]
	if g == nil {
		return fmt.Errorf("cannot edit guest %d: it does not exist", vmid)
	}
	conf, err := ParseConf(g.kind, text)
	if err != nil {
		return err
	}
	g.conf = conf
	c.written(g)
	return nil
}

// Move puts a guest on another node, as the HA manager does with those of a node
// that is gone: no task, and the file as it was.
func (c *Cluster) Move(vmid int, to string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g, n := c.guests[vmid], c.node(to); g != nil && n != nil {
		g.node = n
		c.written(g)
	}
}

// SetStatus starts or stops a guest from within, as its owner would: no task,
// no write of its file. status is "running" or "stopped".
func (c *Cluster) SetStatus(vmid int, status string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.guests[vmid]; g != nil {
		g.setRunning(status == "running")
	}
}

// HoldLock sets or, with "", clears a guest's lock, as pct unlock does.
func (c *Cluster) HoldLock(vmid int, lock string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.guests[vmid]; g != nil {
		g.setLock(c, lock)
	}
}

// NodeDown takes a node off the network: its sockets close, requests for it
// through other nodes fail, and its guests' state is unknown.
func (c *Cluster) NodeDown(name string) { c.setDown(name, true) }

// NodeUp brings it back.
func (c *Cluster) NodeUp(name string) { c.setDown(name, false) }

func (c *Cluster) setDown(name string, down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.node(name)
	if n == nil {
		return
	}
	if !n.down {
		n.last = n.told()
	}
	n.down = down
	for _, g := range c.guests {
		if g.node == n && down {
			g.stat = nil // until pvestatd's next round after it is back
		}
	}
	n.https.setDown(down)
	if n.ssh != nil {
		n.ssh.setDown(down)
	}
}
