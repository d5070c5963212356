package proxmox

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// text is a JSON string, number or boolean: PVE is not strict about which.
type text string

// UnmarshalJSON implements json.Unmarshaler; what is none of these is "".
func (t *text) UnmarshalJSON(data []byte) error {
	s, _ := scalar(data)
	*t = text(s)
	return nil
}

// line is one entry of /cluster/resources. A guest that was made less than ten
// seconds ago has only type, vmid, node and status "unknown", and pool, tags and
// lock where there are any.
type line struct {
	kind                     string // lxc | qemu | node | storage | pool | network | sdn
	vmid, node, status, name string
	pool, tags, lock         string
	template, shared         string // 0 | 1
	storage, plugin, content string
	maxCPU, maxMem, maxDisk  string // bytes
	mem, disk                string // bytes
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *line) UnmarshalJSON(data []byte) error {
	var f map[string]text
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	get := func(name string) string { return string(f[name]) }
	*l = line{
		kind: get("type"), vmid: get("vmid"), node: get("node"), status: get("status"), name: get("name"),
		pool: get("pool"), tags: get("tags"), lock: get("lock"), template: get("template"), shared: get("shared"),
		storage: get("storage"), plugin: get("plugintype"), content: get("content"), maxCPU: get("maxcpu"), maxMem: get("maxmem"), maxDisk: get("maxdisk"),
		mem: get("mem"), disk: get("disk"),
	}
	return nil
}

// holds reports whether a storage is for contents of that sort.
func (l line) holds(content string) bool {
	return slices.Contains(strings.Split(l.content, ","), content)
}

func (l line) guest() bool { return l.kind == typeLXC || l.kind == typeQEMU }
func (l line) ref() ref    { return ref{vmid: l.vmid, typ: l.kind, node: l.node} }

// print tells whether anything was changed that shows in the resources.
func (l line) print() string {
	return strings.Join([]string{
		l.kind, l.node, l.name, l.pool, l.tags, l.lock, l.template,
		l.maxCPU, l.maxMem, l.maxDisk,
	}, "\x00")
}

// resources asks for everything in the cluster at once.
func (c *Cluster) resources(ctx context.Context) ([]line, error) {
	var lines []line
	_, err := c.api.get(ctx, "/cluster/resources", &lines)
	if err == nil && !slices.ContainsFunc(lines, func(l line) bool { return l.kind == "node" }) {
		err = errors.New("cannot use the answer to GET /cluster/resources: it shows no node, and so no whole cluster")
	}
	return lines, err
}

// locate finds out on which node a VMID is now; false when nobody has it.
func (c *Cluster) locate(ctx context.Context, vmid string) (line, bool, error) {
	var lines []line
	if _, err := c.api.get(ctx, "/cluster/resources?type=vm", &lines); err != nil {
		return line{}, false, err
	}
	for _, l := range lines {
		if l.guest() && l.vmid == vmid {
			return l, true, nil
		}
	}
	return line{}, false, nil
}

func (c *Cluster) nodeResource(l line) inventory.Resource {
	attrs := inventory.Attrs{"status": "offline"}
	if l.status == "online" {
		attrs = inventory.Attrs{
			"status": "online",
			"cores":  canonicalNumber(l.maxCPU),
			"memory": whole(l.maxMem, 1<<20),
			"used":   whole(l.mem, 1<<20),
		}
	}
	return inventory.Resource{Key: c.key(inventory.KindNode, l.node), Attrs: attrs}
}

func (c *Cluster) storageResource(l line) inventory.Resource {
	return inventory.Resource{
		Key: c.key(inventory.KindStorage, l.node, l.storage),
		Attrs: inventory.Attrs{
			"size":   whole(l.maxDisk, gib),
			"used":   whole(l.disk, gib),
			"shared": canonicalBool(l.shared),
		},
	}
}

// whole is a number of bytes in whole units.
func whole(bytes string, unit float64) string {
	n, _ := strconv.ParseFloat(bytes, 64)
	return strconv.FormatInt(int64(n/unit), 10)
}
