package proxmox

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/provost-dev/provost/inventory"
)

// Where there is no SSH, nothing that is read anyway tells what waits for a guest's
// next start, and to ask would be one request more for each guest in each pass. So
// only those are asked that provost itself has changed in place, until nothing waits
// any more. That one was changed is noted in a file, so that the next process knows
// it; like an intent it is a hint: without it a restart is not told of, and not made.

// quietly are the options that a running guest takes at once, whatever it is.
var quietly = []string{"description", "tags", "onboot", "digest", "delete"}

func (c *Cluster) changedFile(vmid string) string {
	return filepath.Join(c.cfg.StateDir, c.name+"-"+filepath.Base(vmid)+".changed")
}

// noteChanged says, before options of a finished guest are written, that it is worth
// asking about.
func (j *job) noteChanged(vmid string, options []string) {
	waits := slices.ContainsFunc(options, func(o string) bool { return !slices.Contains(quietly, o) })
	if !waits || j.c.ssh != nil || j.c.cfg.StateDir == "" || j.change.Action != inventory.Update || j.change.Before.Attrs["raw"] != "" {
		return
	}
	err := os.MkdirAll(j.c.cfg.StateDir, 0o700)
	if err == nil {
		err = os.WriteFile(j.c.changedFile(vmid), nil, 0o600)
	}
	if err != nil {
		j.c.log.Warn("cannot note that a guest was changed: what waits for its next start is not told", "vmid", vmid, "error", err)
	}
}

// changed are the guests that were noted, by VMID.
func (c *Cluster) changed() []string {
	if c.ssh != nil || c.cfg.StateDir == "" {
		return nil
	}
	files, _ := filepath.Glob(c.changedFile("*")) // a name that is no pattern finds nothing
	for i, file := range files {
		files[i] = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), c.name+"-"), ".changed")
	}
	return files
}

// judgeWaiting asks the guests that were changed in place and run what waits for
// their next start. Of those that are gone, not ours, stopped, or for which nothing
// waits, the note is dropped.
func (c *Cluster) judgeWaiting(ctx context.Context, s *survey) {
	var asked []guest
	for _, vmid := range c.changed() {
		g, there := s.guests[vmid]
		if _, unread := s.unread[vmid]; unread || there && powerState(g.status) == "" {
			continue // nobody can tell now
		}
		if _, mine, _ := c.judge(g); !there || !mine || powerState(g.status) != "running" {
			os.Remove(c.changedFile(vmid))
			continue
		}
		asked = append(asked, g)
	}
	answers := make([]string, len(asked))
	slots := make(chan struct{}, readers)
	var wg sync.WaitGroup
	for i, g := range asked {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			options, err := c.optionsWaiting(ctx, g.ref)
			switch {
			case err != nil:
				c.log.Warn("cannot tell what waits for the next start", "guest", g.ref.String(), "error", err)
			case options == "":
				os.Remove(c.changedFile(g.vmid))
			}
			answers[i] = options
		})
	}
	wg.Wait()
	for i, g := range asked {
		if answers[i] != "" {
			g.cfg = maps.Clone(g.cfg)
			g.cfg[nextStart] = answers[i]
			s.guests[g.vmid] = g
		}
	}
}
