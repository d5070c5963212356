package proxmox

import (
	"cmp"
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
	case ch.Key.Kind() == inventory.KindReboot:
		return guessStop + c.usual("vzstart", guessBoot)
	case ch.Key.Kind() == inventory.KindPower:
		return c.usual("vzstart", guessBoot)
	case ch.Action == inventory.Delete:
		return c.usual("vzdestroy", time.Second)
	case ch.Action == inventory.Create || ch.Action == inventory.Replace:
		return c.estimateCreation(ch)
	case ch.Action == inventory.Update && slices.Contains(ch.Fields, "node"):
		kind := "vzmigrate"
		if ch.After != nil && ch.After.Attrs["type"] == typeQEMU {
			kind = "qmigrate" // without a second m
		}
		return c.usual(kind, time.Minute)
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
	if c.isRestored(r, plan.source) {
		return c.restoreSpeed(plan.source, r).alone
	}
	return c.cloneSpeed(plan, r).alone + guessOptions + queue
}

func (c *Cluster) usual(subject string, guess time.Duration) time.Duration {
	a := aboutTask(subject)
	if s, ok := c.pace.of(a); ok {
		return s.alone
	}
	if s, ok := c.cfg.Guesses.of(a); ok {
		return s.alone
	}
	return guess
}

// cloneSpeed is how fast r is cloned by a plan.
func (c *Cluster) cloneSpeed(plan clonePlan, r inventory.Resource) speed {
	a := c.look().aboutClone(plan, r)
	if s, ok := c.pace.of(a); ok {
		return s
	}
	if s, ok := c.cfg.Guesses.of(a); ok {
		s.alone += share(s.alone, usualCare.patience/2) // until a look shows that the source is free
		return s
	}
	if !plan.full {
		return speed{alone: guessLinked, drag: usualDrag, assumed: true}
	}
	return speed{alone: guessFixed + time.Duration(plan.source.disk*float64(guessPerGiB)), drag: a.drag, assumed: true}
}

func (c *Cluster) linkedSpeed(t template) speed {
	return c.cloneSpeed(clonePlan{source: t}, inventory.Resource{})
}

// aboutClone: clones of one source take alike. Of another source a full clone
// takes as its size is, to the same storage.
func (v view) aboutClone(plan clonePlan, r inventory.Resource) about {
	kind := "vzclone"
	if plan.source.typ == typeQEMU {
		kind = "qmclone"
	}
	if !plan.full {
		return about{subject: kind + "/" + plan.source.vmid + "/linked", general: kind + "/linked", units: 1}
	}
	node, storage := r.Attrs["node"], cmp.Or(r.Attrs["storage"], plan.source.storage)
	drag := guessDrag(v.storages[storageKey(node, storage)].kind)
	storage = v.place(node, storage)
	// A copy takes as what it is a copy of.
	a := about{subject: kind + "/" + plan.source.original() + "/full", units: 1, storage: storage, drag: drag}
	if plan.source.disk > 0 {
		a.general, a.units = kind+"/full on "+storage, plan.source.disk
	}
	return a
}

// aboutInstall: what is made from an OS template is unpacked to its storage.
func (v view) aboutInstall(r inventory.Resource) about {
	a := aboutTask("vzcreate")
	if r.Attrs["storage"] != "" {
		a.storage = v.place(r.Attrs["node"], r.Attrs["storage"])
	}
	return a
}

// place names a storage so that what copies to it at once is known to share it.
func (v view) place(node, storage string) string {
	if v.shared(node, storage) {
		return storage
	}
	return storageKey(node, storage)
}

// guessDrag is what copies to a storage do to each other before that was seen.
// One copy fills the wire to a file server, but for the time between two; and most
// of what a disk can do. Only what is spread over many machines has more to give.
func guessDrag(kind string) float64 {
	switch kind {
	case "nfs", "cifs", "iscsi", "iscsidirect":
		return 0.8
	case "rbd", "cephfs", "glusterfs":
		return usualDrag
	}
	return 0.5
}
