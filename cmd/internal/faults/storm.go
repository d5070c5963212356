package faults

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"slices"
	"sync"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

var memoryByHand = regexp.MustCompile(`(?m)^memory: .*$`)

// Storm is a script in which a share of all calls goes wrong, drawn from its seed
// and the call alone, while it blows.
type Storm struct {
	Seed  uint64
	Share float64

	mu     sync.Mutex
	over   bool
	killIn int // calls until the process that makes them is killed; 0 for never
}

// weather is what a storm does to calls: all that is no end of the process.
var weather = []Fault{Refused, Hung, Failed, Lost, TaskFailed}

// Meet implements Script.
func (s *Storm) Meet(p Point) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.killIn > 0 {
		if s.killIn--; s.killIn == 0 {
			return Killed
		}
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s", s.Seed, p)
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9 // FNV alone changes little with the last byte
	x ^= x >> 27
	if s.over || float64(x>>40)/(1<<24) >= s.Share {
		return None
	}
	f := weather[x%uint64(len(weather))]
	if f == TaskFailed && p.Kind != "proxmox" {
		f = Failed
	}
	return f
}

// KillIn kills whoever makes the n-th call from now.
func (s *Storm) KillIn(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.killIn = n
}

// Calm ends the storm.
func (s *Storm) Calm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over, s.killIn = true, 0
}

// Meddle changes something of ours by hand, or adds something foreign. which
// chooses among what there is.
func (c *Campus) Meddle(which int) error {
	var ours []pvesim.Guest
	for _, g := range c.PVE.Guests() {
		if !c.isForeign(g) && g.Lock == "" && g.VMID < 100_000 {
			ours = append(ours, g)
		}
	}
	pick := func(n int) int { return which / 8 % n }
	switch which % 8 {
	case 0:
		if vmid := 20000 + which%100; !slices.ContainsFunc(c.PVE.Guests(), func(g pvesim.Guest) bool { return g.VMID == vmid }) {
			return c.AddStranger(stranger(vmid, "pve2", fmt.Sprintf("stranger-%d", which), "by hand"))
		}
	case 1, 2, 3:
		if len(ours) == 0 {
			return nil
		}
		g := ours[pick(len(ours))]
		switch which % 8 {
		case 1:
			c.PVE.SetStatus(g.VMID, "stopped")
		case 2:
			c.PVE.SetStatus(g.VMID, "running")
		default:
			return c.PVE.EditFile(g.VMID, memoryByHand.ReplaceAllString(c.PVE.File(g.VMID), "memory: 777"))
		}
	case 4, 5:
		var records []string
		for _, line := range c.Ours() {
			if len(line) > 7 && line[:7] == "record " {
				records = append(records, line)
			}
		}
		if len(records) > 0 {
			var name, zone, kind, value string
			if n, _ := fmt.Sscanf(records[pick(len(records))], "record %s %s %s %s", &name, &zone, &kind, &value); n == 4 && kind != "TXT" {
				c.Windows[0].RemoveRecord(zone, name, kind, value)
			}
		}
	case 6:
		for _, f := range c.Windows[which%2].Filters() {
			if f.Description != "printer" && slices.Contains([]byte(f.MAC), byte('A'+pick(6))) {
				c.Windows[which%2].RemoveFilter(f.MAC)
				break
			}
		}
	case 7:
		if r := c.Windows[1].Reservations(); len(r) > 1 {
			if r := r[pick(len(r))]; r.Name != "printer" {
				c.Windows[1].RemoveReservation(r.IP)
			}
		}
	}
	return nil
}
