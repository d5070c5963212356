package main

import (
	"context"
	"flag"
	"fmt"
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
		help: `Calibrate times what a real cluster takes for requests, clones, creations, starts,
stops, and a listing, each alone and the long ones several at once; and, where there
is such a thing, for linked clones of containers and machines, snapshots, migrations,
starts by one request, the read over SSH, and backups and restores to the storage
that backups: or --backups names. It prints a preset: a file by which sim and demo
play that cluster, and from which the planner takes its first guesses, where
"preset: FILE" stands beside "endpoints:" in provost.yaml. Beside each figure stands
where it comes from; what was not timed says why, and is the --like preset's.

It does so with guests of its own on the node of the container template: twice --count
containers of 1 GiB, and one or two copies of the template at a time. They stand in the
VMIDs of "trials:" (990001000-990001099), where nothing else may be. They and their
backups carry a mark and are deleted in the end, after Ctrl-C too; what a run left that
was killed, the next one deletes, or --clean alone. Before it makes anything, it looks
whether the token may do it all and whether there is room.

It takes some minutes, or with a template of 12 GiB on a network up to an hour; backups
are half of that, and --backups off leaves them out. Pause the daemon first and choose
a quiet hour: whatever else the cluster does is timed along.

Example:
  provost pause --reason "calibrating"
  provost calibrate --config provost.yaml --template 9000 --out ours.yaml
  provost resume
  provost demo --preset ./ours.yaml --students 600 --speed 60`,
		setup: func(flags *flag.FlagSet) action {
			c := &calibration{}
			flags.StringVar(&c.config, "config", "provost.yaml", "the daemon's configuration `FILE`")
			flags.StringVar(&c.system, "system", "", "`NAME` of the cluster in it, where there is more than one")
			flags.StringVar(&c.trial.Template, "template", "", "container template to clone, by `VMID` or name (default the first)")
			flags.StringVar(&c.trial.Machine, "machine", "", "machine template to make linked clones of, by `VMID` or name, or off (default the first, if any)")
			flags.StringVar(&c.trial.OSTemplate, "ostemplate", "", "`STORAGE:PREFIX` of the OS template to create from (default the newest)")
			flags.StringVar(&c.trial.Backups, "backups", "", "`STORAGE` for the backups that are timed, or off (default what backups: names)")
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
	config, err := readConfig(c.config)
	if err != nil {
		return err
	}
	cluster, name, err := c.open(config, log)
	if err != nil {
		return err
	}
	defer cluster.Close()
	alone, err := calibrateAlone(config.State)
	if err != nil {
		return err
	}
	defer alone.Close()
	if c.clean {
		what, err := cluster.ClearTrials(ctx)
		if err == nil {
			fmt.Fprintf(t.err, "%s of earlier runs deleted\n", what)
		}
		return err
	}
	out, err := c.openOut(t.out)
	if err != nil {
		return err
	}
	defer out.discard()
	began := time.Now()
	c.trial.By = trialBy(config.State)
	c.trial.Say = func(format string, args ...any) {
		fmt.Fprintf(t.err, "%6s  %s\n", time.Since(began).Round(time.Second), oneLine(fmt.Sprintf(format, args...)))
	}
	if pauseFile(config.State).reason() == "" {
		c.trial.Say("note: nothing is paused; what a daemon does meanwhile is timed along ('provost pause')")
	}
	timings, err := cluster.Time(ctx, c.trial)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted, so that there is no preset: %w", err)
	case err != nil:
		return err
	}
	costs, notes := calibrate.Fit(timings, like)
	notes[""] = fmt.Sprintf("Cluster %s as timed on %s: node %s, storage %s,\ntemplate %s, OS template %s, %d of each.\n",
		name, began.Format(time.DateOnly), timings.Node, timings.Storage, timings.Template, timings.OSTemplate, timings.Count)
	if err := costs.WritePreset(out, c.like, notes); err != nil {
		return fmt.Errorf("cannot write the preset: %w", err)
	}
	if err := out.keep(); err != nil || c.out == "" {
		return err
	}
	c.trial.Say("written to %s; to plan by it, set systems.%s.proxmox.preset in %s to its path", c.out, name, c.config)
	return nil
}

// open opens the one cluster of the configuration, or the one that was named.
func (c *calibration) open(config *Config, log *slog.Logger) (*proxmox.Cluster, string, error) {
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
