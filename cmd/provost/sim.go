package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

func simCommand() command {
	return command{
		name: "sim", summary: "play a Proxmox cluster, to try any client against",
		help: `Sim serves the doubles that the tests use, without a daemon: a Proxmox VE cluster
with its API on loopback and /etc/pve over SSH and, where asked for, a Windows
server with DNS and DHCP, and a GitLab. Tasks take as long as the preset says, so
that a client can be watched and timed before it meets a real cluster. There are
storages, a container template (9000), a machine template (9001) and an OS
template to begin with; nothing runs inside of what is made. Sim prints where all
listens, the authority to trust and what to log in with; Ctrl-C ends it and
forgets everything. It listens on loopback only.

The presets are ` + strings.Join(pvesim.Presets(), ", ") + `.

Example:
  provost sim --listen 127.0.0.1:8006 --nodes 5 --preset campus --speed 60
  provost sim --windows 127.0.0.1:5986 --forge 127.0.0.1:8080`,
		setup: func(flags *flag.FlagSet) action {
			s := &sim{}
			flags.StringVar(&s.listen, "listen", "127.0.0.1:8006", "`ADDRESS` of the first node's API; the others are on the ports after it")
			flags.IntVar(&s.nodes, "nodes", 1, "number `N` of nodes, at most 32")
			flags.StringVar(&s.preset, "preset", "tiny", "`NAME` of what things cost, or a file that provost calibrate wrote")
			flags.Float64Var(&s.speed, "speed", 1, "be `N` times faster than the preset")
			flags.Uint64Var(&s.seed, "seed", 1, "`N` from which MAC addresses and the jitter of durations are drawn")
			flags.StringVar(&s.release, "release", "9.1", "`RELEASE` to play, 9.1 or 8.4")
			flags.StringVar(&s.windows, "windows", "", "`ADDRESS` of a Windows server's WinRM, if there shall be one")
			flags.StringVar(&s.forge, "forge", "", "`ADDRESS` of a GitLab, if there shall be one")
			return func(ctx context.Context, t *terminal, _ []string) (int, error) {
				if err := s.check(); err != nil {
					return exitError, err
				}
				return s.run(ctx, t)
			}
		},
	}
}

type sim struct {
	listen, windows, forge string
	nodes                  int
	preset                 string
	speed                  float64
	seed                   uint64
	release                string

	dir   string // of what a client needs: the authority, SSH keys
	facts []fact
	stops []func()
}

// fact is a line of what a client must know.
type fact struct{ name, value string }

func (s *sim) tell(name, format string, args ...any) {
	s.facts = append(s.facts, fact{name, fmt.Sprintf(format, args...)})
}

const mostNodes = 32

func (s *sim) check() error {
	if s.nodes < 1 || s.nodes > mostNodes {
		return fmt.Errorf("--nodes: %d is not from 1 to %d", s.nodes, mostNodes)
	}
	if s.speed <= 0 {
		return fmt.Errorf("--speed: %g is not above 0", s.speed)
	}
	for _, f := range []fact{{"--listen", s.listen}, {"--windows", s.windows}, {"--forge", s.forge}} {
		if err := onLoopback(f.value); f.value != "" && err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	if s.listen == "" {
		return errors.New("--listen: is missing: an address of loopback such as 127.0.0.1:8006")
	}
	return nil
}

// onLoopback refuses addresses that others can reach: the doubles' secrets are
// printed, and they let whoever has them do everything.
func onLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		return fmt.Errorf("%s is not an address of loopback such as 127.0.0.1:8006", address)
	}
	return nil
}

// run serves until ctx ends.
func (s *sim) run(ctx context.Context, t *terminal) (int, error) {
	defer s.close()
	for _, start := range []func() error{s.makeDir, s.startProxmox, s.startWindows, s.startForge} {
		if err := start(); err != nil {
			return exitError, fmt.Errorf("cannot start: %w", err)
		}
	}
	if err := s.print(t.out); err != nil {
		return exitError, err
	}
	<-ctx.Done()
	return exitOK, nil
}

func (s *sim) close() {
	for i := len(s.stops) - 1; i >= 0; i-- {
		s.stops[i]()
	}
}

func (s *sim) makeDir() (err error) {
	s.dir, err = os.MkdirTemp("", "provost-sim-")
	s.stops = append(s.stops, func() { os.RemoveAll(s.dir) })
	return err
}

func (s *sim) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range s.facts {
		fmt.Fprintf(table, "%s\t%s\n", f.name, f.value)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, "\nCtrl-C ends it.")
	return err
}
