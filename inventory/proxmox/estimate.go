package proxmox

import (
	"slices"
	"strings"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// Guesses for what was never seen: a copy of a disk at about 250 MiB a second,
// the rest as small containers take.
const (
	guessFixed   = 2 * time.Second
	guessPerGiB  = 4 * time.Second
	guessLinked  = time.Second
	guessInstall = 5 * time.Second
	guessBoot    = 3 * time.Second
	guessStop    = 10 * time.Second
	guessOptions = 200 * time.Millisecond
)

// Estimate implements reconciler.Estimator, from what such tasks took before.
func (c *Cluster) Estimate(ch inventory.Change) time.Duration {
	switch {
	case ch.Key.Kind() == inventory.KindPower && (ch.Action == inventory.Delete || ch.After != nil && ch.After.Attrs["state"] == "stopped"):
		return guessStop
	case ch.Key.Kind() == inventory.KindPower:
		return c.usual("vzstart", guessBoot)
	case ch.Action == inventory.Delete:
		return c.usual("vzdestroy", time.Second)
	case ch.Action == inventory.Create || ch.Action == inventory.Replace:
		return c.estimateCreation(ch)
	case ch.Action == inventory.Update && slices.Contains(ch.Fields, "node"):
		return time.Minute
	}
	return guessOptions
}

func (c *Cluster) estimateCreation(ch inventory.Change) time.Duration {
	if ch.After == nil {
		return 0
	}
	r := *ch.After
	if strings.HasPrefix(r.Attrs["create.base"], "ostemplate:") {
		return c.usual("vzcreate", guessInstall)
	}
	plan, err := c.look().planClone(r)
	if err != nil {
		return 0
	}
	queue := time.Duration(number(r.Attrs[createQueue])) * time.Second
	return c.cloneSpeed(plan.source, plan.full).alone + guessOptions + queue
}

func (c *Cluster) usual(subject string, guess time.Duration) time.Duration {
	if s, ok := c.pace.of(subject); ok {
		return s.alone
	}
	return guess
}

// cloneSpeed is how fast clones of a template are.
func (c *Cluster) cloneSpeed(t template, full bool) speed {
	kind := "vzclone"
	if t.typ == typeQEMU {
		kind = "qmclone"
	}
	if s, ok := c.pace.of(subject(kind, t.vmid)); ok {
		return s
	}
	guess := guessFixed + time.Duration(t.disk*float64(guessPerGiB))
	if !full {
		guess = guessLinked
	}
	return speed{alone: guess, drag: usualDrag}
}
