package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/provost-dev/provost/inventory/proxmox"
	"github.com/provost-dev/provost/inventory/proxmox/calibrate"
	"github.com/provost-dev/provost/inventory/windows"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
	"github.com/provost-dev/provost/sources/forge/gitea"
	"github.com/provost-dev/provost/sources/forge/github"
	"github.com/provost-dev/provost/sources/forge/gitlab"
	"github.com/provost-dev/provost/sources/git"
)

// Config is provost.yaml. README.md documents every key.
type Config struct {
	Campus     string                  `yaml:"campus"`     // name in the marks; never change it
	State      string                  `yaml:"state"`      // directory for the mirror and hints; may be lost
	Listen     string                  `yaml:"listen"`     // host:port of the pages; "" for none
	PublicURL  string                  `yaml:"public_url"` // where people reach them
	Pages      PagesConfig             `yaml:"pages"`
	Interval   time.Duration           `yaml:"interval"` // between passes when nothing calls
	Grace      time.Duration           `yaml:"grace"`    // for running changes after a stop
	Guard      plan.Limits             `yaml:"guard"`
	Approvers  []string                `yaml:"approvers"` // logins whose approval of a merge request passes the guard
	Repository git.Config              `yaml:"repository"`
	Forge      ForgeConfig             `yaml:"forge"`
	Webhook    WebhookConfig           `yaml:"webhook"`
	Systems    map[string]SystemConfig `yaml:"systems"`

	Lease     string        `yaml:"lease"`      // the system on which daemons agree who works; "" for the first cluster, or off
	LeaseTime time.Duration `yaml:"lease_time"` // how long a silent daemon keeps others from working

	path string // where it was read from
}

// ForgeConfig names the forge by the key that is set; at most one is.
type ForgeConfig struct {
	GitLab *gitlab.Config `yaml:"gitlab"`
	Gitea  *gitea.Config  `yaml:"gitea"`
	GitHub *github.Config `yaml:"github"`
	Notes  *struct{}      `yaml:"notes"` // git notes, where there is no forge
}

// WebhookConfig lets a forge ask for a pass.
type WebhookConfig struct {
	SecretFile string `yaml:"secret_file"` // "" for no webhook
}

// SystemConfig is one live system; the key that is set says of what kind.
type SystemConfig struct {
	Apply   reconciler.ApplyMode `yaml:"apply"` // off | manual | auto
	Prune   bool                 `yaml:"prune"`
	Proxmox *proxmox.Config      `yaml:"proxmox"`
	Windows *windows.Config      `yaml:"windows"`
}

// open makes the system. This is the one place that knows all kinds.
func (s SystemConfig) open(name string, c *Config, log *slog.Logger) (reconciler.System, error) {
	switch {
	case s.Proxmox != nil:
		if s.Proxmox.StateDir == "" {
			s.Proxmox.StateDir = filepath.Join(c.State, "intents", name)
		}
		if s.Proxmox.Preset != "" {
			costs, err := presetCosts(s.Proxmox.Preset)
			if err != nil {
				return nil, fmt.Errorf("preset: %w", err)
			}
			s.Proxmox.Guesses = calibrate.Guesses(costs)
		}
		return proxmox.New(name, c.Campus, *s.Proxmox, log)
	case s.Windows != nil:
		return windows.New(name, c.Campus, *s.Windows, log)
	}
	return nil, errors.New("it is of no kind: proxmox and windows are known")
}

// readConfig reads and checks a configuration file. Every key must be known;
// relative paths in it are relative to the daemon's working directory.
func readConfig(path string) (*Config, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	c := &Config{
		State: "/var/lib/provost", Interval: 30 * time.Second, Grace: 30 * time.Second,
		LeaseTime: 90 * time.Second, Guard: plan.DefaultLimits, path: path,
	}
	if err := yaml.Load(data, c, yaml.WithKnownFields()); err != nil {
		return nil, wrongConfig(path, err)
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("cannot use %s: %w", path, err)
	}
	return c, nil
}

// check finds everything that is missing or wrong, all of it at once.
func (c *Config) check() error {
	var errs []error
	complain := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Campus == "" {
		complain("campus: is missing: a short name that all marks will carry")
	}
	if c.Repository.URL == "" {
		complain("repository.url: is missing")
	}
	if c.Interval < time.Second {
		complain("interval: %s is too short: at least 1s", c.Interval)
	}
	if c.Guard.Count < 0 || c.Guard.Percent < 0 || c.Guard.Percent > 100 {
		complain("guard: count is at least 0, percent from 0 to 100")
	}
	if n := c.Forge.count(); n > 1 {
		complain("forge: names %d forges: give one", n)
	}
	if len(c.Systems) == 0 {
		complain("systems: is missing: name at least one cluster")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Systems)) {
		s := c.Systems[name]
		switch s.Apply {
		case "":
			// The first day in a school that has machines of its own: look only.
			s.Apply = reconciler.ApplyOff
			c.Systems[name] = s
		case reconciler.ApplyOff, reconciler.ApplyManual, reconciler.ApplyAuto:
		default:
			complain("systems.%s.apply: %q is not off, manual or auto", name, s.Apply)
		}
		if (s.Proxmox == nil) == (s.Windows == nil) {
			complain("systems.%s: give it proxmox: or windows:, and one of them only", name)
		}
	}
	if wrong := c.checkLease(); wrong != "" {
		complain("%s", wrong)
	}
	errs = append(errs, c.checkPages()...)
	return errors.Join(errs...)
}

func (f ForgeConfig) count() int {
	n := 0
	for _, set := range []bool{f.GitLab != nil, f.Gitea != nil, f.GitHub != nil, f.Notes != nil} {
		if set {
			n++
		}
	}
	return n
}
