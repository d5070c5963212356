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
// It is the largest of
//
//   - the longest chain of things that must follow each other;
//   - for each thing that is shared, when all the work that there is for it can be
//     done at the soonest. Its work begins when the first task can have come to it,
//     goes no faster than with as many tasks as there can be at each moment, and is
//     followed by what the last task still has to do elsewhere;
//   - for linked clones of machines, clone, start and reading together:
//     machinesInLine.
//
// Copies of a container template may be made, as many as make the bound smallest;
// they cost what a clone costs. Linked clones have none: a linked clone hangs on
// its base for ever, and a copy is to be deleted some day. Whoever hands on a lock
// or goes on with a machine must have seen that its task has ended, which takes a
// poll; so does the end of the last. Jitter is left out, since it is as often less
// as more.
//
// TestTheBoundIsOne holds it against schedules that know everything.
func (r row) bound() time.Duration {
	costs, err := pvesim.Preset(r.preset)
	if err != nil {
		panic(err) // a row names a preset that is there
	}
	m := demand{Costs: costs, nodes: len(r.nodes()), disk: float64(r.diskGiB() << 30), count: r.counts(), first: map[string]int{}}
	for _, w := range r.wanted() {
		if w.node == r.nodes()[0] {
			m.first[w.how]++
		}
	}
	if r.faults {
		m.faults = faultShare
	}
	return time.Duration(m.bound() * float64(time.Second))
}

// demand is what a row asks of a cluster. Its templates are on the first node.
type demand struct {
	pvesim.Costs
	nodes  int
	disk   float64        // bytes of a template
	count  map[string]int // machines, by how they are made
	first  map[string]int // of these, those on the first node
	copies int            // of the container template, made first
	faults float64        // share of calls that fail and are made again
}

// bound tries each number of copies until to make so many takes longer than all
// with fewer.
func (m demand) bound() float64 {
	least := math.Inf(1)
	for m.copies = 0; m.copies <= m.count[fullClones]; m.copies++ {
		clones := float64(m.count[fullClones] + m.copies)
		if max(clones*m.disk/m.Shared.Throughput, clones*m.FullClone.Seconds()/(float64(m.nodes)*m.smooth(math.MaxInt32))) >= least {
			break
		}
		least = min(least, max(m.path(), m.processors(), m.firstProcessor(), m.storage(), m.storageOfClones(), m.machinesInLine(), m.workers()))
	}
	return least
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

// call is how long a request takes, those included that have to be made again.
func (m demand) call(d time.Duration) float64 { return d.Seconds() / (1 - m.faults) }

// poll is the look that tells that a task has ended: /cluster/tasks is the
// cheapest.
func (m demand) poll() float64 { return m.call(m.Read) }

// copying is how long bytes take that nothing else is in the way of.
func (m demand) copying(bytes float64) float64 {
	rate := m.Shared.Throughput
	if m.Shared.Stream > 0 {
		rate = min(rate, m.Shared.Stream)
	}
	return bytes / rate
}

// What a machine takes that is alone on the cluster: its clone until that is seen
// to have ended, what comes before the copying of a disk, what comes between clone
// and start, and the start.
func (m demand) full() float64    { return m.lead() + m.copying(m.disk) + m.poll() }
func (m demand) lead() float64    { return m.call(m.Answer) + m.FullClone.Seconds() }
func (m demand) linked() float64  { return m.call(m.Answer) + m.LinkedClone.Seconds() + m.poll() }
func (m demand) between() float64 { return m.call(m.Config) + m.call(m.Answer) }
func (m demand) start() float64   { return m.Start.Seconds() + m.copying(m.Booted) }

// idle is what a creation that starts its container waits at the end.
func (m demand) idle() float64 { return (m.Start - m.CreatedStart).Seconds() }

// path is the longest of the chains.
func (m demand) path() float64 {
	longest := 0.0
	chain := func(how string, made float64) {
		if m.count[how] > 0 {
			longest = max(longest, made+m.between()+m.start()+m.poll())
		}
	}
	chain(fullClones, float64(rounds(m.count[fullClones], m.copies))*m.full())
	chain(linkedClones, float64(m.count[linkedClones])*m.linked())
	chain(linkedMachines, m.Fork.Seconds()+m.linked())
	if m.count[images] > 0 {
		work := (m.Create + m.CreatedStart).Seconds()
		longest = max(longest, m.call(m.Answer)+work+m.copying(m.Unpacked)+m.idle()+m.poll())
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

// ramp is how many clones of the template can be under way after so many seconds,
// and how many can have ended. In each time that one takes alone the sources
// double, until there are as many as there are to be.
func (m demand) ramp(t float64) (sources, ended int) {
	if m.count[fullClones] == 0 || t < 0 {
		return 0, 0
	}
	sources = 1
	for range int(t / m.full()) {
		ended += sources
		if sources = min(2*sources, 1+m.copies); ended > m.count[fullClones]+m.copies {
			break
		}
	}
	return sources, min(ended, m.count[fullClones]+m.copies)
}

// chained is how many linked clones can have ended after so many seconds.
func (m demand) chained(t float64) int {
	return max(0, min(m.count[linkedClones], int(t/m.linked())))
}

// tasks is how many can be at work after so many seconds: whatever nothing holds
// up, and of what a lock holds up one for each source and one for each that the
// lock has let go, which can have become a source, or a machine that starts.
func (m demand) tasks(t float64) int {
	if t < m.call(m.Answer) {
		return 0
	}
	n := m.count[images] + m.count[linkedMachines]
	if m.count[fullClones] > 0 {
		_, ended := m.ramp(t)
		n += 1 + ended
	}
	if m.count[linkedClones] > 0 {
		n += 1 + m.chained(t-m.between())
	}
	return min(n, m.machines()+m.copies)
}

// processors is when the nodes have done all work.
func (m demand) processors() float64 {
	work := float64(m.count[images])*(m.Create+m.CreatedStart).Seconds() + float64(m.cloned())*m.Start.Seconds() +
		float64(m.count[fullClones]+m.copies)*m.FullClone.Seconds() +
		float64(m.count[linkedClones]+m.count[linkedMachines])*m.LinkedClone.Seconds()
	nodes := float64(m.nodes)
	return soonest(work, func(t float64) float64 {
		return nodes * m.smooth(float64(m.tasks(t))/nodes)
	}) + m.afterWork()
}

// firstProcessor is when the first node has done what only it can do: a clone
// works on its source's node, and copies may stand on any.
func (m demand) firstProcessor() float64 {
	cloned := m.first[fullClones] + m.first[linkedClones] + m.first[linkedMachines]
	work := float64(m.first[images])*(m.Create+m.CreatedStart).Seconds() + float64(cloned)*m.Start.Seconds() +
		float64(m.count[linkedClones]+m.count[linkedMachines])*m.LinkedClone.Seconds()
	if m.copies == 0 {
		work += float64(m.count[fullClones]) * m.FullClone.Seconds()
	}
	elsewhere := m.count[images] - m.first[images]
	return soonest(work, func(t float64) float64 {
		return m.smooth(float64(max(0, m.tasks(t)-elsewhere)))
	}) + m.afterWork()
}

// smooth is Work of any number of tasks. It is concave: nodes do most when each
// has as many.
func (m demand) smooth(tasks float64) float64 {
	if m.Saturation > 0 {
		tasks = min(tasks, float64(m.Saturation))
	}
	if tasks <= 1 {
		return tasks
	}
	return tasks / (1 + m.Contention*(tasks-1))
}

// afterWork is what the last task that worked on a node has still to do.
func (m demand) afterWork() float64 {
	after := math.Inf(1)
	if m.cloned() > 0 {
		after = m.copying(m.Booted)
	}
	if m.count[images] > 0 {
		after = min(after, m.copying(m.Unpacked)+m.idle())
	}
	return after + m.poll()
}

// storage is when all bytes have gone through.
func (m demand) storage() float64 {
	bytes := float64(m.count[fullClones]+m.copies)*m.disk + float64(m.count[images])*m.Unpacked + float64(m.cloned())*m.Booted
	return m.through(bytes, m.streams) + m.poll()
}

// storageOfClones is when the last disk is copied, and its machine started.
func (m demand) storageOfClones() float64 {
	if m.count[fullClones] == 0 {
		return 0
	}
	copied := m.through(float64(m.count[fullClones]+m.copies)*m.disk, func(t float64) int {
		sources, _ := m.ramp(t - m.lead())
		return sources
	})
	return max(copied, m.copiedInRounds()) + m.poll() + m.between() + m.start() + m.poll()
}

// copiedInRounds is when the last disk can be copied, seen from the moments at which
// nobody copies. A source's clones each begin with what comes before their copying, so
// that by the end of that of round r it has copied the disks of r rounds at most, r
// counted from when it can be there: whoever begins later, or waits, has copied less.
// What is left then goes no faster than the storage.
func (m demand) copiedInRounds() float64 {
	left, sources, least := m.count[fullClones]+m.copies, 1, 0.0
	for round := 0; left > 0; round++ {
		now := float64(round)*m.full() + m.lead()
		least = max(least, now+float64(left)*m.disk/m.Shared.Throughput)
		left -= sources
		sources = min(2*sources, 1+m.copies)
	}
	return least
}

// through is when bytes have gone through the storage, with so many streams.
func (m demand) through(bytes float64, streams func(t float64) int) float64 {
	if bytes/m.Shared.Throughput == 0 {
		return 0
	}
	return soonest(bytes, func(t float64) float64 {
		n := streams(t)
		if m.Shared.Stream == 0 && n > 0 {
			return m.Shared.Throughput
		}
		return min(m.Shared.Throughput, float64(n)*m.Shared.Stream)
	})
}

// streams is how many tasks can be copying after so many seconds.
func (m demand) streams(t float64) int {
	n := 0
	if t >= m.call(m.Answer)+(m.Create+m.CreatedStart).Seconds() {
		n += m.count[images]
	}
	sources, _ := m.ramp(t - m.lead())
	before := m.between() + m.Start.Seconds() // of a start's reading
	_, started := m.ramp(t - before)
	n += sources + started + m.chained(t-before)
	// Machines are cloned side by side, which slows their clones: j of them cannot
	// be there before the work for j is done.
	for j := 1; j <= m.count[linkedMachines]; j++ {
		made := m.Fork.Seconds() + m.linked() - m.LinkedClone.Seconds() + float64(j)*m.LinkedClone.Seconds()/m.smooth(float64(j))
		if made+before > t {
			break
		}
		n++
	}
	return n
}

// workers is when pvedaemon, three of them a node, has answered what must be
// asked: each machine is made and, unless that said all, configured.
func (m demand) workers() float64 {
	asked := float64(m.machines()) * m.call(m.Answer)
	asked += float64(m.cloned()) * (m.call(m.Config) + m.call(m.Answer))
	return asked / float64(3*m.nodes)
}

// soonest is when an amount is done at a rate that never falls. Of each step the
// rate at its end counts for all of it, so that the time is none too long.
func soonest(amount float64, rate func(t float64) float64) float64 {
	if amount <= 0 {
		return 0
	}
	top := rate(math.MaxInt32)
	step := max(amount/top/4000, 1e-3)
	for done, t := 0.0, 0.0; ; t += step {
		now := rate(t + step)
		if now == top { // it stays so
			return t + (amount-done)/top
		}
		if done += now * step; done >= amount {
			return t
		}
	}
}

func TestBound(t *testing.T) {
	if rounds(20, 0) != 20 || rounds(8, 1) != 5 || rounds(12, 3) != 5 {
		t.Errorf("rounds: %d %d %d", rounds(20, 0), rounds(8, 1), rounds(12, 3))
	}
	for _, c := range []struct {
		row  row
		want float64 // seconds, worked out by hand
	}{
		// One node: 20 × (0.43 + 1.38) s of work, of which 16 at once do 1.65 s in a
		// second; before there are so many 0.4 s are lost.
		{row{preset: "tiny", machines: 20, mix: fullClones}, 22.4},
		// 600 × (12 GiB + 200 MB) at 1 GB/s, and seven copies; while there are one, two
		// and four sources 54, 40 and 13 s are lost.
		{row{preset: "campus", machines: 600, mix: fullClones}, 8000},
		// 100 × 2 s under the lock of the one source.
		{row{preset: "campus", machines: 100, mix: linkedClones}, 208},
	} {
		if got := c.row.bound().Seconds(); math.Abs(got/c.want-1) > 0.02 {
			t.Errorf("%s: %.1f s, want %.1f", c.row, got, c.want)
		}
	}
}
