package pvesim

import (
	"maps"
	"slices"
	"time"
)

func (k *call) getNodes() (any, error) {
	rows := []map[string]any{}
	for _, n := range k.c.nodes {
		row := map[string]any{"id": "node/" + n.name, "type": "node", "node": n.name, "level": "", "status": "online", "ssl_fingerprint": ""}
		if n.down {
			row["status"] = "offline"
		} else if k.c.can(k.who, "/nodes/"+n.name, "Sys.Audit") {
			row["maxcpu"], row["maxmem"], row["maxdisk"] = k.c.costs.cores(), nodeMemory, nodeDisk
			row["cpu"], row["mem"], row["disk"] = 0.01, k.c.memoryUsed(n), int64(10)<<30
			row["uptime"] = int(time.Since(n.booted).Seconds())
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (k *call) getNodeStatus() (any, error) {
	used := k.c.memoryUsed(k.node)
	return map[string]any{
		"uptime": int(time.Since(k.node.booted).Seconds()), "cpu": 0.01, "wait": 0, "idle": 0,
		"loadavg": []string{"0.10", "0.10", "0.10"}, "pveversion": "pve-manager/" + k.c.opts.Release,
		"cpuinfo": map[string]any{"cpus": k.c.costs.cores(), "cores": (k.c.costs.cores() + 1) / 2, "sockets": 1, "model": "simulated"},
		"memory":  map[string]any{"total": nodeMemory, "used": used, "free": nodeMemory - used},
		"swap":    map[string]any{"total": 0, "used": 0, "free": 0},
		"rootfs":  map[string]any{"total": nodeDisk, "used": int64(10) << 30, "free": nodeDisk - int64(10)<<30, "avail": nodeDisk - int64(10)<<30},
	}, nil
}

func (k *call) getNetwork() (any, error) {
	rows := []map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(k.c.bridges)) {
		if k.c.canAny(k.who, bridgePath(name, ""), "SDN.Audit", "SDN.Use") || k.c.can(k.who, "/nodes/"+k.node.name, "Sys.Audit") {
			rows = append(rows, map[string]any{"iface": name, "type": "bridge", "active": 1, "autostart": 1,
				"bridge_ports": "", "method": "manual", "method6": "manual", "families": []string{"inet"}, "priority": len(rows) + 1})
		}
	}
	return rows, nil
}
