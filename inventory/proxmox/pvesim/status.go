package pvesim

import (
	"strconv"
	"strings"
	"time"
)

// current is a guest's live state, for its own page and the list of its node.
func (c *Cluster) current(g *guest) map[string]any {
	row := map[string]any{"vmid": g.vmid, "name": g.name(), "status": g.status(), "cpus": g.cores(), "maxmem": g.memory(), "maxdisk": g.disk(), "uptime": 0}
	for _, k := range []string{"cpu", "mem", "disk", "netin", "netout"} {
		row[k] = 0
	}
	if tags := g.tags(); g.conf.Values["tags"] != "" {
		row["tags"] = tags
	}
	if g.lock() != "" {
		row["lock"] = g.lock()
	}
	if g.template() {
		row["template"] = 1
	}
	if g.isLXC() {
		row["type"], row["swap"], row["maxswap"], row["diskread"], row["diskwrite"] = "lxc", 0, g.swap(), 0, 0
	} else {
		c.currentQEMU(g, row)
	}
	if g.running && c.opts.Release != "8.4" {
		for _, k := range []string{"cpufull", "cpusome", "iofull", "iosome", "memoryfull", "memorysome"} {
			if row["pressure"+k] = nil; !g.isLXC() {
				row["pressure"+k] = 0
			}
		}
	}
	if g.running {
		row["pid"], row["uptime"], row["mem"] = 20000+g.vmid, int(time.Since(g.started).Seconds()), g.memory()/4
	}
	return row
}

func (c *Cluster) currentQEMU(g *guest, row map[string]any) {
	row["qmpstatus"] = g.status()
	if c.opts.Release != "8.4" {
		row["memhost"] = 0
	}
	for name := range g.conf.Values {
		if isIndexed(name, "serial") {
			row["serial"] = 1
		}
	}
}

func (k *call) getCurrent() (any, error) {
	g, err := k.guest()
	if err != nil {
		return nil, err
	}
	row := k.c.current(g)
	row["ha"] = map[string]any{"managed": 0}
	if vga := g.conf.Values["vga"]; vga != "" {
		row["clipboard"] = nil
	}
	return row, nil
}

func (k *call) listGuests() (any, error) {
	rows := []map[string]any{}
	for _, g := range k.c.sortedGuests() {
		if g.node == k.node && g.kind == k.kind && k.c.can(k.who, "/vms/"+g.id(), "VM.Audit") {
			rows = append(rows, k.c.current(g))
		}
	}
	return rows, nil
}

// getInterfaces shows no addresses: nothing runs inside.
func (k *call) getInterfaces() (any, error) {
	g, err := k.guest()
	if err != nil {
		return nil, err
	}
	if !g.running {
		return nil, die("CT %d not running", g.vmid)
	}
	face := func(name, mac string) map[string]any {
		return map[string]any{"name": name, "hwaddr": mac, "hardware-address": mac, "ip-addresses": []any{}}
	}
	rows := []map[string]any{face("lo", "00:00:00:00:00:00")}
	for i := range 32 {
		if net := g.conf.Values["net"+strconv.Itoa(i)]; net != "" {
			rows = append(rows, face(volumeOption(net, "name"), strings.ToLower(volumeOption(net, "hwaddr"))))
		}
	}
	return rows, nil
}
