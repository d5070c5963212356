package proxmox

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Trial says how to time a cluster.
type Trial struct {
	Template   string // VMID or name of a container template; "" takes the first
	Machine    string // the same of a machine template, which there need not be; "off" takes none
	OSTemplate string // "storage:prefix"; "" takes the newest there is
	Backups    string // a storage for backups; "" takes Config.Backups, "off" none
	Count      int    // how often each thing is timed, and how many are done at once; at least 3
	// By names who times the cluster, in the marks of the guests. Whoever uses it sees
	// to it that there is one such run at a time: what an earlier one left is deleted.
	By  string
	Say func(format string, args ...any)
}

// off in a Trial is what is not to be used.
const off = "off"

// Timings are what things took. Each was begun when nothing else went on, but
// for those that are called Many: these were begun Count at once. The time of a
// task is from the answer to its POST until it was seen to have ended.
type Timings struct {
	Node, Storage        string
	Template, OSTemplate string
	Count                int
	Cores                int  // of the node
	SharedStorage        bool // all nodes have it

	Reads, WorkerReads, TaskLists, Writes, Posts []time.Duration // requests
	PerGuest, PerVolume                          time.Duration   // more, in a listing
	Create, Start, Stop                          []time.Duration // containers of Small bytes, from the OS template
	Clone                                        []time.Duration // full clones of such containers
	CreateMany, StartMany, StopMany, CloneMany   Batch           // the same at once
	Copy                                         []time.Duration // full clones of the template, of Large bytes
	Linked                                       []time.Duration // linked clones of it; none where the storage cannot
	Destroy                                      []time.Duration
	Small, Large                                 float64

	// Of these, all or some may be empty: then Untimed says why.
	Bulk                    []time.Duration // when starts by one request began, after the first
	Machine                 []time.Duration // linked clones of a machine template
	Snapshot, Migrate       []time.Duration // of a container that stands still; migrations on shared storage
	Backup, BackupCopy      []time.Duration // of Small and of Large bytes
	Restore, RestoreCopy    []time.Duration // from these
	Connections, FilesReads []time.Duration // over SSH; a read of all files is of one connection
	Files                   int             // of guests that were read
	Untimed                 map[Thing]string
}

// Thing is what a cluster may not have, or a token not be allowed to use.
type Thing string

// What is timed where it can be.
const (
	BulkStarts   Thing = "starts by one request"
	Snapshots    Thing = "snapshots"
	Migrations   Thing = "migrations"
	LinkedClones Thing = "linked clones of the container template"
	Machines     Thing = "linked clones of a machine template"
	Backups      Thing = "backups"
	BackupCopies Thing = "backups of the template's size"
	FilesOverSSH Thing = "files over SSH"
)

// Batch is tasks that were begun at once, as far as that can be.
type Batch struct {
	Began []time.Duration // after the first
	Took  []time.Duration
}

// trial is one run. All its guests stand on one node, but for migrations.
type trial struct {
	Trial
	c       *Cluster
	t       Timings
	first   int      // VMID
	image   string   // volume ID of the OS template
	from    template // what is cloned
	machine template // the same of a machine; none without a VMID
	vault   store    // for backups; none without a name
	rights  privileges
}

// leftOut says why something is left out. The others are timed all the same.
type leftOut string

func (l leftOut) Error() string { return string(l) }

// step times one sort of thing and says in a few words what came of it.
type step struct {
	what string
	do   func(context.Context) (string, error)
	// thing is what may fail without spoiling the rest; "" for what everything needs.
	thing Thing
}

func (t *trial) steps() []step {
	return []step{
		{what: "requests", do: t.timeReads},
		{what: "creations", do: t.timeCreations},
		{what: "starts and stops", do: t.timePower},
		{what: string(BulkStarts), do: t.timeBulk, thing: BulkStarts},
		{what: string(Snapshots), do: t.timeSnapshots, thing: Snapshots},
		{what: string(Migrations), do: t.timeMigrations, thing: Migrations},
		{what: "clones of small disks", do: t.timeClones},
		{what: "full clones of the template", do: t.timeCopies},
		{what: string(LinkedClones), do: t.timeLinked, thing: LinkedClones},
		{what: string(Machines), do: t.timeMachines, thing: Machines},
		{what: string(Backups), do: t.timeBackups, thing: Backups},
		{what: string(BackupCopies), do: t.timeBackupCopies, thing: BackupCopies},
		{what: string(FilesOverSSH), do: t.timeFiles, thing: FilesOverSSH},
	}
}

// Time times what a cluster takes for each thing, with guests of its own. They
// stand in Config.Trials, where nothing else may be; they and their backups carry a
// mark, so that whoever finds one knows it, and are deleted in the end, whatever the
// end is. A daemon that works on the cluster meanwhile spoils the figures.
func (c *Cluster) Time(ctx context.Context, opts Trial) (_ Timings, err error) {
	t := &trial{Trial: opts, c: c, t: Timings{Untimed: map[Thing]string{}}}
	if err := t.prepare(ctx); err != nil {
		return t.t, fmt.Errorf("cannot time cluster %s: %w", c.name, err)
	}
	defer func() {
		if clearErr := t.clear(ctx); clearErr != nil {
			err = errors.Join(err, clearErr)
		}
	}()
	steps := t.steps()
	for i, s := range steps {
		t.Say("%d/%d %s …", i+1, len(steps), s.what)
		if err := t.take(ctx, s); err != nil {
			return t.t, err
		}
	}
	return t.t, nil
}

// take makes a step. What only it needs may be missing or fail; then what it was
// about to make must not be in the way of the next.
func (t *trial) take(ctx context.Context, s step) error {
	result, err := s.do(ctx)
	switch why := leftOut(""); {
	case err == nil:
		t.Say("    %s", result)
		return nil
	case ctx.Err() != nil || s.thing == "":
		return fmt.Errorf("cannot time %s: %w", s.what, err)
	case errors.As(err, &why):
	default:
		if err := t.tidy(ctx); err != nil {
			return fmt.Errorf("cannot go on after %s: %w", s.what, err)
		}
	}
	t.t.Untimed[s.thing] = err.Error()
	t.Say("    not timed: %v", err)
	return nil
}

// told is a result in words.
func told(alone []time.Duration) string {
	return fmt.Sprintf("%s alone", meanOf(alone))
}

func toldMany(alone []time.Duration, many Batch) string {
	return fmt.Sprintf("%s, %s with %d at once", told(alone), meanOf(many.Took), len(many.Took))
}

func meanOf(samples []time.Duration) time.Duration {
	var sum time.Duration
	for _, d := range samples {
		sum += d
	}
	mean := sum / time.Duration(max(1, len(samples)))
	unit := time.Microsecond
	for mean >= 1000*unit {
		unit *= 10
	}
	return mean.Round(unit)
}
