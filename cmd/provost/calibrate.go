package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/provost-dev/provost/inventory/proxmox"
	"github.com/provost-dev/provost/inventory/proxmox/calibrate"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

func calibrateCommand() command {
	return command{
		name: "calibrate", summary: "time a Proxmox cluster and print a preset of it",
		help: `Calibrate times what a real cluster takes for a request, a clone, a creation, a
start, a stop, a configuration and a listing, each alone and the long ones several
at once, and prints a preset: a file by which sim and demo play that cluster.

It does so with containers of its own on the node of the template: twice --count of
1 GiB, and one clone of the template at a time. They stand in the VMIDs of "trials:"
(990001000-990001099), where nothing else may be. They carry a mark and are deleted in
the end, after Ctrl-C too; what a crash left is deleted by --clean. Pause the daemon
first and choose a quiet hour: whatever else the cluster does is timed along.

Example:
  provost pause --reason "calibrating"
  provost calibrate --config provost.yaml --template 9000 --out campus.yaml
  provost demo --preset campus.yaml --students 600 --speed 60`,
		setup: func(flags *flag.FlagSet) action {
			c := &calibration{}
			flags.StringVar(&c.config, "config", "provost.yaml", "the daemon's configuration `FILE`")
			flags.StringVar(&c.system, "system", "", "`NAME` of the cluster in it, where there is more than one")
			flags.StringVar(&c.trial.Template, "template", "", "container template to clone, by `VMID` or name (default the first)")
			flags.StringVar(&c.trial.OSTemplate, "ostemplate", "", "`STORAGE:PREFIX` of the OS template to create from (default the newest)")
			flags.IntVar(&c.trial.Count, "count", 8, "how often each thing is timed, and how many are done at once: `N`")
			flags.StringVar(&c.like, "like", "campus", "preset `NAME` from which comes what is not timed: "+strings.Join(pvesim.Presets(), ", "))
			flags.StringVar(&c.out, "out", "", "`FILE` for the preset (default standard output)")
			flags.BoolVar(&c.clean, "clean", false, "only delete what an earlier run left behind")
			logs := addLogFlags(flags, "warn")
			return func(ctx context.Context, t *terminal, _ []string) (int, error) {
				log, err := logs.open(t.err)
				if err != nil {
					return exitError, err
				}
				if err := c.run(ctx, t, log); err != nil {
					return exitError, err
				}
				return exitOK, nil
			}
		},
	}
}

type calibration struct {
	config, system, like, out string
	clean                     bool
	trial                     proxmox.Trial
}

func (c *calibration) run(ctx context.Context, t *terminal, log *slog.Logger) error {
	like, err := pvesim.Preset(c.like)
	if err != nil {
		return fmt.Errorf("--like: %w", err)
	}
	cluster, name, err := c.open(log)
	if err != nil {
		return err
	}
	defer cluster.Close()
	if c.clean {
		what, err := cluster.ClearTrials(ctx)
		fmt.Fprintf(t.err, "%s of earlier runs deleted\n", what)
		return err
	}
	began := time.Now()
	c.trial.Say = func(format string, args ...any) {
		fmt.Fprintf(t.err, "%5s  %s\n", time.Since(began).Round(time.Second), fmt.Sprintf(format, args...))
	}
	timings, err := cluster.Time(ctx, c.trial)
	if err != nil {
		return err
	}
	costs, notes := calibrate.Fit(timings, like)
	notes[""] = fmt.Sprintf("Cluster %s as timed on %s: node %s, storage %s,\ntemplate %s, OS template %s, %d of each.\n",
		name, began.Format(time.DateOnly), timings.Node, timings.Storage, timings.Template, timings.OSTemplate, timings.Count)
	return c.write(t.out, costs, notes)
}

// open opens the one cluster of the configuration, or the one that was named.
func (c *calibration) open(log *slog.Logger) (*proxmox.Cluster, string, error) {
	config, err := readConfig(c.config)
	if err != nil {
		return nil, "", err
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(config.Systems)) {
		if config.Systems[name].Proxmox != nil && (c.system == "" || c.system == name) {
			names = append(names, name)
		}
	}
	switch {
	case len(names) == 0 && c.system != "":
		return nil, "", fmt.Errorf("--system: %s has no Proxmox cluster %q", c.config, c.system)
	case len(names) != 1:
		return nil, "", fmt.Errorf("--system: say which of the clusters in %s: %s", c.config, strings.Join(names, ", "))
	}
	cluster, err := proxmox.New(names[0], config.Campus, *config.Systems[names[0]].Proxmox, log)
	return cluster, names[0], err
}

func (c *calibration) write(w io.Writer, costs pvesim.Costs, notes map[string]string) error {
	if c.out == "" {
		return costs.WritePreset(w, c.like, notes)
	}
	file, err := os.Create(c.out)
	if err != nil {
		return fmt.Errorf("cannot write the preset: %w", err)
	}
	if err := costs.WritePreset(file, c.like, notes); err != nil {
		file.Close()
		return fmt.Errorf("cannot write the preset: %w", err)
	}
	return file.Close()
}

// presetCosts are those of a preset by its name or, where that names a file, of
// what provost calibrate wrote.
func presetCosts(name string) (pvesim.Costs, error) {
	if !strings.ContainsAny(name, "./\\") {
		return pvesim.Preset(name)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return pvesim.Costs{}, fmt.Errorf("cannot read the preset: %w", err)
	}
	return pvesim.ReadPreset(name, data)
}
