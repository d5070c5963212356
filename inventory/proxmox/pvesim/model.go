package pvesim

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// Costs is the model of how long things take. The zero value is a cluster that
// takes no time at all: a task is over before its POST is answered.
//
// A request takes its own time; those that change something or ask a guest do
// so in one of their node's three workers, and keep it while they wait. A task
// then goes through up to three parts: work, which the tasks of its node slow
// down for each other; copying, whose storage's throughput is shared equally by
// what copies there at once; and mere waiting.
//
// All figures are what a thing takes alone, on an idle cluster.
type Costs struct {
	// Requests.
	Read   time.Duration // any request
	Worker time.Duration // more, for a read that a worker answers
	Row    time.Duration // more, for each guest in a listing
	Tasks  time.Duration // more, for a node's list of tasks
	SSH    time.Duration // of a connection over SSH
	File   time.Duration // for each guest's file that is read over it
	Answer time.Duration // of a POST that starts a task
	Config time.Duration // of a write of a guest's configuration
	Fork   time.Duration // until the worker of a machine's clone begins
	Bulk   time.Duration // more than these, between one guest of a bulk start and the next

	// Tasks: work on the node, beside what is copied.
	FullClone   time.Duration
	LinkedClone time.Duration // of a container
	// LinkedMachine is a linked clone of a machine; 0 takes as long as a container's.
	LinkedMachine time.Duration
	Create        time.Duration // from an OS template
	Backup        time.Duration
	Restore       time.Duration
	Start         time.Duration
	Stop          time.Duration
	Destroy       time.Duration
	Migrate       time.Duration
	Template      time.Duration
	Snapshot      time.Duration
	// CreatedStart is the part of Start that is work when the creation asks for
	// it with start=1; the rest is waiting.
	CreatedStart time.Duration

	// Contention is how much each task that works on a node slows every other
	// one there: n at once take 1 + Contention·(n−1) times as long. Zero: tasks
	// do not feel each other.
	Contention float64
	// Saturation is the number of tasks from which on more at once win nothing:
	// n take n/Saturation times as long as Saturation do. Zero: there is none.
	Saturation int
	Cores      int // of each node; 0 is 64

	// What is copied, in bytes. Full clones copy the sizes of their disks, backups
	// read them, and restores write them; what an archive itself is read and
	// written with goes to another storage, and is not counted. But what packs it
	// may be slower than a copy, or quicker: a second, one backup reads BackupStream
	// bytes and one restore writes RestoreStream; 0 is what one copy gets.
	BackupStream  float64
	RestoreStream float64
	Unpacked      float64 // by a creation from an OS template
	Booted        float64 // by a start, read from the guest's storage
	Shared        Storage // storages that all nodes share
	Local         Storage // storages of one node, each by itself

	Stat   time.Duration // pvestatd's round, unless Options.StatDelay says so
	Jitter float64       // work varies by this share to both sides, drawn from Options.Seed and the task
	// Spread orders requests and ends of tasks that fall on one instant: each is
	// put off by less than this, by an amount that its key and Options.Seed give.
	// So a run in virtual time goes alike every time, and otherwise with
	// another seed.
	Spread time.Duration
	Speed  float64 // everything, limits of locks too, is so many times faster; 0 is 1
}

// Storage is how quickly storages of one sort work. Zero takes no time, and not
// even the limit of a request (bwlimit) slows it.
type Storage struct {
	Throughput float64       // bytes a second for all copies together; +Inf: only limits count
	Stream     float64       // bytes a second that one copy gets at most; 0: as many as there are
	Volume     time.Duration // of a listing of the contents, for each volume
}

const (
	mega = 1e6
	giga = 1e9
	// taskCores is how many cores a task keeps busy: see tiny.
	taskCores = 1.16
	// mostMeasured is how many tasks at once were measured at most: see tiny.
	mostMeasured = 16
)

// # Where tiny comes from
//
// It was measured on one node with two cores and tiny containers on btrfs; the
// requests one at a time with 60 guests there, the tasks as medians of 8, one
// at a time. A request is part of what was measured for a task, so Answer is
// taken off: a start of 1.41 s is 0.03 of answer and 1.38 of work.
// FullClone is not: one of 20 in a row took 0.475 s, of which 0.43 are work.
//
// Three numbers were fitted to batches; TestTheModelIsTrue shows how well:
//
//   - Contention: 20 full clones from 4 sibling templates took 6.3 s where four
//     times the speed would be 2.4 s, 20 creations by 16 workers 11 s instead of
//     1.3 s. Both curves are 1 + c·(n−1) with c from 0.52 to 0.60; 0.58 misses
//     none by more than 9 %. It means that one task keeps 1.16 of two cores busy.
//   - Throttled copies obey it too if the copying itself is waiting: 8 clones
//     one after another give 1.93 s of it each; 2 and 4 at a time then follow.
//   - CreatedStart: a start of its own is felt by its neighbours like any task
//     (so says the locked pool, whose clones take longer than its poll of a
//     second because of the starts beside them), yet 20 creations with start=1
//     took only 8 s longer than without. Inside the creation's worker most of
//     the start must be waiting: 0.30 s of work fits.
//
// Saturation is 16, the most that ever ran at once there. By the formula a node
// would go on gaining with any number, up to 1/c; nobody has seen that.
//
// Restore was not measured. It unpacks an archive as Create does, so it is taken to
// be as long. Backup is a guess: some commands around a tar of what a clone copies.
//
// Stop, Destroy and LinkedClone are measured alone and follow Contention by
// assumption. Migrate, Template and Snapshot are guesses; three siblings, each
// cloned and made a template, took 2.3 s, which bounds Template.
var tiny = Costs{
	Read:   1400 * time.Microsecond, // /cluster/tasks 1.4 ms, a configuration 1.5 ms
	Worker: 12 * time.Millisecond,   // status/current 14 ms
	Row:    65 * time.Microsecond,   // 60 guests: /cluster/resources 5 ms, nodes/X/lxc 18 ms
	Tasks:  12 * time.Millisecond,   // nodes/X/tasks 13 ms
	File:   160 * time.Microsecond,  // 60 configurations as files in one read 10 ms
	Answer: 30 * time.Millisecond,
	Config: 30 * time.Millisecond,
	Fork:   10 * time.Millisecond, // guessed

	FullClone:    430 * time.Millisecond,
	LinkedClone:  130 * time.Millisecond,
	Create:       950 * time.Millisecond,
	Restore:      950 * time.Millisecond,
	Backup:       1500 * time.Millisecond,
	Start:        1380 * time.Millisecond,
	CreatedStart: 300 * time.Millisecond,
	Stop:         1210 * time.Millisecond,
	Destroy:      70 * time.Millisecond,
	Migrate:      2 * time.Second,
	Template:     200 * time.Millisecond,
	Snapshot:     200 * time.Millisecond,

	Contention: taskCores / 2,
	Saturation: mostMeasured,
	Cores:      2,
	// What little is copied is in the work above; only throttled copies wait.
	Shared: Storage{Throughput: math.Inf(1), Volume: 100 * time.Microsecond},
	Local:  Storage{Throughput: math.Inf(1), Volume: 100 * time.Microsecond},

	Stat:   10 * time.Second, // "about 10 s"
	Jitter: 0.02,
	Spread: time.Millisecond,
}

// campus is a school's cluster: five nodes of 32 cores, a network of 10 Gbit/s,
// Ceph on SSDs with three replicas, and a desktop template of 12 GB. It was not
// measured but put together:
//
//   - Throughput: 10 Gbit/s carry 1.2 GB/s; of five nodes' worth a third is
//     left after replication, and half of that for copies: 1 GB/s. One copy
//     through one client gets 200 MB/s: a minute for the desktop.
//   - Volume: 950 images on Ceph took 11.67 s to list with details, 12.3 ms each.
//   - Contention: a task keeps 1.16 cores busy, as tiny shows: 1.16/32.
//   - Saturation: as many tasks as have that much of the cores, 32/1.16 = 27.
//   - A restore is a creation whose archive is as large as the desktop; a backup
//     is a clone's work and a creation's. Both are guesses, as in tiny.
//   - Requests are tiny's; tasks take longer by what Ceph's commands add (about
//     0.3 s each, several a task) and a desktop's start by its size.
func campus() Costs {
	c := tiny
	c.FullClone, c.LinkedClone, c.Create = 3*time.Second, 2*time.Second, 6*time.Second
	c.Restore, c.Backup = c.Create, c.FullClone+c.Create
	c.Start, c.CreatedStart, c.Stop, c.Destroy = 3*time.Second, time.Second, 4*time.Second, 3*time.Second
	c.Migrate, c.Template, c.Snapshot = 8*time.Second, 2*time.Second, time.Second
	c.Contention, c.Saturation, c.Cores = taskCores/32, 27, 32
	c.Unpacked, c.Booted = 2*giga, 200*mega
	c.Shared = Storage{Throughput: 1 * giga, Stream: 200 * mega, Volume: 12300 * time.Microsecond}
	c.Local = Storage{Throughput: 1 * giga, Stream: 500 * mega, Volume: time.Millisecond}
	c.Jitter = 0.05
	return c
}

// slowNFS is what a small school has: nodes of 8 cores, and all disks as files
// on one NFS server behind 1 Gbit/s, of which 110 MB/s arrive. Not measured. Eight
// cores carry fewer tasks than were measured on two, so that number is kept.
func slowNFS() Costs {
	c := campus()
	c.Contention, c.Saturation, c.Cores = taskCores/8, mostMeasured, 8
	c.Booted = 100 * mega
	c.Shared = Storage{Throughput: 110 * mega, Stream: 110 * mega, Volume: 2 * time.Millisecond}
	c.Local = Storage{Throughput: 150 * mega, Stream: 150 * mega, Volume: time.Millisecond}
	return c
}

// CostsTiny is the preset tiny.
var CostsTiny = tiny

var presets = map[string]func() Costs{
	"tiny":     func() Costs { return tiny },
	"campus":   campus,
	"slow-nfs": slowNFS,
}

// Presets names the presets, sorted.
func Presets() []string { return slices.Sorted(maps.Keys(presets)) }

// Preset returns the costs of that name.
func Preset(name string) (Costs, error) {
	preset, ok := presets[name]
	if !ok {
		return Costs{}, fmt.Errorf("there is no preset %q, only %s", name, strings.Join(Presets(), ", "))
	}
	return preset(), nil
}
