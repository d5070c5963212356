package faults

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/provost-dev/provost/cmd/internal/state"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/lease"
	"github.com/provost-dev/provost/reconciler/plan"
)

// Daemon says how a process is made.
type Daemon struct {
	State  string // the directory that it keeps its state in
	Script Script
	Policy reconciler.Policy // rules are compiled once for all processes
	Log    *slog.Logger
	// Alone has it reckon with no other daemon.
	Alone bool

	count *counter
}

// Process is a daemon on a campus. Its passes are made one by one, by [Process.Pass], or by
// the loop that makes them in a daemon, see [Process.work].
type Process struct {
	*Wire
	campus *Campus
	state  string
	rec    *reconciler.Reconciler
	newest atomic.Pointer[reconciler.Pass] // as it was published last
	final  string                          // where its state was copied to when it was killed
	ctx    context.Context
	end    context.CancelFunc
	seat   *lease.Seat
	store  *state.Store
	close  []func() // the last first
}

const (
	// Interval is between two passes.
	Interval = 30 * time.Second
	// leaseTime is as provost has it unless told.
	leaseTime = 90 * time.Second
	// patience is how long one who stands by is waited for: longer than a lease lasts.
	patience = 2 * time.Minute
	// lastWords is how long one that is told to end has for them.
	lastWords = 10 * time.Second
)

// Start makes a daemon.
func (c *Campus) Start(d Daemon) (*Process, error) {
	p := &Process{campus: c, state: d.State}
	p.ctx, p.end = context.WithCancel(context.Background())
	p.Wire = newWire(d.Script, d.count, p.die)
	if err := os.MkdirAll(p.state, 0o700); err != nil {
		return nil, err
	}
	cluster, err := p.cluster(d.Log)
	if err != nil {
		return nil, err
	}
	servers, err := p.servers(d.Log)
	if err != nil {
		return nil, err
	}
	source, err := p.source(d.Log)
	if err != nil {
		return nil, err
	}
	p.rec = &reconciler.Reconciler{
		Source: source, Policy: d.Policy, Guard: plan.DefaultLimits, Log: d.Log, Grace: time.Second,
		Notes: reconciler.NewNotes(filepath.Join(p.state, "notes.json")),
		Systems: map[string]reconciler.Managed{
			clusterName: {System: cluster, Apply: reconciler.ApplyAuto, Prune: true},
			dhcpName:    {System: servers, Apply: reconciler.ApplyAuto, Prune: true},
		},
	}
	if !d.Alone {
		if err := p.takeTurns(cluster, d.Log); err != nil {
			return nil, err
		}
	}
	return p, p.keep(source.Keep, d.Log)
}

// takeTurns has the process work only while no other one does.
func (p *Process) takeTurns(place reconciler.Leaser, log *slog.Logger) (err error) {
	if p.seat, err = lease.OpenSeat(p.state); err != nil {
		return err
	}
	keeper := lease.New(lease.Options{Place: place, Seat: p.seat, Holder: p.state, Lasts: leaseTime, Log: log})
	p.rec.Turn = func(ctx context.Context) (reconciler.Turn, error) {
		ctx, cancel := context.WithCancel(ctx)
		weary := time.AfterFunc(patience, cancel)
		turn, err := keeper.Turn(ctx)
		if err != nil || !weary.Stop() {
			cancel()
		}
		return turn, err
	}
	// Given back after the source has said what it had to say.
	p.close = append([]func(){func() { p.seat.Close() }, func() {
		ctx, cancel := context.WithTimeout(context.Background(), lastWords)
		defer cancel()
		keeper.Close(ctx)
	}}, p.close...)
	return nil
}

// keep opens the state file, for the passes and for statuses that wait. These are
// taken up with the first turn: one that stands by answers nobody.
func (p *Process) keep(statuses func(reconciler.Shelf) error, log *slog.Logger) error {
	store, err := state.Open(p.state, log)
	if err != nil {
		return err
	}
	p.store = store
	// Closed after the source, which saves what it could not write.
	p.close = append([]func(){func() { store.Close() }}, p.close...)
	history := reconciler.NewHistory(10)
	if _, err := history.Keep(store.Shelf("passes")); err != nil {
		return err
	}
	if _, err := p.rec.Promises.Keep(store.Shelf("promises")); err != nil {
		return err
	}
	p.rec.History = func(pass *reconciler.Pass) {
		history.Add(pass)
		p.newest.Store(pass)
	}
	if last := history.Last(); last != nil {
		p.rec.Answered = last.Commit
	}
	take := sync.OnceValue(func() error { return statuses(store.Shelf("statuses")) })
	turn := p.rec.Turn
	if turn == nil {
		return take()
	}
	p.rec.Turn = func(ctx context.Context) (reconciler.Turn, error) {
		t, err := turn(ctx)
		if err == nil && t.Barred == "" {
			err = take()
		}
		return t, err
	}
	return nil
}

// Pass makes one pass, and waits as long as the loop would.
func (p *Process) Pass() (*reconciler.Pass, error) {
	pass, err := p.rec.RunOnce(p.ctx)
	select {
	case <-time.After(Interval):
	case <-p.cut:
	}
	return pass, err
}

// work makes passes as a daemon does, one at each call and after each interval, until
// the process ends or rest is called, which waits for it.
func (p *Process) work(calls <-chan struct{}) (rest func()) {
	ctx, cancel := context.WithCancel(p.ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.rec.Run(ctx, Interval, calls)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// die is called at the moment at which the process is killed. What its remains
// still write while they notice is not what a new process finds.
func (p *Process) die() {
	copied := func() {
		if inherit(p.state, p.state+"-killed") == nil {
			p.final = p.state + "-killed"
		}
	}
	if p.store != nil {
		p.store.Still(copied) // the disk's time is no virtual one
	} else {
		copied()
	}
	if p.seat != nil {
		p.seat.Close() // as the kernel does
	}
	p.end()
}

// turnFile is what makes a state directory one and the same to whoever keeps the
// lease, by its inode.
const turnFile = "turn"

// inherit makes a state directory out of another, for the process that is started
// again in the place of one that ended.
func inherit(former, state string) error {
	if err := os.CopyFS(state, os.DirFS(former)); err != nil {
		return err
	}
	turn := filepath.Join(state, turnFile)
	if err := os.Remove(turn); err != nil {
		return nil // there was no lease to be kept
	}
	return os.Link(filepath.Join(former, turnFile), turn)
}

// left is the state directory as the process left it.
func (p *Process) left() string { return cmp.Or(p.final, p.state) }

// intents are the hints in the state directory at what is being made.
func (p *Process) intents() []string {
	files, _ := filepath.Glob(filepath.Join(p.state, "intents", "*.json")) // the pattern is well-formed
	return files
}

// Stop ends the daemon: as after a signal, or, where it has been killed, without
// its being able to tell anybody.
func (p *Process) Stop() {
	for i := len(p.close) - 1; i >= 0; i-- {
		p.close[i]()
	}
	if !p.Dead() {
		p.ended = func() {}
		p.Cut()
	}
}
