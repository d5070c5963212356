package reconciler_test

import (
	"math"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// The least time in which a row can be done, by whatever schedule: worked out
// from the model's parameters alone, without the scheduler.
//
// It is the largest of the longest chain of things that must follow each other
// and, for each thing that is shared, all the work there is for it divided by
// the most it can do. Copies of a container template may be made, as many as
// make the bound smallest; they cost what a clone costs. Linked clones have none:
// a linked clone hangs on its base for ever, and a copy is to be deleted some day.
// Jitter is left out, since it is as often less as more.
func (r row) bound() time.Duration { return r.boundWithin(math.MaxInt) }

// boundWithin is the bound when a node works at no more than width tasks at once.
func (r row) boundWithin(width int) time.Duration {
	costs, err := pvesim.Preset(r.preset)
	if err != nil {
		panic(err) // a row names a preset that is there
	}
	m := demand{Costs: costs, nodes: len(r.nodes()), disk: float64(r.diskGiB() << 30), count: r.counts(), width: width}
	if r.faults {
		m.faults = faultShare
	}
	least := math.Inf(1)
	for copies := range 16 {
		if copies > 0 && m.count[fullClones] == 0 {
			break
		}
		m.copies = copies
		least = min(least, m.least())
	}
	return time.Duration(least * float64(time.Second))
}

// demand is what a row asks of a cluster.
type demand struct {
	pvesim.Costs
	nodes  int
	disk   float64        // bytes of a template
	count  map[string]int // machines, by how they are made
	copies int            // of the container template, made first
	width  int            // tasks at once on a node
	faults float64        // share of calls that fail and are made again
}

func (m demand) machines() int {
	n := 0
	for _, count := range m.count {
		n += count
	}
	return n
}

// cloned machines need a start of their own; a creation can start what it made.
func (m demand) cloned() int { return m.machines() - m.count[images] }

func (m demand) least() float64 {
	return max(m.path(), m.processors(), m.storage(), m.workers())
}

// call is how long a request takes, those included that have to be made again.
func (m demand) call(d time.Duration) float64 { return d.Seconds() / (1 - m.faults) }

// poll is the look that tells that a task has ended.
func (m demand) poll() float64 { return m.call(m.Read + m.Tasks) }

// copying is how long bytes take that nothing else is in the way of.
func (m demand) copying(bytes float64) float64 {
	rate := m.Shared.Throughput
	if m.Shared.Stream > 0 {
		rate = min(rate, m.Shared.Stream)
	}
	return bytes / rate
}

// start is what follows when a machine is cloned: its configuration and its start.
func (m demand) start() float64 {
	return m.call(m.Config) + m.call(m.Answer) + m.Start.Seconds() + m.copying(m.Booted)
}

// path is the longest of the chains, each of which ends with a start.
func (m demand) path() float64 {
	longest := 0.0
	chain := func(how string, made float64) {
		if m.count[how] > 0 {
			longest = max(longest, made+m.start())
		}
	}
	full := m.call(m.Answer) + m.FullClone.Seconds() + m.copying(m.disk) + m.poll()
	linked := m.call(m.Answer) + m.LinkedClone.Seconds() + m.poll()
	chain(fullClones, float64(rounds(m.count[fullClones], m.copies))*full)
	chain(linkedClones, float64(m.count[linkedClones])*linked)
	chain(linkedMachines, m.Fork.Seconds()+linked)
	if m.count[images] > 0 { // the creation starts it too
		longest = max(longest, m.call(m.Answer)+m.Create.Seconds()+m.copying(m.Unpacked)+m.Start.Seconds())
	}
	return longest
}

// rounds is how many clones must follow each other when n are made of a
// container template and k copies of it first: each source serves one at a time,
// and a copy is a source as soon as it is there.
func rounds(n, k int) int {
	sources, r := 1, 0
	for n+k > 0 {
		made := min(sources, n+k)
		copied := min(k, made)
		n, k, sources = n-(made-copied), k-copied, sources+copied
		r++
	}
	return r
}

// processors is when the nodes have done all work. A clone works on its source's
// node: the templates' is the first; copies may stand on any.
func (m demand) processors() float64 {
	anywhere := 0.0 // work, in seconds
	first := float64(m.count[linkedMachines]+m.count[linkedClones]) * m.LinkedClone.Seconds()
	clones := float64(m.count[fullClones]+m.copies) * m.FullClone.Seconds()
	if m.copies == 0 {
		first += clones
	} else {
		anywhere += clones
	}
	// Machines are spread over the nodes evenly.
	each := (float64(m.count[images])*(m.Create+m.CreatedStart).Seconds() + float64(m.cloned())*m.Start.Seconds()) / float64(m.nodes)
	tasks := m.machines()/m.nodes + m.copies + m.count[linkedMachines] // at once at most, on the first
	most := m.throughput(min(tasks, m.width))
	return max((first+each)/most, (first+anywhere+each*float64(m.nodes))/(most*float64(m.nodes)))
}

// throughput is the work that a node does in a second with so many tasks at once.
func (m demand) throughput(tasks int) float64 {
	n := float64(max(tasks, 1))
	return n / (1 + m.Contention*(n-1))
}

// storage is when all bytes have gone through. None does before the first
// request is answered and its task has done what comes before the copying.
func (m demand) storage() float64 {
	bytes := float64(m.count[fullClones]+m.copies)*m.disk + float64(m.count[images])*m.Unpacked + float64(m.cloned())*m.Booted
	if bytes/m.Shared.Throughput == 0 {
		return 0
	}
	lead := math.Inf(1)
	for how, before := range map[string]time.Duration{fullClones: m.FullClone, images: m.Create, linkedClones: m.LinkedClone, linkedMachines: m.LinkedClone} {
		if m.count[how] > 0 {
			lead = min(lead, m.call(m.Answer)+before.Seconds())
		}
	}
	return lead + bytes/m.Shared.Throughput
}

// workers is when pvedaemon, three of them a node, has answered what must be
// asked: each machine is made and, unless that said all, configured.
func (m demand) workers() float64 {
	asked := float64(m.machines()) * m.call(m.Answer)
	asked += float64(m.cloned()) * m.call(m.Config)
	return asked / float64(3*m.nodes)
}

func TestBound(t *testing.T) {
	if rounds(20, 0) != 20 || rounds(8, 1) != 5 || rounds(12, 3) != 5 {
		t.Errorf("rounds: %d %d %d", rounds(20, 0), rounds(8, 1), rounds(12, 3))
	}
	for _, c := range []struct {
		row  row
		want float64 // seconds, worked out by hand
	}{
		// One node: 20 × (0.43 + 1.38) s of work, 20 at once do 1.66 s in a second.
		{row{preset: "tiny", machines: 20, mix: fullClones}, 21.8},
		// 600 × (12 GiB + 200 MB) at 1 GB/s, and four copies.
		{row{preset: "campus", machines: 600, mix: fullClones}, 7850},
		// 100 × 2 s under the lock of the one source.
		{row{preset: "campus", machines: 100, mix: linkedClones}, 208},
	} {
		if got := c.row.bound().Seconds(); math.Abs(got/c.want-1) > 0.02 {
			t.Errorf("%s: %.1f s, want %.1f", c.row, got, c.want)
		}
	}
}
