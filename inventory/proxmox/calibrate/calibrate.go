// Package calibrate fits the model of what a cluster costs to what was timed on a
// real one: [proxmox.Timings] in, [pvesim.Costs] out. Demo, sim and benchmarks can
// then play that cluster; and [Guesses] turns it into what the planner takes for
// granted until it has seen tasks of its own.
//
// To fit another parameter, have it timed in [proxmox.Cluster.Time] and solve for
// it here. The package refuses to send anything, and to guess: what cannot be told
// from the timings comes from the preset that the cluster is said to be like, and
// the notes say so.
package calibrate

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/provost-dev/provost/inventory/proxmox"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// Fit solves the model for its parameters, in this order:
//
//	stops copy nothing, so that Count at once against one alone tell Contention;
//	two sizes of disk, cloned alone, tell how much of a clone is work and what
//	    one copy gets (Stream);
//	Count clones at once tell what all copies get together (Throughput);
//	starts and creations, alone and at once, tell their work and their bytes;
//	two sizes, backed up and restored, tell how quickly that packs and unpacks;
//	starts by one request tell how long it needs from one to the next.
//
// like is where the rest comes from, and notes say, by a preset file's key, how
// each parameter was come by.
func Fit(t proxmox.Timings, like pvesim.Costs) (pvesim.Costs, map[string]string) {
	f := fit{Timings: t, costs: like, notes: map[string]string{}}
	f.requests()
	f.contention()
	f.storage()
	f.tasks()
	f.archives()
	f.bulk()
	f.files()
	f.jitter()
	return f.costs, f.notes
}

type fit struct {
	proxmox.Timings
	costs pvesim.Costs
	notes map[string]string

	free bool // copying takes no time worth mention
	node
}

// requests takes the quickest of each: nothing makes a request quicker than it is.
func (f *fit) requests() {
	c := &f.costs
	c.Read = duration(slices.Min(f.Reads).Seconds())
	c.Worker = duration(max(0, slices.Min(f.WorkerReads)-c.Read).Seconds())
	c.Tasks = duration(max(0, slices.Min(f.TaskLists)-c.Read).Seconds())
	c.Row = precise(f.PerGuest)
	c.Answer = duration(slices.Min(f.Posts).Seconds())
	c.Config = duration(slices.Min(f.Writes).Seconds())
	f.storageCosts().Volume = precise(f.PerVolume)
	for _, key := range []string{"read", "worker", "tasks", "answer", "config"} {
		f.notes[key] = "the quickest"
	}
	f.notes["row"] = fmt.Sprintf("by %d guests more", f.Count)
	f.notes[f.storageKey("volume")] = fmt.Sprintf("by %d volumes more", f.Count)
}

func (f *fit) contention() {
	f.node.contention = solve(mean(f.StopMany.Took), 0, 2*mean(f.StopMany.Took)/mean(f.Stop), func(c float64) float64 {
		return node{contention: c}.play(f.Stop, f.StopMany, mean(f.Stop), 0)
	})
	f.costs.Contention = math.Round(1e4*f.node.contention) / 1e4
	if f.Cores > 0 {
		f.costs.Cores = f.Cores
		f.notes["cores"] = "of node " + f.Node
	}
	f.notes["contention"] = fmt.Sprintf("a stop takes %s alone and %s with %d at once", seconds(f.Stop), seconds(f.StopMany.Took), f.Count)
}

// freely is the share of a task below which its copying is not told from noise.
const freely = 0.1

func (f *fit) storage() {
	s := f.storageCosts()
	work, byteTime := f.line(f.Clone, f.Copy)
	f.costs.FullClone = duration(work)
	f.notes["full_clone"] = fmt.Sprintf("%s for %s, less what is copied", seconds(f.Clone), amount(f.Small))
	if byteTime == 0 {
		f.free = true
		s.Throughput, s.Stream = math.Inf(1), 0
		f.notes[f.storageKey("throughput")] = fmt.Sprintf("%s are cloned as quickly as %s", amount(f.Large), amount(f.Small))
		f.notes["full_clone"] = f.sizes(f.Clone, f.Copy)
		return
	}
	f.stream = 1 / byteTime
	// Of a storage that Count copies do not fill nothing is known but that.
	f.throughput = 1 / solve(mean(f.CloneMany.Took), 1/(float64(f.Count)*f.stream), 1, func(byteTime float64) float64 {
		n := f.node
		n.throughput = 1 / byteTime
		return n.play(f.Clone, f.CloneMany, work, f.Small)
	})
	s.Stream, s.Throughput = round(f.stream), round(f.throughput)
	f.notes[f.storageKey("stream")] = f.sizes(f.Clone, f.Copy)
	f.notes[f.storageKey("throughput")] = fmt.Sprintf("%s for %s with %d at once", seconds(f.CloneMany.Took), amount(f.Small), f.Count)
}

// line tells a task's work from its copying, in seconds and seconds a byte, by two
// sizes of what is copied. 0 a byte is no time worth mention.
func (f *fit) line(small, large []time.Duration) (work, byteTime float64) {
	byteTime = (mean(large) - mean(small)) / (f.Large - f.Small)
	if byteTime*f.Large < freely*mean(small) {
		return (mean(small) + mean(large)) / 2, 0
	}
	return max(0, mean(small)-f.Small*byteTime), byteTime
}

func (f *fit) sizes(small, large []time.Duration) string {
	return fmt.Sprintf("%s for %s, %s for %s", seconds(small), amount(f.Small), seconds(large), amount(f.Large))
}

func amount(bytes float64) string { return fmt.Sprintf("%.4g GiB", bytes/(1<<30)) }

func (f *fit) tasks() {
	c := &f.costs
	started := float64(c.CreatedStart) / float64(max(c.Start, 1))
	c.Stop, c.Destroy = duration(mean(f.Stop)), duration(mean(f.Destroy))
	f.alone("linked_clone", &c.LinkedClone, f.Linked, proxmox.LinkedClones)
	f.alone("snapshot", &c.Snapshot, f.Snapshot, proxmox.Snapshots)
	f.alone("migrate", &c.Migrate, f.Migrate, proxmox.Migrations)
	if f.alone("linked_machine", &c.LinkedMachine, f.Machine, proxmox.Machines) {
		c.Fork = min(c.Fork, c.LinkedMachine/2) // it is part of that
		c.LinkedMachine -= c.Fork
	}
	c.Start, c.Booted = f.split(f.Start, f.StartMany)
	c.Create, c.Unpacked = f.split(f.Create, f.CreateMany)
	c.CreatedStart = duration(started * c.Start.Seconds())
	f.notes["stop"], f.notes["destroy"] = "alone", "alone"
	f.notes["booted"], f.notes["unpacked"] = "see start", "see create"
	f.notes["start"] = fmt.Sprintf("%s alone, %s with %d at once", seconds(f.Start), seconds(f.StartMany.Took), f.Count)
	f.notes["create"] = fmt.Sprintf("%s alone, %s with %d at once", seconds(f.Create), seconds(f.CreateMany.Took), f.Count)
	f.notes["created_start"] = "not timed: the same part of a start as in the preset"
}

// alone takes what was timed by itself, and otherwise notes why it was not.
func (f *fit) alone(key string, into *time.Duration, timed []time.Duration, thing proxmox.Thing) bool {
	if len(timed) == 0 {
		f.untimed(thing, key)
		return false
	}
	*into, f.notes[key] = duration(mean(timed)), "alone"
	return true
}

func (f *fit) untimed(thing proxmox.Thing, keys ...string) {
	for _, key := range keys {
		f.notes[key] = "not timed: " + strings.Join(strings.Fields(f.Untimed[thing]), " ")
	}
}

// split tells a task's work from the bytes that it copies: work is slowed by
// company on the node, copying by company on the storage.
func (f *fit) split(alone []time.Duration, many proxmox.Batch) (work time.Duration, bytes float64) {
	one := mean(alone)
	slower := 1 + f.node.contention*float64(f.Count-1)
	// Where company slows both alike, they cannot be told apart.
	if !f.free && f.stream*float64(f.Count)/f.throughput > (1+freely)*slower {
		bytes = solve(mean(many.Took), 0, one*f.stream, func(b float64) float64 { return f.play(alone, many, one-b/f.stream, b) })
	}
	return duration(one - bytes/max(f.stream, 1)), round(bytes)
}

// bulk tells how long a bulk start needs from one guest to the next, beside its two
// requests.
func (f *fit) bulk() {
	c := &f.costs
	if len(f.Bulk) < 2 {
		f.untimed(proxmox.BulkStarts, "bulk")
		return
	}
	gap := f.Bulk[len(f.Bulk)-1].Seconds() / float64(len(f.Bulk)-1)
	c.Bulk = duration(max(0, gap-(c.Read+c.Worker+c.Answer).Seconds()))
	f.notes["bulk"] = fmt.Sprintf("%.3g s from one to the next, less what two requests take", gap)
}

// files tells connecting from reading.
func (f *fit) files() {
	if f.Files == 0 {
		f.untimed(proxmox.FilesOverSSH, "ssh", "file")
		return
	}
	c := &f.costs
	c.SSH = duration(mean(f.Connections))
	c.File = duration(max(0, mean(f.FilesReads)-mean(f.Connections)) / float64(f.Files))
	f.notes["ssh"] = "alone"
	f.notes["file"] = fmt.Sprintf("%s for %d guests, less that", seconds(f.FilesReads), f.Files)
}

// quick is what ends too soon for the looks at it to tell how it varies.
const quick = 500 * time.Millisecond

// jitter is half the width of the band in which equal tasks lie.
func (f *fit) jitter() {
	var squares, n float64
	for _, samples := range [][]time.Duration{f.Create, f.Start, f.Stop, f.Clone, f.Copy, f.Linked, f.Destroy, f.Backup, f.Restore} {
		m := mean(samples)
		if len(samples) < 2 || m < quick.Seconds() {
			continue
		}
		for _, d := range samples {
			squares += math.Pow(d.Seconds()/m-1, 2)
		}
		n += float64(len(samples) - 1)
	}
	if n > 0 {
		f.costs.Jitter = math.Round(1000*math.Sqrt(3*squares/n)) / 1000
		f.notes["jitter"] = "of tasks that are alike"
	}
}

func (f *fit) storageCosts() *pvesim.Storage {
	if f.SharedStorage {
		return &f.costs.Shared
	}
	return &f.costs.Local
}

func (f *fit) storageKey(name string) string {
	if f.SharedStorage {
		return "shared." + name
	}
	return "local." + name
}

// mean is in seconds; 0 of nothing.
func mean(samples []time.Duration) float64 {
	var sum time.Duration
	for _, d := range samples {
		sum += d
	}
	return sum.Seconds() / float64(max(len(samples), 1))
}

func seconds(samples []time.Duration) string { return fmt.Sprintf("%.3g s", mean(samples)) }

// duration has the digits that mean something.
func duration(seconds float64) time.Duration {
	d := time.Duration(seconds * float64(time.Second))
	if d > 10*time.Millisecond {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}

// round keeps three digits of an amount; less than one byte is nothing.
func round(n float64) float64 {
	switch {
	case n < 1:
		return 0
	case math.IsInf(n, 1):
		return n
	}
	unit := math.Pow(10, math.Floor(math.Log10(n))-2)
	return math.Round(n/unit) * unit
}

// precise has the digits of what is small.
func precise(d time.Duration) time.Duration {
	if d > time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}
