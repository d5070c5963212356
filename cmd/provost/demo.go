package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/provost-dev/provost/cmd/internal/world"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
	"github.com/provost-dev/provost/projects/example"
	"github.com/provost-dev/provost/reconciler"
)

func demoCommand() command {
	return command{
		name: "demo", summary: "see it all at work on this machine alone",
		help: `Demo starts a whole campus on loopback: a Proxmox VE cluster of three nodes, two
Windows servers with DNS and DHCP, a GitLab with the sample campus. The daemon is
pointed at it and makes it true while you watch. Then it stays, so that you can
push commits and see what happens. Nothing outside this machine is contacted and
nothing is left behind.

Example:
  provost demo
  provost demo --students 600 --preset campus --speed 60   # a semester begins
  provost demo --once --students 60   # ends after a second pass that changes nothing`,
		setup: func(flags *flag.FlagSet) action {
			d := &demo{}
			flags.BoolVar(&d.once, "once", false, "end when the campus has converged and a new daemon finds nothing to do")
			flags.IntVar(&d.students, "students", 60, "number `N` of students, at most 600")
			flags.StringVar(&d.preset, "preset", "demo", "`NAME` of what Proxmox's tasks cost: demo (quick), "+strings.Join(pvesim.Presets(), ", ")+", or a file that provost calibrate wrote")
			flags.Float64Var(&d.speed, "speed", 1, "let the cluster be `N` times faster than the preset")
			flags.Uint64Var(&d.seed, "seed", 1, "`N` from which the students' names are drawn")
			flags.StringVar(&d.listen, "listen", "127.0.0.1:0", "`ADDRESS` of the daemon's pages; port 0 takes a free one")
			d.logs = addLogFlags(flags, "")
			return func(ctx context.Context, t *terminal, _ []string) (int, error) {
				d.terminal = t
				return d.run(ctx)
			}
		},
	}
}

type demo struct {
	once     bool
	students int
	preset   string
	speed    float64
	seed     uint64
	listen   string
	logs     *logFlags
	terminal *terminal

	world  *world.World
	config *Config
	view   progress
	log    *slog.Logger
	passes chan *reconciler.Pass // every pass that ended
}

// mostStudents is what the sample campus has addresses for.
const mostStudents = 600

// demoCosts make tasks take about a third of what tiny containers take on a
// real node: long enough to watch, short enough to wait for.
var demoCosts = pvesim.Costs{
	Answer: 10 * time.Millisecond, FullClone: 150 * time.Millisecond, LinkedClone: 60 * time.Millisecond,
	Create: 300 * time.Millisecond, Config: 10 * time.Millisecond, Start: 450 * time.Millisecond,
	Stop: 400 * time.Millisecond, Destroy: 40 * time.Millisecond, Migrate: 700 * time.Millisecond,
}

// costs are the preset's, at the speed asked for.
func (d *demo) costs() (pvesim.Costs, error) {
	costs := demoCosts
	if preset := cmp.Or(d.preset, "demo"); preset != "demo" {
		var err error
		if costs, err = presetCosts(preset); err != nil {
			return costs, fmt.Errorf("--preset: %w", err)
		}
	}
	if d.speed < 0 {
		return costs, fmt.Errorf("--speed: %v is below 0", d.speed)
	}
	costs.Speed = d.speed
	return costs, nil
}

func (d *demo) run(ctx context.Context) (code int, err error) {
	if d.students < 1 || d.students > mostStudents {
		return exitError, fmt.Errorf("--students: %d is not from 1 to %d", d.students, mostStudents)
	}
	costs, err := d.costs()
	if err != nil {
		return exitError, err
	}
	dir, err := os.MkdirTemp("", "provost-demo-")
	if err != nil {
		return exitError, fmt.Errorf("cannot start the demo: %w", err)
	}
	defer os.RemoveAll(dir)
	d.view = newProgress(d.terminal.out)
	logFile, err := d.openLog(dir)
	if err != nil {
		return exitError, err
	}
	fmt.Fprintf(d.terminal.out, "Starting a campus of %d students on loopback …\n", d.students)
	d.world, err = world.Start(world.Options{
		Dir: dir, Tree: example.Tree(d.students, d.seed), Costs: costs, Stat: time.Second, Seed: d.seed,
	})
	if err != nil {
		return exitError, err
	}
	defer d.world.Close()
	living, die := context.WithCancel(ctx)
	defer die()
	go d.world.Live(living)

	d.passes = make(chan *reconciler.Pass, 16)
	if d.once {
		return d.runOnce(ctx)
	}
	return d.stay(ctx, logFile)
}

// openLog logs beside the campus when somebody watches. Else it goes to stderr, and
// only what went wrong unless more is asked for: progress is told by the view.
func (d *demo) openLog(dir string) (path string, err error) {
	var w io.Writer = d.terminal.err
	level := "warn"
	if isTerminal(d.terminal.out) {
		level = "info"
		path = filepath.Join(dir, "provost.log")
		file, err := os.Create(path)
		if err != nil {
			return "", fmt.Errorf("cannot start the demo: %w", err)
		}
		w = file // closed with the process
	}
	d.logs.level = cmp.Or(d.logs.level, level)
	d.log, err = d.logs.open(w)
	return path, err
}

// startDaemon runs the daemon of the written configuration until stop is
// called, which waits for its end.
func (d *demo) startDaemon(ctx context.Context) (stop func() error, err error) {
	listener, err := net.Listen("tcp", d.listen)
	if err != nil {
		return nil, fmt.Errorf("cannot serve the pages: %w", err)
	}
	d.listen = listener.Addr().String() // the same port for the next daemon
	if d.config == nil {
		path, err := d.world.Configure(d.listen, "15s")
		if err != nil {
			return nil, err
		}
		if d.config, err = readConfig(path); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	daemon := daemon{config: d.config, log: d.log, watch: d.view.show, listen: listener, history: d.note}
	go func() { ended <- daemon.run(ctx) }()
	return func() error { cancel(); return <-ended }, nil
}

// note passes ended passes on; when nobody takes them the oldest are of no use.
func (d *demo) note(p *reconciler.Pass) {
	if p.Stage != reconciler.StageDone {
		return
	}
	select {
	case d.passes <- p:
	default:
	}
}

// converge waits for a pass after which everything declared is true.
func (d *demo) converge(ctx context.Context) (*reconciler.Pass, error) {
	const patience = 5
	for range patience {
		select {
		case p := <-d.passes:
			printResults(d.terminal.out, p)
			if p.Converged() {
				d.account(p)
				return p, nil
			}
		case <-ctx.Done():
			return nil, errInterrupted
		}
	}
	return nil, fmt.Errorf("cannot go on: the campus did not converge in %d passes", patience)
}

var errInterrupted = errors.New("interrupted")

// stay tells what can be tried, and of every commit and request, until Ctrl-C.
func (d *demo) stay(ctx context.Context, logFile string) (int, error) {
	stop, err := d.startDaemon(ctx)
	if err != nil {
		return exitError, err
	}
	if _, err := d.converge(ctx); err != nil {
		return exitError, errors.Join(err, stop())
	}
	d.invite(logFile)
	told := newTeller(d.terminal.out, d.world.Commit)
	for {
		select {
		case p := <-d.passes:
			told.tell(p)
		case <-ctx.Done():
			return exitOK, stop()
		}
	}
}
