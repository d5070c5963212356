package pvesim

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim/schema"
)

// guest is a container or a machine. A VMID is the cluster's: there is one map.
type guest struct {
	vmid    int
	node    *node
	kind    string // "lxc" or "qemu"
	conf    *Conf
	running bool
	ha      bool // the HA manager starts and stops it
	started time.Time
	version int   // of its file
	stat    *stat // what pvestatd last told; nil: nothing yet
}

// stat is the part of /cluster/resources that comes from pvestatd.
type stat struct {
	name     string
	running  bool
	template bool
	cores    int
	memory   int64
	disk     int64
	started  time.Time
}

func (g *guest) lock() string     { return g.conf.Values["lock"] }
func (g *guest) template() bool   { return g.conf.Values["template"] == "1" }
func (g *guest) id() string       { return strconv.Itoa(g.vmid) }
func (g *guest) isLXC() bool      { return g.kind == "lxc" }
func (g *guest) resource() string { return g.kind + "/" + g.id() }

func (g *guest) status() string {
	if g.running {
		return "running"
	}
	return "stopped"
}

// name is what lists show: a container without a host name is CT100.
func (g *guest) name() string {
	if g.isLXC() {
		if n := g.conf.Values["hostname"]; n != "" {
			return n
		}
		return "CT" + g.id()
	}
	if n := g.conf.Values["name"]; n != "" {
		return n
	}
	return "VM " + g.id()
}

// word is how the server calls a guest of its kind.
func (g *guest) word() string { return wordOf(g.kind) }

func wordOf(kind string) string {
	if kind == "lxc" {
		return "CT"
	}
	return "VM"
}

func confDir(kind string) string {
	if kind == "lxc" {
		return "lxc"
	}
	return "qemu-server"
}

// guestFile is the path of the file lock of the call's guest.
func (k *call) guestFile() string { return lockPath(k.kind, k.vmid) }

func lockPath(kind string, vmid int) string {
	if kind == "lxc" {
		return "/run/lock/lxc/pve-config-" + strconv.Itoa(vmid) + ".lock"
	}
	return "/var/lock/qemu-server/lock-" + strconv.Itoa(vmid) + ".conf"
}

// guest returns the guest that the call's path names.
func (k *call) guest() (*guest, error) { return k.c.find(k.node, k.kind, k.vmid) }

func (c *Cluster) find(n *node, kind string, vmid int) (*guest, error) {
	g := c.guests[vmid]
	if g == nil || g.node != n || g.kind != kind {
		return nil, die("Configuration file 'nodes/%s/%s/%d.conf' does not exist", n.name, confDir(kind), vmid)
	}
	return g, nil
}

// checkLock refuses what a lock forbids.
func (g *guest) checkLock() error {
	if g.lock() != "" {
		return die("%s is locked (%s)", g.word(), g.lock())
	}
	return nil
}

// unlocked is guest, refused when it is locked.
func (k *call) unlocked() (*guest, error) {
	g, err := k.guest()
	if err == nil {
		err = g.checkLock()
	}
	return g, err
}

// written notes that a guest's file was written, whether or not it changed.
func (c *Cluster) written(g *guest) {
	c.version++
	g.version = c.version
}

func (g *guest) setLock(c *Cluster, lock string) {
	if lock == "" {
		delete(g.conf.Values, "lock")
	} else {
		g.conf.Values["lock"] = lock
	}
	c.written(g)
}

func (c *Cluster) addGuest(n *node, kind string, vmid int, conf *Conf) *guest {
	g := &guest{vmid: vmid, node: n, kind: kind, conf: conf}
	c.guests[vmid] = g
	c.written(g)
	return g
}

func (c *Cluster) removeGuest(vmid int) {
	delete(c.guests, vmid)
	for _, p := range c.pools {
		delete(p.guests, vmid)
	}
	c.version++
}

func (c *Cluster) sortedGuests() []*guest {
	return slices.SortedFunc(maps.Values(c.guests), func(a, b *guest) int { return a.vmid - b.vmid })
}

// exists is the refusal of a VMID that is taken.
func (c *Cluster) exists(vmid int) error {
	if g := c.guests[vmid]; g != nil {
		return die("%s %d already exists on node '%s'", g.word(), vmid, g.node.name)
	}
	return nil
}

// collect is pvestatd's look at one guest.
func (g *guest) collect() {
	g.stat = &stat{
		name: g.name(), running: g.running, template: g.template(),
		cores: g.cores(), memory: g.memory(), disk: g.disk(), started: g.started,
	}
}

// pvestatd tells the cluster of its guests, round after round.
func (c *Cluster) pvestatd() {
	for c.sleep(c.opts.StatDelay) {
		c.mu.Lock()
		for _, g := range c.guests {
			if !g.node.down {
				g.collect()
			}
		}
		c.mu.Unlock()
	}
}

func (g *guest) number(option string, otherwise int) int {
	n, err := strconv.Atoi(g.conf.Values[option])
	if err != nil {
		return otherwise
	}
	return n
}

// cores of a container without a limit are the host's two.
func (g *guest) cores() int {
	if g.isLXC() {
		return g.number("cores", 2)
	}
	return g.number("cores", 1) * g.number("sockets", 1)
}

func (g *guest) memory() int64 { return int64(g.number("memory", 512)) << 20 }
func (g *guest) swap() int64   { return int64(g.number("swap", 512)) << 20 }

// disk is the size of the root disk; 4 GiB is what the server says before
// there is one.
func (g *guest) disk() int64 {
	if g.isLXC() {
		if v, ok := g.conf.Values["rootfs"]; ok {
			return parseSize(volumeOption(v, "size"))
		}
		return 4 << 30
	}
	for _, key := range bootDisks(g.conf.Values) {
		return parseSize(volumeOption(g.conf.Values[key], "size"))
	}
	return 0
}

// tags as lists show them.
func (g *guest) tags() string { return strings.TrimSpace(g.conf.Values["tags"]) }

// normaliseTags lowers, sorts and removes doubles.
func normaliseTags(value string) string {
	words := schema.SplitList(strings.ToLower(value))
	slices.Sort(words)
	return strings.Join(slices.Compact(words), ";")
}
