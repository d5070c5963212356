package proxmox

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Config is how to reach one cluster and how hard to work it.
type Config struct {
	// Endpoints are the base URLs of the cluster's nodes ("https://pve1:8006").
	// The first that answers is used until it fails.
	Endpoints []string `yaml:"endpoints"`
	// TokenFile holds one line: user@realm!name=secret.
	TokenFile string `yaml:"token_file"`
	// CAFile holds the certificates to trust (/etc/pve/pve-root-ca.pem); empty
	// for the machine's own.
	CAFile string    `yaml:"ca_file"`
	SSH    SSHConfig `yaml:"ssh"`
	Limits Limits    `yaml:"limits"`
	// Copies are the VMIDs for copies of container templates, which provost makes
	// where one template would be a bottleneck, and keeps: "990000000-990000999",
	// or "off". They must not be handed out to anything else.
	Copies string `yaml:"copies"`
	// Backups is a storage for backups of copies of container templates, from which
	// machines are restored where that is quicker than to clone them; empty for none.
	Backups string `yaml:"backups"`
	// Trials are the VMIDs for guests that provost makes to time a cluster, see
	// [Cluster.Time]. Nothing else may be there then: "990001000-990001099".
	Trials string `yaml:"trials"`
	// Preset is a file of what was measured on this cluster, or the name of a cluster
	// that it is like. Whoever reads the configuration reads it into Guesses, since
	// this package knows no presets.
	Preset  string   `yaml:"preset"`
	Guesses *Guesses `yaml:"-"` // nil for none
	// StaleLocks says what becomes of a lock that no task holds: "report" (the
	// default), or "clear", which takes the word "unlock" of SSHConfig.
	StaleLocks string `yaml:"stale_locks"`
	// StateDir is where intents are kept; empty keeps none.
	StateDir string `yaml:"state_dir"`
	// TaskTimeout is how long one task is waited for. It goes on without us.
	TaskTimeout time.Duration `yaml:"task_timeout"`
	// StopTimeout is how long a guest may take to shut down before it is stopped.
	StopTimeout time.Duration `yaml:"stop_timeout"`
}

// SSHConfig is how to read all guest configurations at once. On each host the
// key's line in authorized_keys should read, in one line:
//
//	restrict,command="cd /etc/pve && case $SSH_ORIGINAL_COMMAND in versions) exec tar -cf - .vmlist;;
//	*) exec tar -cf - .vmlist nodes/*/lxc nodes/*/qemu-server;; esac" ssh-ed25519 …
//
// Where stale_locks is "clear", two more words stand before the "*)":
//
//	unlock\ lxc\ [0-9]*) exec pct unlock "${SSH_ORIGINAL_COMMAND##* }";;
//	unlock\ qemu\ [0-9]*) exec qm unlock "${SSH_ORIGINAL_COMMAND##* }";;
//
// The word is compared and nothing else. A command without the case, which gives
// all files every time, works as well: then a pass over an unchanged campus makes
// as many requests, and transfers about 2 KiB a guest.
type SSHConfig struct {
	Hosts          []string `yaml:"hosts"` // host:port; empty for no SSH
	User           string   `yaml:"user"`
	KeyFile        string   `yaml:"key_file"`
	KnownHostsFile string   `yaml:"known_hosts_file"`
}

// Limits are how many changes may occupy one thing at once. Where that depends
// on the machines, the limit bounds the search for the best number.
type Limits struct {
	ClonesPerTemplate int `yaml:"clones_per_template"` // containers; PVE locks the source, so more than 1 only fails
	QemuClones        int `yaml:"qemu_clones"`         // machines, per template
	StartsPerNode     int `yaml:"starts_per_node"`     // guests that boot
	TasksPerNode      int `yaml:"tasks_per_node"`      // 0: 32, or the node's cores if these are more. A task has a process of its own; only requests wait for pvedaemon's 3 workers
	ClonesPerStorage  int `yaml:"clones_per_storage"`
	BulkStart         int `yaml:"bulk_start"`  // guests started in one request, where the server can (9.1); 1 starts each by itself
	CopiesGiB         int `yaml:"copies_gib"`  // of disk for copies of templates; see Config.Copies
	BackupsGiB        int `yaml:"backups_gib"` // of backups of such copies; see Config.Backups
}

func (c Config) withDefaults() Config {
	c.Limits.ClonesPerTemplate = cmp.Or(c.Limits.ClonesPerTemplate, 1)
	c.Limits.QemuClones = cmp.Or(c.Limits.QemuClones, 64)
	c.Limits.StartsPerNode = cmp.Or(c.Limits.StartsPerNode, 16)
	c.Limits.ClonesPerStorage = cmp.Or(c.Limits.ClonesPerStorage, 64)
	c.Limits.BulkStart = cmp.Or(c.Limits.BulkStart, 50)
	c.Limits.CopiesGiB = cmp.Or(c.Limits.CopiesGiB, 200)
	c.Limits.BackupsGiB = cmp.Or(c.Limits.BackupsGiB, 100)
	c.Copies = cmp.Or(c.Copies, "990000000-990000999")
	c.Trials = cmp.Or(c.Trials, "990001000-990001099")
	c.TaskTimeout = cmp.Or(c.TaskTimeout, 30*time.Minute)
	c.StopTimeout = cmp.Or(c.StopTimeout, time.Minute)
	c.StaleLocks = cmp.Or(c.StaleLocks, staleReport)
	c.SSH.User = cmp.Or(c.SSH.User, "root")
	return c
}

// check reports all that is wrong with c.
func (c Config) check() error {
	var errs []error
	if len(c.Endpoints) == 0 {
		errs = append(errs, errors.New("endpoints: at least one is needed"))
	}
	for _, e := range c.Endpoints {
		u, err := url.Parse(e)
		switch {
		case strings.Contains(e, "@"): // perhaps with a password, so it is not shown
			errs = append(errs, errors.New("endpoints: an address is not like https://host:8006: who logs in stands in token_file"))
		case err != nil || u.Scheme != "https" || u.Host == "":
			errs = append(errs, fmt.Errorf("endpoints: %q is not like https://host:8006", e))
		}
	}
	if c.TokenFile == "" {
		errs = append(errs, errors.New("token_file: is needed"))
	}
	if len(c.SSH.Hosts) > 0 && (c.SSH.KeyFile == "" || c.SSH.KnownHostsFile == "") {
		errs = append(errs, errors.New("ssh: key_file and known_hosts_file are needed"))
	}
	if c.StaleLocks != staleReport && c.StaleLocks != staleClear {
		errs = append(errs, fmt.Errorf("stale_locks: %q is neither report nor clear", c.StaleLocks))
	}
	if c.StaleLocks == staleClear && len(c.SSH.Hosts) == 0 {
		errs = append(errs, errors.New("stale_locks: clear needs ssh.hosts, as no token may take a lock away"))
	}
	l := c.Limits
	if min(l.ClonesPerTemplate, l.QemuClones, l.StartsPerNode, l.TasksPerNode, l.ClonesPerStorage, l.BulkStart, l.CopiesGiB, l.BackupsGiB) < 0 {
		errs = append(errs, errors.New("limits: must not be negative"))
	}
	if c.TaskTimeout < 0 || c.StopTimeout < 0 {
		errs = append(errs, errors.New("task_timeout, stop_timeout: must not be negative"))
	}
	if _, _, err := c.copyVMIDs(); err != nil {
		errs = append(errs, err)
	}
	if c.Backups != "" && c.Copies == "off" {
		errs = append(errs, errors.New("backups: what is backed up is a copy of a template, so it needs copies: not to be off"))
	}
	if c.Backups != "" && !plainName.MatchString(c.Backups) {
		errs = append(errs, fmt.Errorf("backups: %q is no name of a storage", c.Backups))
	}
	if _, _, err := vmidRange("trials", c.Trials); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// copyVMIDs is the range of Copies; 0 and 0 when there are to be none.
func (c Config) copyVMIDs() (first, last int, err error) {
	if c.Copies == "off" {
		return 0, 0, nil
	}
	if first, last, err = vmidRange("copies", c.Copies); err != nil {
		return 0, 0, fmt.Errorf("%w, nor off", err)
	}
	return first, last, err
}

func vmidRange(key, text string) (first, last int, err error) {
	from, to, _ := strings.Cut(text, "-")
	first, last = number(from), number(to)
	if first < 100 || last < first || last > 999_999_999 {
		return 0, 0, fmt.Errorf("%s: %q is not a range of VMIDs, such as 990000000-990000999", key, text)
	}
	return first, last, nil
}
