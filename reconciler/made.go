package reconciler

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strconv"
	"sync"

	"github.com/provost-dev/provost/inventory"
)

// made is what a walk has made so far. The walk adds to it and the desk reads it.
type made struct {
	mu      sync.Mutex
	changes []*inventory.Change // read only
}

func (m *made) add(c *inventory.Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changes = append(m.changes, c)
}

// on is what was live with the changes that were made since: what a listing would
// say now, as far as that follows from the plan. What systems made for themselves,
// such as copies of a template, is left out; nobody declares it.
func (m *made) on(live inventory.Listing) inventory.Listing {
	m.mu.Lock()
	changes := m.changes
	m.mu.Unlock()
	if len(changes) == 0 {
		return live
	}
	is := make(map[inventory.Key]inventory.Resource, len(live.Items)+len(changes))
	for _, r := range live.Items {
		is[r.Key] = r
	}
	moved := burden{}
	for _, c := range changes {
		if c.Owner.IsZero() || c.Key.Kind() == inventory.KindReboot {
			continue
		}
		if c.Before != nil {
			moved.add(c.Key, c.Before.Attrs, -1)
			delete(is, c.Before.Key)
		}
		if c.After != nil {
			r := afterwards(*c)
			moved.add(c.Key, r.Attrs, 1)
			is[c.Key] = r
		}
		if c.Key.Kind() == inventory.KindGuest {
			takePower(is, c)
		}
	}
	items := slices.Collect(maps.Values(is))
	for i := range items {
		items[i] = moved.on(items[i])
	}
	slices.SortFunc(items, func(a, b inventory.Resource) int { return cmp.Compare(a.Key, b.Key) })
	return inventory.Listing{Items: items, Unknown: live.Unknown}
}

// takePower lets the power of a guest follow it: to another name, or away with it.
// What was made, or made anew, stands still.
func takePower(is map[inventory.Key]inventory.Resource, c *inventory.Change) {
	var power inventory.Resource
	there := false
	if c.Before != nil {
		old := powerOf(c.Before.Key)
		power, there = is[old]
		delete(is, old)
	}
	if c.Action == inventory.Create || c.Action == inventory.Replace {
		power, there = inventory.Resource{Attrs: inventory.Attrs{"state": "stopped", "boot": c.After.Attrs["create.boot"]}}, true
	}
	if there && c.After != nil {
		power.Key, power.Owner = powerOf(c.Key), c.After.Owner
		is[power.Key] = power
	}
}

func powerOf(guest inventory.Key) inventory.Key {
	return inventory.MakeKey(guest.System(), inventory.KindPower, guest.Name())
}

// passed are attributes of a live guest that are over when it was changed.
var passed = []string{"lock", "raw", "stale"}

// afterwards is a thing as it is listed when it was changed: what no declaration
// names stays as it was, unless it was made anew.
func afterwards(c inventory.Change) inventory.Resource {
	attrs := inventory.Attrs{}
	if c.Before != nil && c.Action != inventory.Replace {
		maps.Copy(attrs, c.Before.Attrs)
	}
	maps.Copy(attrs, c.After.Attrs)
	maps.DeleteFunc(attrs, func(name, _ string) bool { return inventory.CreateOnly(name) || slices.Contains(passed, name) })
	return inventory.Resource{Key: c.Key, Attrs: attrs, Owner: c.After.Owner}
}

// burden is what guests that were changed load on their nodes and storages, beyond
// what these said when they were read: MiB of memory and GiB of disk. Without it a
// cluster that fills up would look empty for as long as a pass applies.
type burden map[burdened]int

// burdened is a node, a storage of one node, or with no node a shared storage.
type burdened struct{ system, node, storage string }

func (b burden) add(key inventory.Key, attrs inventory.Attrs, sign int) {
	if key.Kind() != inventory.KindGuest {
		return
	}
	system, node, storage := key.System(), attrs["node"], attrs["storage"]
	memory, _ := strconv.Atoi(attrs["memory"])
	disk, _ := strconv.Atoi(attrs["disk"])
	b[burdened{system, node, ""}] += sign * memory
	if storage != "" {
		b[burdened{system, node, storage}] += sign * disk
		b[burdened{system, "", storage}] += sign * disk
	}
}

// on is a node or a storage with its burden; all else is as it was.
func (b burden) on(r inventory.Resource) inventory.Resource {
	at := burdened{system: r.Key.System()}
	switch r.Key.Kind() {
	case inventory.KindNode:
		at.node = r.Key.Name()
	case inventory.KindStorage:
		at.storage = path.Base(r.Key.Name())
		if r.Attrs["shared"] != "1" {
			at.node = path.Dir(r.Key.Name())
		}
	default:
		return r
	}
	if used, err := strconv.Atoi(r.Attrs["used"]); err == nil && b[at] != 0 {
		r.Attrs = maps.Clone(r.Attrs)
		r.Attrs["used"] = strconv.Itoa(max(0, used+b[at]))
	}
	return r
}
