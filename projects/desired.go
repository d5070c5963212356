package projects

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// Problems are all errors that show without a live state, in reading order.
func (c *Campus) Problems() []Problem { return slices.Clone(c.declared) }

// Desired says what should be, given what is live. It is pure: the same tree and
// the same live state give the same answer, whatever the order of either.
func (c *Campus) Desired(live []inventory.Resource) Desired {
	b := &builder{
		settings: c.settings, live: indexLive(live),
		running: inventory.Attrs{"state": "running", "boot": "done"}, allowed: inventory.Attrs{"list": "allow", "on": "all"},
	}
	b.out = Desired{Files: map[string]string{}, Units: map[string]int{}}
	c.describe(&b.out)
	machines, contested := c.withLive(b.live)
	b.out.Problems = slices.Clone(c.problems)
	var refused map[*machine]string
	if contested || c.claims.disputed {
		var disputes []Problem
		refused, disputes = settle(machines, b.live)
		b.out.Problems = append(b.out.Problems, disputes...)
	}
	sites := make([]site, len(machines))
	for i, m := range machines {
		guest, isLive := b.live.guestOf(m)
		sites[i] = site{machine: m, guest: guest, isLive: isLive, refused: refused[m]}
		b.sites = append(b.sites, &sites[i])
	}
	b.refuseTaken()
	b.refuseKept()
	b.assignVMIDs()
	b.assignMACs()
	b.assignAddresses()
	b.assignNodes()
	b.produce()
	b.out.Reboots = b.reboots(b.out.Calendar)
	b.freeze()
	b.reportLocks()
	b.out.Problems = sortProblems(b.out.Problems)
	return b.out
}

// sound are the machines of all readable files, sorted by key: the order in
// which everything is handed out.
func (c *Campus) sound() []*machine {
	var all []*machine
	for _, u := range c.units {
		if c.settings == nil || u.broken() != "" {
			continue
		}
		for i := range u.machines {
			all = append(all, &u.machines[i])
		}
	}
	slices.SortFunc(all, func(x, y *machine) int {
		if c := strings.Compare(string(x.key), string(y.key)); c != 0 {
			return c
		}
		return strings.Compare(x.owner.Unit, y.owner.Unit)
	})
	return all
}

// describe fills in files and units.
func (c *Campus) describe(out *Desired) {
	out.Files[campusFile] = c.broken
	out.Retention = Retention{byDefault: c.retain(), units: map[string]int{}}
	out.Calendar, out.Drift, out.Ends = c.calendar(), c.drift(), map[string]End{}
	for p, r := range c.rosters {
		out.Files[p] = r.broken()
	}
	for _, u := range c.units {
		reason := u.broken()
		if c.broken != "" {
			reason = c.broken
		}
		out.Files[u.path] = reason
		out.Units[u.owner.Unit] = 0
		out.Retention.units[u.owner.Unit] = u.retain
		if reason == "" && u.term.lastDay != "" {
			out.Ends[u.owner.Unit] = End{LastDay: u.term.lastDay, At: u.term.end, Over: u.over}
		}
		if reason == "" {
			out.Units[u.owner.Unit] = len(u.machines)
		}
	}
}

// builder makes resources of machines: first it hands out what must be unique,
// then it writes the resources down.
type builder struct {
	settings *settings
	live     *liveState
	sites    []*site
	out      Desired
	// Most power and all filters are alike: resources have these in common, and
	// nobody writes to the attributes of a resource that is given away.
	running, allowed inventory.Attrs
}

// site is a machine with what it was handed out.
type site struct {
	*machine
	guest       *inventory.Resource // the live guest that it is already, or absent
	isLive      bool
	vmid        int
	macs        []string   // one for each of the nics
	address     netip.Addr // reserved for net0
	node        string
	frozen      string // why the guest must wait this time
	refused     string // why nothing of the machine is made or touched
	first, last int    // of what DNS and DHCP are told of the machine, among all of that
}

// refuse gives a machine up for this time and tells its owner.
func (b *builder) refuse(s *site, hint, format string, args ...any) {
	p := s.place.problem(s.owner, hint, format, args...)
	b.out.Problems = append(b.out.Problems, p)
	s.refused = p.String()
}

// warn tells the owner and holds nothing back.
func (b *builder) warn(s *site, hint, format string, args ...any) {
	p := s.place.problem(s.owner, hint, format, args...)
	p.Warning = true
	b.out.Problems = append(b.out.Problems, p)
}

// known is what is live of the machine: the guest that it is, or the foreign one
// that it is about to adopt; absent where there is neither.
func (b *builder) known(s *site) *inventory.Resource {
	if s.isLive || s.adopt == 0 {
		return s.guest
	}
	if r, ok := b.live.byKey[s.adopts()]; ok {
		return r
	}
	return absent
}
