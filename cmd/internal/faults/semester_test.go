package faults

import (
	"errors"
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// secondSemester is an apply in which each stage of a machine's life comes: s01 had
// left and comes back, s02 leaves and is kept, s06 leaves and is deleted with all
// that hangs on it, s07 is new, two projects get more memory and are restarted for
// what they take only then; and people have been at work by hand.
func secondSemester(t *testing.T) *act {
	repo, commits := repositoryOf(t,
		semester{students: 6},
		semester{students: 6, gone: []string{"s01"}},
		semester{students: 7, gone: []string{"s02", "s06"}, wiki: 3072, tp: 1536, resolver: "10.79.0.2"},
	)
	return &act{repo: repo, past: commits[:2], commit: commits[2], meddle: drift}
}

// drift is what people do by hand to things that are ours.
func drift(c *Campus) error {
	wiki, ok := c.named("wiki.srv.isima.fr")
	desk, also := c.named("vm-s05")
	if !ok || !also {
		return errors.New("there is nothing to meddle with")
	}
	c.PVE.SetStatus(wiki.VMID, "stopped")
	file := strings.Replace(memoryByHand.ReplaceAllString(c.PVE.File(desk.VMID), "memory: 777"), "cores: 2", "cores: 1", 1)
	if err := c.PVE.EditFile(desk.VMID, file); err != nil {
		return err
	}
	c.Windows[0].RemoveRecord("srv.isima.fr", "wiki", "A", "10.79.0.71")
	for _, f := range c.Windows[1].Filters() {
		if _, ours := inventory.ParseMark(f.Description); ours {
			c.Windows[1].RemoveFilter(f.MAC) // one partner lacks one
			break
		}
	}
	return nil
}

// named is a machine of ours.
func (c *Campus) named(name string) (pvesim.Guest, bool) {
	for _, g := range c.PVE.Guests() {
		if g.Name == name && !c.isForeign(g) {
			return g, true
		}
	}
	return pvesim.Guest{}, false
}
