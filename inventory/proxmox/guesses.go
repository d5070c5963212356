package proxmox

import (
	"math"
	"strings"
	"time"
)

// Guesses are what tasks are taken to take until such a task was seen: what somebody
// has measured on this cluster. What was seen since counts for more.
type Guesses struct {
	// Work alone on a node, beside what is copied.
	FullClone, LinkedClone, LinkedMachine, Create, Backup, Restore time.Duration
	Start, Destroy, Migrate                                        time.Duration
	// CreatedStart is what is work of a start that its creation asks for.
	CreatedStart time.Duration
	// Contention is how much each task on a node slows every other one there.
	Contention float64
	// Unpacked and Booted are the bytes that a creation and a start copy.
	Unpacked, Booted float64
	// Bytes a second that one backup reads and one restore writes; 0 is as in a copy.
	BackupStream, RestoreStream float64
	Shared, Local               Copying // by storages that nodes share, and by others
}

// Copying is how fast a storage copies, in bytes a second: for one task, and for all
// of them together. What is 0 or infinite bounds nothing.
type Copying struct{ Stream, Throughput float64 }

// of is how fast such a task is guessed to be; false where nothing was measured.
func (g *Guesses) of(a about) (speed, bool) {
	if g == nil {
		return speed{}, false
	}
	kind, rest, _ := strings.Cut(a.subject, "/")
	disk, linked := a.units*gib, strings.HasSuffix(rest, "/linked")
	switch {
	case isClone(kind) && strings.HasSuffix(rest, "/full"):
		return g.copying(a, g.FullClone, disk, 0), true
	case kind == "vzclone" && linked:
		return g.copying(a, g.LinkedClone, 0, 0), true
	case kind == "qmclone" && linked:
		return g.copying(a, g.LinkedMachine, 0, 0), true
	case kind == "vzcreate":
		return g.copying(a, g.Create, g.Unpacked, 0), true
	case kind == "vzdump":
		return g.copying(a, g.Backup, disk, g.BackupStream), true
	case kind == "vzrestore":
		return g.copying(a, g.Restore, disk, g.RestoreStream), true
	case kind == "vzstart", kind == "qmstart":
		return g.copying(a, g.Start, g.Booted, 0), true
	case kind == "vzdestroy", kind == "qmdestroy":
		return g.copying(a, g.Destroy, 0, 0), true
	case kind == "vzmigrate", kind == "qmigrate":
		return g.copying(a, g.Migrate, 0, 0), true
	}
	return speed{}, false
}

// clonedAndStarted and restoredAndStarted are of a machine until it runs: a restore
// starts it by itself, a clone is started afterwards.
func (g *Guesses) clonedAndStarted(a about) speed {
	return g.copying(a, g.FullClone+g.Start, a.units*gib+g.Booted, 0)
}

func (g *Guesses) restoredAndStarted(a about) speed {
	return g.copying(a, g.Restore+g.CreatedStart, a.units*gib, g.RestoreStream).and(g.Start - g.CreatedStart)
}

// copying is the speed of a task that works and then copies, where nobody has seen
// what such tasks do to each other on this storage.
func (g *Guesses) copying(a about, work time.Duration, bytes, stream float64) speed {
	storage := g.Shared
	if strings.Contains(a.storage, "/") { // see view.place
		storage = g.Local
	}
	s := speed{alone: work, assumed: true}
	if stream == 0 {
		stream = slowest(storage.Stream, storage.Throughput)
	} else {
		stream = slowest(stream, storage.Throughput)
	}
	if bytes > 0 && stream > 0 {
		s.alone += time.Duration(bytes / stream * float64(time.Second))
		if all := slowest(storage.Throughput, 0); all > 0 {
			s.most = all / bytes
		}
	}
	s.drag = g.Contention * float64(work) / float64(max(s.alone, 1))
	return s
}

// slowest is the smaller of two rates, of which those that bound nothing do not count.
func slowest(a, b float64) float64 {
	bounds := func(rate float64) bool { return rate > 0 && !math.IsInf(rate, 1) }
	switch {
	case !bounds(a) && !bounds(b):
		return 0
	case !bounds(a), bounds(b) && b < a:
		return b
	}
	return a
}
