package projects

import (
	"net/netip"
	"slices"

	"github.com/provost-dev/provost/inventory"
)

// dispute is a claim that several machines make.
type dispute struct {
	what      thing
	claimants []claimant
}

type claimant struct {
	machine *machine
	place   place
}

// register knows who claims what, so that the looking for disputes can be left
// out where there is none: nearly always.
type register struct {
	names     map[thing]entry // claims of all but addresses; nobody asks for these once all is read
	addresses map[thing]entry
	disputed  bool // whether units may have claimed the same
}

type entry struct {
	unit  *unit
	place place
}

func newRegister(room int) *register {
	return &register{names: make(map[thing]entry, room), addresses: map[thing]entry{}}
}

// enter notes a claim of a unit. Where the same unit has made it before it is
// not noted, and the place of the other one comes back.
func (r *register) enter(c claim, u *unit) (first place, twice bool) {
	all := r.names
	if c.what.kind == anIP {
		all = r.addresses
	}
	other, known := all[c.what]
	if known && other.unit == u {
		return other.place, true
	}
	r.disputed = r.disputed || known
	all[c.what] = entry{u, c.place}
	return place{}, false
}

// settle decides between machines of different files that claim the same thing.
// The one that is live under its claim keeps it and the newcomer is refused;
// where none is live, or several are, all are refused: nobody can tell who is
// right, so nothing is made and nothing is taken away.
//
// It returns the refused machines with their reasons, and all problems.
func settle(machines []*machine, live *liveState) (map[*machine]string, []Problem) {
	refused := map[*machine]string{}
	var problems []Problem
	for _, d := range disputes(machines) {
		keeper := d.keeper(live)
		for _, loser := range d.claimants {
			if loser.machine == keeper {
				continue
			}
			p := d.refusal(loser, keeper)
			problems = append(problems, p)
			if refused[loser.machine] == "" {
				refused[loser.machine] = p.String()
			}
		}
	}
	return refused, problems
}

// disputes are the claims made more than once, in the order of the machines.
func disputes(machines []*machine) []dispute {
	times := make(map[thing]int, 2*len(machines))
	for _, m := range machines {
		for _, c := range m.claims {
			times[c.what]++
		}
	}
	index := map[thing]int{}
	var all []dispute
	for _, m := range machines {
		for _, c := range m.claims {
			if times[c.what] == 1 {
				continue
			}
			i, known := index[c.what]
			if !known {
				i = len(all)
				index[c.what], all = i, append(all, dispute{what: c.what})
			}
			all[i].claimants = append(all[i].claimants, claimant{m, c.place})
		}
	}
	return all
}

// keeper is the one machine that lives under the claim, or nil.
func (d dispute) keeper(live *liveState) *machine {
	var keeper *machine
	for _, c := range d.claimants {
		if live.holds(c.machine, d.what) {
			if keeper != nil {
				return nil
			}
			keeper = c.machine
		}
	}
	return keeper
}

// refusal tells a claimant whom it is up against.
func (d dispute) refusal(loser claimant, keeper *machine) Problem {
	var rival claimant
	for _, c := range d.claimants {
		if c.machine == keeper || keeper == nil && rival.machine == nil && c.machine != loser.machine {
			rival = c
		}
	}
	message := "%s is also declared at %s"
	if keeper != nil {
		message += ", and that machine is live"
	}
	return loser.place.problem(loser.machine.owner, "give one of them another, or remove one", message,
		d.what, rival.place.file.whereIs(rival.place))
}

// holds reports whether the live machine of this very declaration has what is
// claimed.
func (l *liveState) holds(m *machine, what thing) bool {
	guest, ok := l.guestOf(m)
	if !ok || guest.Owner.Unit != m.owner.Unit || guest.Owner.Student != m.owner.Student {
		return false
	}
	switch what.kind {
	case aVMID:
		return guest.Attrs["vmid"] == what.name
	case aMAC:
		return l.macs[what.name] == guest.Key
	case anIP:
		a, err := netip.ParseAddr(what.name)
		mac := l.addresses[a]
		return err == nil && mac != "" && l.macs[mac] == guest.Key
	default: // host and DNS names: whose machine stands, has them
		return true
	}
}

// refuseTaken refuses a new machine whose declared address or MAC a machine has
// that is not ours: two of them on one network would cut each other off. What is
// ours may be on its way to another machine, and is left to settle.
func (b *builder) refuseTaken() {
	for _, s := range b.sites {
		if s.isLive || s.adopt != 0 || s.refused != "" {
			continue
		}
		for _, c := range s.claims {
			if by := b.live.foreignUser(c.what); by != "" {
				p := c.place.problem(s.owner, "choose another", "%s is in use by %s, which is not ours", c.what, by)
				b.out.Problems = append(b.out.Problems, p)
				s.refused = p.String()
			}
		}
	}
}

// foreignUser is the foreign guest that has a claimed address or MAC, or "".
func (l *liveState) foreignUser(what thing) inventory.Key {
	mac := what.name
	switch what.kind {
	case aMAC:
	case anIP:
		a, _ := netip.ParseAddr(what.name)
		mac = l.addresses[a]
	default:
		return ""
	}
	if key := l.macs[mac]; key.Kind() == inventory.KindForeign {
		return key
	}
	return ""
}

// withLive gives machines the claims that only the live state shows, the
// addresses that DHCP already reserves for them, and reports whether any of
// these is claimed by another, too.
func (c *Campus) withLive(live *liveState) (machines []*machine, disputed bool) {
	if len(live.reserved) == 0 {
		return c.machines, false
	}
	machines = slices.Clone(c.machines)
	reserved := map[thing]bool{}
	for i, m := range machines {
		a, ok := live.reservedFor(m)
		if !ok {
			continue
		}
		more := claim{thing{kind: anIP, name: a.String()}, m.place}
		_, declared := c.claims.addresses[more.what]
		disputed = disputed || declared || reserved[more.what]
		reserved[more.what] = true
		with := *m
		with.claims = append(m.claims[:len(m.claims):len(m.claims)], more)
		machines[i] = &with
	}
	return machines, disputed
}

// reservedFor is the address that DHCP reserves for a live machine that wants one.
func (l *liveState) reservedFor(m *machine) (netip.Addr, bool) {
	if m.dhcp != "reserve" {
		return netip.Addr{}, false
	}
	guest, ok := l.guestOf(m)
	if !ok {
		return netip.Addr{}, false
	}
	return l.reservationOf(m, guest.Attrs["net0.mac"])
}

// reservationOf is the address that DHCP reserves for net0 of a machine.
func (l *liveState) reservationOf(m *machine, mac string) (netip.Addr, bool) {
	a, ok := l.reserved[reservationKey(m, mac)]
	return a, ok
}

func reservationKey(m *machine, mac string) inventory.Key {
	n := m.nics[0].network
	return inventory.MakeKey(n.dhcp, inventory.KindReservation, n.scope, dashMAC(mac))
}
