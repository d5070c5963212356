package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/lease"
	"github.com/provost-dev/provost/reconciler/web"
	"github.com/provost-dev/provost/sources/watch"
	"github.com/provost-dev/provost/sources/webhook"
)

func daemonCommand() command {
	return command{
		name: "daemon", summary: "watch the repository and make it true, for ever",
		help: `Daemon makes a pass at once, after every webhook call or change of a local
repository, and after every interval. It answers on commits with statuses and
serves pages, the badge and metrics on the address in listen:. While a pass applies,
it goes on answering, and a newer commit takes over from the one being applied. When
its configuration file changes it starts anew with it, unless the new one is broken.
SIGTERM or Ctrl-C: no new change is started, running ones get grace: to finish.

Example:
  provost daemon --config /etc/provost/provost.yaml --log-format json`,
		setup: func(flags *flag.FlagSet) action {
			config := configFlag(flags)
			logs := addLogFlags(flags, "info")
			return func(ctx context.Context, t *terminal, _ []string) (int, error) {
				log, err := logs.open(t.err)
				if err != nil {
					return exitError, err
				}
				return exitOK, keepRunning(ctx, *config, log)
			}
		},
	}
}

// keepRunning runs daemons one after the other, each with the newest
// configuration that could be used.
func keepRunning(ctx context.Context, path string, log *slog.Logger) error {
	c, err := readConfig(path)
	if err != nil {
		return err
	}
	unlock, err := lockState(c.State)
	if err != nil {
		return err
	}
	defer unlock()
	for {
		d := daemon{config: c, log: log}
		next, err := d.runUntilReconfigured(ctx)
		if next == nil {
			return err
		}
		log.Info("the configuration changed: starting anew", "file", path)
		c = next
	}
}

// daemon is the reconciler with all that surrounds it while it runs.
type daemon struct {
	config  *Config
	log     *slog.Logger
	watch   func(reconciler.Progress) // nil for none
	history func(*reconciler.Pass)    // told of every stage of a pass; nil for none
	listen  net.Listener              // nil: from the configuration
}

// runUntilReconfigured returns the new configuration when the file has one that
// can be used; a broken one is reported and passed over.
func (d daemon) runUntilReconfigured(ctx context.Context) (*Config, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changed := make(chan *Config, 1)
	go watchPaths(ctx, []string{d.config.path}, d.log, func() {
		c, err := readConfig(d.config.path)
		if err != nil {
			d.log.Error("the new configuration is not used", "error", err)
			return
		}
		select {
		case changed <- c:
			cancel()
		default:
		}
	})
	if err := d.run(ctx); err != nil {
		return nil, err
	}
	select {
	case c := <-changed:
		return c, nil
	default:
		return nil, nil
	}
}

// run makes passes and serves until ctx ends.
func (d daemon) run(ctx context.Context) error {
	trigger := make(chan struct{}, 1)
	poke := func() {
		select {
		case trigger <- struct{}{}:
		default: // one is waiting already
		}
	}
	r, closing, err := build(d.config, d.log)
	if err != nil {
		return err
	}
	site, err := d.site(poke)
	if err != nil {
		return err
	}
	turns, err := takeTurns(d.config, r, false, d.log)
	if err != nil {
		return err
	}
	kept, err := openState(d.config, site.History, r, d.log)
	if err != nil {
		return err
	}
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		closing(last)
		giveBack(last, turns)
		kept.Close() //nolint:errcheck // what it could not write is logged
	}()
	go d.watchRepository(ctx, poke)
	d.show(&site, r, turns)
	r.Watch = d.watch
	r.History = func(p *reconciler.Pass) {
		site.History.Add(p)
		site.Metrics.Observe(p)
		if d.history != nil {
			d.history(p)
		}
	}
	served, err := d.serve(ctx, site)
	if err != nil {
		return err
	}
	r.Run(ctx, d.config.Interval, trigger)
	return <-served
}

// site is what the pages show, with the webhook where one is configured.
func (d daemon) site(poke func()) (web.Site, error) {
	access, err := d.config.access()
	if err != nil {
		return web.Site{}, err
	}
	s := web.Site{
		Campus: d.config.Campus, Version: version(), Metrics: web.NewMetrics(), Access: access, Log: d.log,
		History: reconciler.NewHistory(100), MaxAge: 10*d.config.Interval + time.Hour,
	}
	if file := d.config.Webhook.SecretFile; file != "" {
		s.Webhook = webhook.New(file, poke, d.log)
	}
	return s, nil
}

// show lets the site tell how it stands with the lease and with the forge.
func (d daemon) show(site *web.Site, r *reconciler.Reconciler, turns *lease.Keeper) {
	if turns != nil {
		site.Standing = turns.Standing
		site.Metrics.Show("provost_working", "1 while this daemon works, 0 while it stands by.", func() float64 {
			if turns.Leads() {
				return 1
			}
			return 0
		})
	}
	if source, ok := r.Source.(interface{ Backlog() int }); ok {
		site.Metrics.Show("provost_statuses_waiting", "Commit statuses that the forge has not taken yet.", func() float64 {
			return float64(source.Backlog())
		})
	}
}

func (d daemon) serve(ctx context.Context, site web.Site) (<-chan error, error) {
	served := make(chan error, 1)
	secure, err := d.config.Pages.secure(d.log)
	if err != nil {
		return nil, err
	}
	l := d.listen
	if l == nil {
		if d.config.Listen == "" {
			close(served)
			return served, nil
		}
		if l, err = net.Listen("tcp", d.config.Listen); err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
	}
	d.log.Info("serving pages", "address", l.Addr().String())
	go func() { served <- web.Serve(ctx, l, web.Handler(site), secure, d.log) }()
	return served, nil
}

// watchRepository asks for a pass when a repository on this machine changes.
// One elsewhere is polled, or tells by the webhook.
func (d daemon) watchRepository(ctx context.Context, poke func()) {
	if info, err := os.Stat(d.config.Repository.URL); err == nil && info.IsDir() {
		watchPaths(ctx, []string{d.config.Repository.URL}, d.log, poke)
	}
}

// watchPaths tells of changes until ctx ends. Without it passes come later, but
// they come: that it failed stops nothing.
func watchPaths(ctx context.Context, paths []string, log *slog.Logger, changed func()) {
	if err := watch.Watch(ctx, paths, log, changed); err != nil && ctx.Err() == nil {
		log.Warn("changes of files will be noticed late", "paths", paths, "error", err)
	}
}
