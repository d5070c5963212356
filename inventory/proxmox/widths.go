package proxmox

import (
	"cmp"
	"strings"
	"sync"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// widths find out how many changes a thing carries at once, between 1 and the
// limit in the configuration: one more for every round that went well, half as
// many when PVE refused for want of a lock, fewer when tasks side by side take
// longer than one after the other. The zero value has found out nothing.
type widths struct {
	mu  sync.Mutex
	now map[string]float64 // by claim
}

// of is how many changes may hold the claim now.
func (w *widths) of(claim string, limit int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int(w.ofLocked(claim, limit))
}

// The search begins with all that is allowed: a cluster that cannot carry that
// says so soon, and one that can would waste a first wave.
func (w *widths) ofLocked(claim string, limit int) float64 {
	if width, ok := w.now[claim]; ok {
		return min(width, float64(limit))
	}
	return float64(limit)
}

// scale is what one task tells of the width of what it occupied.
type scale int

const (
	wider scale = iota
	narrower
	muchNarrower
)

func (w *widths) adapt(claim string, limit int, by scale) {
	w.mu.Lock()
	defer w.mu.Unlock()
	width := w.ofLocked(claim, limit)
	switch by {
	case wider:
		width += 1 / width
	case narrower:
		width *= 0.9
	case muchNarrower:
		width /= 2
	}
	if w.now == nil {
		w.now = map[string]float64{}
	}
	w.now[claim] = min(max(width, 1), float64(limit))
}

// harmful is the drag from which on tasks side by side lose: 1 would mean that
// they share one thing and win nothing, which does no harm either.
const harmful = 1.2

// adapt learns from a task that has ended, or was refused, how wide the claims
// that it held should be.
func (c *Cluster) adapt(claims []string, u upid, err error) {
	c.adaptTo(claims, aboutTask(u.kind()), err)
}

func (c *Cluster) adaptTo(claims []string, a about, err error) {
	by := wider
	speed, known := c.pace.of(a)
	switch {
	case says(err, "got timeout", "can't lock"):
		by = muchNarrower
	case err != nil:
		return
	case known && speed.drag >= harmful:
		by = narrower
	}
	for _, claim := range claims {
		if limit := c.limit(claim); limit > 0 {
			c.widths.adapt(claim, limit, by)
		}
	}
}

// Width implements reconciler.Widener.
func (c *Cluster) Width(claim string) int {
	kind, name := c.claimed(claim)
	if kind == "template" {
		if sources := c.sourcesOf(name); sources > 0 {
			return max(1, sources-c.reserved(name))
		}
	}
	if kind == "copies" {
		return c.copyWidth(name)
	}
	if kind == "archive" {
		return c.archiveWidth(name)
	}
	if kind == "storage" {
		if width := c.storageWidth(name); width > 0 {
			return width
		}
	}
	if limit := c.limit(claim); limit > 0 {
		return c.widths.of(claim, limit)
	}
	return 0
}

// limit bounds the search for a claim's width; 0 for a claim whose width is known.
func (c *Cluster) limit(claim string) int {
	switch kind, name := c.claimed(claim); kind {
	case "template":
		return c.machinesFrom(name)
	case "storage":
		return c.cfg.Limits.ClonesPerStorage
	case "tasks":
		return c.tasksOn(name)
	case "starts":
		if name != "" {
			return c.cfg.Limits.StartsPerNode
		}
	}
	return 0
}

// tasksOn is how many tasks provost lets a node work on.
func (c *Cluster) tasksOn(node string) int {
	return cmp.Or(c.cfg.Limits.TasksPerNode, max(leastTasks, c.look().cores[node]))
}

// leastTasks is twice as many as were seen to still win something side by side, on
// a node with two cores: those that begin together end together, and when only
// few are left to begin the node should not stand idle for a second wave.
const leastTasks = 32

// untimed is how many sources there may be before it was seen what they do to each
// other: two doublings, and half as many again.
const untimed = 6

// copyWidth holds back copies that the next timing may show to be of no use, while
// there are clones to be timed: there are to be twice as many sources as were timed
// side by side. Negative is none.
func (c *Cluster) copyWidth(source string) int {
	clones, _ := c.loans.left(source)
	v := c.look()
	t, ok := v.template(source)
	if !ok || clones == 0 {
		return 0
	}
	to := inventory.Resource{Attrs: inventory.Attrs{"node": t.node, "storage": c.loans.copiesTo(source)}}
	sources := max(untimed, 2*c.pace.widest(v.aboutClone(planFrom(to, t), to)))
	return cmp.Or(max(0, sources-c.sourcesOf(source)), -1)
}

// besideCopies is how much else may be written to a storage while a template is
// copied. Everybody waits for the copies, and they share the storage with all that
// is written at once.
const besideCopies = 4

// machinesFrom is how many machines are cloned at once from a template: as many as
// keep its node busy along with the starts of those that were cloned before, of
// which this node has its part. A task keeps about a core busy. With more of them
// all end late, and what comes after could have begun; with fewer the other nodes
// and the storage wait for machines.
//
// The parts are guessed ones: what a clone or a start was seen to take is mostly
// waiting for a storage, and that keeps no core busy.
func (c *Cluster) machinesFrom(name string) int {
	vmid, _, _ := strings.Cut(name, "+")
	v := c.look()
	t, ok := v.template(vmid)
	if !ok || v.cores[t.node] == 0 {
		return c.cfg.Limits.QemuClones
	}
	starts := guessBoot / time.Duration(max(1, len(v.nodes)))
	clones := int(time.Duration(v.cores[t.node]) * guessLinked / (guessLinked + starts))
	return min(c.cfg.Limits.QemuClones, max(leastMachines, clones))
}

const leastMachines = 4

func (c *Cluster) claimed(claim string) (kind, name string) {
	kind, name, _ = strings.Cut(strings.TrimPrefix(claim, c.name+"/"), "/")
	return kind, name
}

// sourcesOf counts the containers that can be cloned now for a claim on some
// templates: these and their copies. A template that is a machine counts for
// nothing, as any number may clone it.
func (c *Cluster) sourcesOf(name string) int {
	v := c.look()
	n := 0
	for vmid := range strings.SplitSeq(name, "+") {
		for _, t := range v.templates {
			if t.vmid == vmid && t.typ == typeLXC {
				n += c.cfg.Limits.ClonesPerTemplate
				for _, copied := range v.copies[vmid] {
					if copied.of == t.print && v.nodes[copied.node] {
						n += c.cfg.Limits.ClonesPerTemplate
					}
				}
			}
		}
	}
	return n
}

// reserved counts the originals that linked clones wait for, which nothing else
// can serve. Without copies they have to be shared.
func (c *Cluster) reserved(name string) int {
	v := c.look()
	n := 0
	for vmid := range strings.SplitSeq(name, "+") {
		if len(v.copies[vmid]) > 0 && c.loans.reserves(vmid) {
			n += c.cfg.Limits.ClonesPerTemplate
		}
	}
	return n
}
