package proxmox

import (
	"fmt"
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

func TestExplain(t *testing.T) {
	c := newRig(t, pvesim.Options{}).open(t)
	list(t, c)
	c.notePlanned([]inventory.Change{
		{Key: "cri/copy/9000-1", After: &inventory.Resource{Attrs: inventory.Attrs{"source": "9000"}}},
		{Key: "cri/copy/9000-2", After: &inventory.Resource{Attrs: inventory.Attrs{"source": "9000"}}},
		{Key: "cri/copy/8000-1", Before: &inventory.Resource{Attrs: inventory.Attrs{"source": "8000"}}},
	})
	original, _ := c.look().template("9000")
	for _, made := range []string{"1/3", "2/3", "3/3"} {
		if _, what := c.Explain("cri/template/9000"); what != "template 9000: fan-out "+made {
			t.Errorf("%s, want %s", what, made)
		}
		c.noteCopy("9000", template{ref: ref{node: original.node, vmid: "99", typ: typeLXC}, of: original.print})
	}
	for claim, want := range map[string]string{
		"cri/template/9001":      "clones wait for template 9001: 1 at once",
		"cri/template/9000+9001": "clones wait for templates 9000 and 9001: fan-out 5/5",
		"cri/template/9100":      "clones wait for template 9100: %d at once",
		"cri/storage/ceph":       "clones wait for storage ceph: %d at once",
		"cri/tasks/pve1":         "changes wait for node pve1: %d at once",
		"cri/starts/pve1":        "starts wait for node pve1: %d at once",
		"cri/stops/pve1":         "stops wait for node pve1",
		"cri/starts":             "starts wait for node any",
		"cri/else":               "changes wait for cri/else",
	} {
		if strings.Contains(want, "%d") {
			want = fmt.Sprintf(want, c.Width(claim))
		}
		changes, what := c.Explain(claim)
		if got := changes + " wait for " + what; got != want {
			t.Errorf("%s: %s, want %s", claim, got, want)
		}
	}
}
