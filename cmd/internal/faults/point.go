package faults

import "fmt"

// Point is one call of the daemon to the world.
type Point struct {
	Kind string // proxmox, ssh, winrm, forge, git
	Name string // what is asked, without what differs from run to run
	N    int    // which of those that read alike, from 1
	Task bool   // it starts a task, which may fail half way
}

func (p Point) String() string { return fmt.Sprintf("%s %s #%d", p.Kind, p.Name, p.N) }

// Fault is a way for a call to go wrong.
type Fault int

// The ways.
const (
	None       Fault = iota
	Refused          // nobody listens; nothing was done
	Hung             // no answer until the caller's limit; nothing was done
	Failed           // answered with an error of the server; nothing was done
	Lost             // done, but the answer did not come
	TaskFailed       // the task that it started failed half way
	WorkerLost       // the server could not start the task: locks stay, and nobody works under them
	Killed           // the process ended before it was sent
	Orphaned         // the process ended after it was sent, and it was done
)

// Faults are all ways.
var Faults = []Fault{Refused, Hung, Failed, Lost, TaskFailed, WorkerLost, Killed, Orphaned}

func (f Fault) String() string {
	return [...]string{"none", "refused", "hung", "failed", "lost", "task-failed", "worker-lost", "killed", "orphaned"}[f]
}

// Fits reports whether a fault can happen at a point.
func (f Fault) Fits(p Point) bool { return f != TaskFailed && f != WorkerLost || p.Task }
