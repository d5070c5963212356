package pvesim

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim/schema"
)

func (k *call) getVersion() (any, error) {
	if k.c.opts.Release == "8.4" {
		return map[string]any{"release": "8.4", "version": "8.4.14", "repoid": "b502d23c55afcba1"}, nil
	}
	return map[string]any{"release": "9.1", "version": "9.1.6", "repoid": "49323fe8"}, nil
}

// getResources lists guests, nodes, storages, pools and networks that the
// asker may see; nodes are everybody's.
func (k *call) getResources() (any, error) {
	rows := []map[string]any{}
	want := func(kind string) bool { t := k.str("type"); return t == "" || t == kind }
	if want("vm") {
		for _, g := range k.c.sortedGuests() {
			if k.c.can(k.who, "/vms/"+g.id(), "VM.Audit") {
				rows = append(rows, k.visible(g))
			}
		}
	}
	if want("node") {
		for _, n := range k.c.nodes {
			rows = append(rows, k.nodeResource(n))
		}
	}
	if want("storage") {
		rows = append(rows, k.storageResources()...)
	}
	if want("sdn") {
		rows = append(rows, k.networkResources()...)
	}
	if k.str("type") == "" {
		rows = append(rows, k.poolResources()...)
	}
	return rows, nil
}

// visible hides a pool from who may not see it.
func (k *call) visible(g *guest) map[string]any {
	row := k.c.guestRow(g)
	if p := k.c.poolOf(g.vmid); p != "" && k.c.can(k.who, "/pool/"+p, "Pool.Audit") {
		row["pool"] = p
	}
	return row
}

// guestRow is a guest in /cluster/resources: tags and lock are read from the
// files, the rest is what pvestatd told, if it has.
func (c *Cluster) guestRow(g *guest) map[string]any {
	row := map[string]any{"id": g.resource(), "type": g.kind, "vmid": g.vmid, "node": g.node.name, "status": "unknown"}
	if tags := g.tags(); tags != "" {
		row["tags"] = tags
	}
	if g.lock() != "" {
		row["lock"] = g.lock()
	}
	if g.node.down {
		return row
	}
	if c.opts.StatDelay == 0 {
		g.collect()
	}
	if g.stat == nil {
		return row
	}
	s := g.stat
	row["name"], row["template"], row["status"], row["uptime"] = s.name, bit(s.template), "stopped", 0
	row["maxcpu"], row["maxmem"], row["maxdisk"] = s.cores, s.memory, s.disk
	for _, k := range []string{"cpu", "mem", "disk", "diskread", "diskwrite", "netin", "netout"} {
		row[k] = 0
	}
	if c.opts.Release != "8.4" {
		row["memhost"] = 0
	}
	if s.running {
		row["status"], row["uptime"] = "running", int(time.Since(s.started).Seconds())
		row["mem"] = s.memory / 4
	}
	return row
}

const (
	nodeCores  = 64
	nodeMemory = int64(512) << 30
	nodeDisk   = int64(100) << 30
)

func (k *call) nodeResource(n *node) map[string]any {
	row := map[string]any{"id": "node/" + n.name, "type": "node", "node": n.name, "level": "", "cgroup-mode": 2, "status": "online"}
	if n.down {
		row["status"] = "offline"
		delete(row, "cgroup-mode")
		return row
	}
	if k.c.can(k.who, "/nodes/"+n.name, "Sys.Audit") {
		row["maxcpu"], row["maxmem"], row["maxdisk"] = k.c.costs.cores(), nodeMemory, nodeDisk
		row["cpu"], row["mem"], row["disk"] = 0.01, k.c.memoryUsed(n), int64(10)<<30
		row["uptime"] = int(time.Since(n.booted).Seconds())
	}
	return row
}

// memoryUsed is what the running guests of a node may take.
func (c *Cluster) memoryUsed(n *node) int64 {
	used := int64(2) << 30
	for _, g := range c.guests {
		if g.node == n && g.running {
			used += g.memory()
		}
	}
	return used
}

func (k *call) storageResources() []map[string]any {
	rows := []map[string]any{}
	for _, s := range k.c.sortedStorages() {
		if !k.c.canAny(k.who, "/storage/"+s.name, "Datastore.Audit", "Datastore.AllocateSpace") {
			continue
		}
		for _, n := range k.c.nodes {
			if !s.on(n) {
				continue
			}
			row := map[string]any{"id": "storage/" + n.name + "/" + s.name, "type": "storage", "storage": s.name,
				"node": n.name, "plugintype": s.kind, "content": strings.Join(s.contents, ","), "shared": bit(s.shared), "status": "unknown"}
			if !n.down {
				row["status"], row["maxdisk"], row["disk"] = "available", s.size, k.c.used(s, n)
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// networkResources are the SDN zones, of which the double has the built-in one.
func (k *call) networkResources() []map[string]any {
	rows := []map[string]any{}
	for _, n := range k.c.nodes {
		if !k.c.canAny(k.who, "/sdn/zones/localnetwork", "SDN.Audit", "SDN.Use") {
			break
		}
		if k.c.opts.Release == "8.4" {
			rows = append(rows, map[string]any{"id": "sdn/" + n.name + "/localnetwork", "type": "sdn", "sdn": "localnetwork", "node": n.name, "status": "ok"})
			continue
		}
		rows = append(rows, map[string]any{"id": "network/" + n.name + "/zone/localnetwork", "type": "network", "network": "localnetwork",
			"network-type": "zone", "zone-type": "localnetwork", "node": n.name, "status": "ok"})
	}
	return rows
}

func (k *call) poolResources() []map[string]any {
	rows := []map[string]any{}
	for name := range k.c.pools {
		if k.c.can(k.who, "/pool/"+name, "Pool.Audit") {
			rows = append(rows, map[string]any{"id": "/pool/" + name, "type": "pool", "pool": name})
		}
	}
	slices.SortFunc(rows, func(a, b map[string]any) int { return strings.Compare(a["id"].(string), b["id"].(string)) })
	return rows
}

func (k *call) getClusterStatus() (any, error) {
	online := 0
	rows := []map[string]any{}
	for i, n := range k.c.nodes {
		online += bit(!n.down)
		rows = append(rows, map[string]any{"id": "node/" + n.name, "type": "node", "name": n.name, "nodeid": i + 1,
			"online": bit(!n.down), "local": bit(n == k.node), "ip": "127.0.0.1", "level": ""})
	}
	if len(k.c.nodes) > 1 {
		rows = append(rows, map[string]any{"id": "cluster", "type": "cluster", "name": "sim", "nodes": len(k.c.nodes),
			"quorate": bit(2*online > len(k.c.nodes)), "version": len(k.c.nodes)})
	}
	return rows, nil
}

// getNextID reserves nothing.
func (k *call) getNextID() (any, error) {
	if k.has("vmid") {
		if g := k.c.guests[k.num("vmid")]; g != nil {
			return nil, badParam("vmid", "VM "+g.id()+" already exists")
		}
		return k.str("vmid"), nil
	}
	lower, upper := 100, 1000000
	if v := k.c.options["next-id"]; v != "" {
		if n, err := strconv.Atoi(volumeOption(v, "lower")); err == nil {
			lower = n
		}
		if n, err := strconv.Atoi(volumeOption(v, "upper")); err == nil {
			upper = n
		}
	}
	for id := lower; id < upper; id++ {
		if k.c.guests[id] == nil {
			return strconv.Itoa(id), nil
		}
	}
	return nil, die("unable to get any free VMID in range [%d, %d]", lower, upper-1)
}

func (k *call) getOptions() (any, error) {
	tags := map[string]bool{}
	for _, g := range k.c.guests {
		for _, t := range schema.SplitList(g.tags()) {
			tags[t] = true
		}
	}
	data := map[string]any{"mac_prefix": "BC:24:11", "description": "", "allowed-tags": slices.Sorted(maps.Keys(tags))}
	for name, value := range k.c.options {
		if p := k.c.api["/cluster/options"]["PUT"].Param(name); p != nil && p.Keys != nil {
			data[name] = parseProps(p.Keys, value)
		} else {
			data[name] = value
		}
	}
	return data, nil
}

func (k *call) putOptions() (any, error) {
	for _, name := range schema.SplitList(k.str("delete")) {
		delete(k.c.options, name)
	}
	for name, value := range k.params {
		if name != "delete" {
			k.c.options[name] = value
		}
	}
	return nil, nil
}
