package faults

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

var memoryByHand = regexp.MustCompile(`(?m)^memory: .*$`)

// Meddle changes something of ours by hand, or adds something foreign. which
// chooses among what there is.
func (c *Campus) Meddle(which int) error {
	deeds := []func(int) error{
		c.addAnother, c.setPower, c.setPower, c.editMemory, c.editFields, c.removeRecord, c.removeRecord, c.removeFilter, c.removeReservation,
	}
	return deeds[which%len(deeds)](which / len(deeds))
}

// addAnother makes a machine of somebody else's, on a VMID that one of ours may be about to have.
func (c *Campus) addAnother(which int) error {
	vmid := 20000 + which%100
	if _, taken := c.PVE.Guest(vmid); taken {
		return nil
	}
	return c.AddStranger(stranger(vmid, "pve2", fmt.Sprintf("stranger-%d", which), "by hand"))
}

// machines are ours that nothing is being done to.
func (c *Campus) machines() []pvesim.Guest {
	return slices.DeleteFunc(c.PVE.Guests(), func(g pvesim.Guest) bool { return c.isForeign(g) || g.Lock != "" || g.VMID >= 100_000 })
}

func (c *Campus) setPower(which int) error {
	if ours := c.machines(); len(ours) > 0 {
		c.PVE.SetStatus(ours[which/2%len(ours)].VMID, []string{"stopped", "running"}[which%2])
	}
	return nil
}

// desks are the machines of students that are whole.
func (c *Campus) desks() []pvesim.Guest {
	return slices.DeleteFunc(c.machines(), func(g pvesim.Guest) bool { return !whole(g) || !strings.HasPrefix(g.Name, "vm-s") })
}

// editMemory writes what is only reported, and notes it.
func (c *Campus) editMemory(which int) error {
	ours := c.desks()
	if len(ours) == 0 {
		return nil
	}
	g := ours[which%len(ours)]
	c.edited[g.VMID] = "777"
	return c.PVE.EditFile(g.VMID, memoryByHand.ReplaceAllString(c.PVE.File(g.VMID), "memory: 777"))
}

// editFields writes what is put right.
func (c *Campus) editFields(which int) error {
	ours := c.desks()
	if len(ours) == 0 {
		return nil
	}
	g := ours[which/2%len(ours)]
	edit := []*strings.Replacer{
		strings.NewReplacer("cores: 1\n", "cores: 3\n", "cores: 2\n", "cores: 3\n"),
		strings.NewReplacer("bridge=students", "bridge=servers", "bridge=labs", "bridge=servers"),
	}[which%2]
	return c.PVE.EditFile(g.VMID, edit.Replace(c.PVE.File(g.VMID)))
}

func (c *Campus) removeRecord(which int) error {
	var records []string
	for _, line := range c.Ours() {
		if strings.HasPrefix(line, "record ") {
			records = append(records, line)
		}
	}
	if len(records) == 0 {
		return nil
	}
	var name, zone, kind, value string
	if n, _ := fmt.Sscanf(records[which%len(records)], "record %s %s %s %s", &name, &zone, &kind, &value); n == 4 && kind != "TXT" {
		c.Windows[0].RemoveRecord(zone, name, kind, value)
	}
	return nil
}

func (c *Campus) removeFilter(which int) error {
	s := c.Windows[which%2]
	for _, f := range s.Filters() {
		if f.Description != "printer" && slices.Contains([]byte(f.MAC), byte('A'+which%6)) {
			s.RemoveFilter(f.MAC)
			return nil
		}
	}
	return nil
}

func (c *Campus) removeReservation(which int) error {
	all := c.Windows[1].Reservations()
	if r := all[which%len(all)]; r.Name != "printer" {
		c.Windows[1].RemoveReservation(r.IP)
	}
	return nil
}

// whole reports whether a machine carries a mark that is its own, and is configured.
func whole(g pvesim.Guest) bool {
	mark, ok := inventory.ParseMark(g.Config["description"])
	return ok && mark.Extra["vmid"] == fmt.Sprint(g.VMID) && mark.Extra["raw"] == ""
}
