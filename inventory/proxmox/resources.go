package proxmox

import (
	"context"
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

func (t text) number() float64 {
	n, _ := strconv.ParseFloat(string(t), 64)
	return n
}

// line is one entry of /cluster/resources. A guest that was made less than ten
// seconds ago has only type, vmid, node and status "unknown", and pool, tags and
// lock where there are any.
type line struct {
	Type     string `json:"type"` // lxc | qemu | node | storage | pool | network | sdn
	VMID     text   `json:"vmid"`
	Node     string `json:"node"`
	Status   string `json:"status"`
	Name     string `json:"name"`
	Pool     string `json:"pool"`
	Tags     string `json:"tags"`
	Lock     string `json:"lock"`
	Template text   `json:"template"`
	Storage  string `json:"storage"`
	Shared   text   `json:"shared"`
	MaxCPU   text   `json:"maxcpu"`
	MaxMem   text   `json:"maxmem"`
	Mem      text   `json:"mem"`
	MaxDisk  text   `json:"maxdisk"`
	Disk     text   `json:"disk"`
}

func (l line) guest() bool { return l.Type == typeLXC || l.Type == typeQEMU }
func (l line) ref() ref    { return ref{vmid: string(l.VMID), typ: l.Type, node: l.Node} }

// print tells whether anything was changed that shows in the resources.
func (l line) print() string {
	return strings.Join([]string{
		l.Type, l.Node, l.Name, l.Pool, l.Tags, l.Lock, string(l.Template),
		string(l.MaxCPU), string(l.MaxMem), string(l.MaxDisk),
	}, "\x00")
}

// resources asks for everything in the cluster at once.
func (c *Cluster) resources(ctx context.Context) ([]line, error) {
	var lines []line
	_, err := c.api.get(ctx, "/cluster/resources", &lines)
	return lines, err
}

// locate finds out on which node a VMID is now; false when nobody has it.
func (c *Cluster) locate(ctx context.Context, vmid string) (line, bool, error) {
	var lines []line
	if _, err := c.api.get(ctx, "/cluster/resources?type=vm", &lines); err != nil {
		return line{}, false, err
	}
	for _, l := range lines {
		if l.guest() && string(l.VMID) == vmid {
			return l, true, nil
		}
	}
	return line{}, false, nil
}

func (c *Cluster) nodeResource(l line) inventory.Resource {
	attrs := inventory.Attrs{"status": "offline"}
	if l.Status == "online" {
		attrs = inventory.Attrs{
			"status": "online",
			"cores":  canonicalNumber(string(l.MaxCPU)),
			"memory": whole(l.MaxMem, 1<<20),
			"used":   whole(l.Mem, 1<<20),
		}
	}
	return inventory.Resource{Key: c.key(inventory.KindNode, l.Node), Attrs: attrs}
}

func (c *Cluster) storageResource(l line) inventory.Resource {
	return inventory.Resource{
		Key: c.key(inventory.KindStorage, l.Node, l.Storage),
		Attrs: inventory.Attrs{
			"size":   whole(l.MaxDisk, gib),
			"used":   whole(l.Disk, gib),
			"shared": canonicalBool(string(l.Shared)),
		},
	}
}

// whole is a number of bytes in whole units.
func whole(bytes text, unit float64) string {
	return strconv.FormatInt(int64(bytes.number()/unit), 10)
}
