package pvesim

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim/schema"
)

type pool struct {
	comment  string
	guests   map[int]bool
	storages map[string]bool
}

// covers says whether an ACL path is of a member of the pool.
func (p *pool) covers(path string) bool {
	if id, ok := strings.CutPrefix(path, "/vms/"); ok {
		vmid, err := strconv.Atoi(id)
		return err == nil && p.guests[vmid]
	}
	name, ok := strings.CutPrefix(path, "/storage/")
	return ok && p.storages[name]
}

func (c *Cluster) poolOf(vmid int) string {
	for name, p := range c.pools {
		if p.guests[vmid] {
			return name
		}
	}
	return ""
}

// checkPool refuses a pool that is not there; it is asked as a permission.
func (k *call) checkPool() error {
	if name := k.str("pool"); name != "" && k.c.pools[name] == nil {
		return forbidden("pool '" + name + "' does not exist")
	}
	return nil
}

func (k *call) joinPool(vmid int) {
	if p := k.c.pools[k.str("pool")]; p != nil {
		p.guests[vmid] = true
	}
}

func (k *call) getPools() (any, error) {
	if id := k.str("poolid"); id != "" {
		p := k.c.pools[id]
		if p == nil {
			return nil, die("pool '%s' does not exist", id)
		}
		if err := k.need("/pool/"+id, "Pool.Audit"); err != nil {
			return nil, err
		}
		row := k.poolContent(p)
		row["poolid"] = id
		return []any{row}, nil
	}
	rows := []map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(k.c.pools)) {
		if !k.c.can(k.who, "/pool/"+name, "Pool.Audit") {
			continue
		}
		row := map[string]any{"poolid": name}
		if p := k.c.pools[name]; p.comment != "" {
			row["comment"] = p.comment
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (k *call) getPool() (any, error) {
	p := k.c.pools[k.str("poolid")]
	if p == nil {
		return nil, die("pool '%s' does not exist", k.str("poolid"))
	}
	return k.poolContent(p), nil
}

func (k *call) poolContent(p *pool) map[string]any {
	members := []any{}
	for _, vmid := range slices.Sorted(maps.Keys(p.guests)) {
		if g := k.c.guests[vmid]; g != nil {
			members = append(members, k.c.guestRow(g))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.storages)) {
		members = append(members, map[string]any{"id": "storage/" + name, "storage": name, "type": "storage"})
	}
	row := map[string]any{"members": members}
	if p.comment != "" {
		row["comment"] = p.comment
	}
	return row
}

func (k *call) createPool() (any, error) {
	id := k.str("poolid")
	if k.c.pools[id] != nil {
		return nil, die("create pool failed: pool '%s' already exists", id)
	}
	if i := strings.LastIndex(id, "/"); i >= 0 && k.c.pools[id[:i]] == nil {
		return nil, die("create pool failed: parent '%s' of pool '%s' does not exist", id[:i], id)
	}
	k.c.pools[id] = &pool{comment: k.str("comment"), guests: map[int]bool{}, storages: map[string]bool{}}
	return nil, nil
}

// updatePool adds or, with delete, removes members. It does not look whether
// they exist, and neither does the real server.
func (k *call) updatePool() (any, error) {
	p := k.c.pools[k.str("poolid")]
	if p == nil {
		return nil, die("update pools failed: pool '%s' does not exist", k.str("poolid"))
	}
	if k.has("comment") {
		p.comment = k.str("comment")
	}
	for _, word := range schema.SplitList(k.str("vms")) {
		vmid, err := strconv.Atoi(word)
		if err != nil {
			return nil, die("update pools failed: '%s' is not a VMID", word)
		}
		if err := k.member(p, vmid); err != nil {
			return nil, err
		}
	}
	for _, name := range schema.SplitList(k.str("storage")) {
		if p.storages[name] = true; k.on("delete") {
			delete(p.storages, name)
		}
	}
	return nil, nil
}

func (k *call) member(p *pool, vmid int) error {
	id := k.str("poolid")
	if err := k.need("/vms/"+strconv.Itoa(vmid), "VM.Allocate"); err != nil && !k.c.can(k.who, "/pool/"+id, "Pool.Allocate") {
		return err
	}
	if k.on("delete") {
		if !p.guests[vmid] {
			return die("update pools failed: VM %d is not a pool member", vmid)
		}
		delete(p.guests, vmid)
		return nil
	}
	if old := k.c.poolOf(vmid); old != "" && old != id {
		if !k.on("allow-move") {
			return die("update pools failed: VM %d belongs already to pool '%s' and 'allow-move' is not set", vmid, old)
		}
		delete(k.c.pools[old].guests, vmid)
	}
	p.guests[vmid] = true
	return nil
}

func (k *call) deletePool() (any, error) {
	id := k.str("poolid")
	p := k.c.pools[id]
	if p == nil {
		return nil, die("delete pool failed: pool '%s' does not exist", id)
	}
	for _, vmid := range slices.Sorted(maps.Keys(p.guests)) {
		return nil, die("delete pool failed: pool '%s' is not empty (contains VM %d)", id, vmid)
	}
	for _, name := range slices.Sorted(maps.Keys(p.storages)) {
		return nil, die("delete pool failed: pool '%s' is not empty (contains storage '%s')", id, name)
	}
	delete(k.c.pools, id)
	return nil, nil
}
