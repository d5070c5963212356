package proxmox

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// Trial says how to time a cluster.
type Trial struct {
	Template   string // VMID or name of a container template; "" takes the first
	OSTemplate string // "storage:prefix"; "" takes the newest there is
	Count      int    // how often each thing is timed, and how many are done at once; at least 3
	Say        func(format string, args ...any)
}

// Timings are what things took. Each was begun when nothing else went on, but
// for those that are called Many: these were begun Count at once. The time of a
// task is from the answer to its POST until it was seen to have ended.
type Timings struct {
	Node, Storage        string
	Template, OSTemplate string
	Count                int
	Cores                int  // of the node
	SharedStorage        bool // all nodes have it

	Reads, WorkerReads, TaskLists, Writes, Posts []time.Duration // requests
	PerGuest, PerVolume                          time.Duration   // more, in a listing
	Create, Start, Stop                          []time.Duration // containers of Small bytes, from the OS template
	Clone                                        []time.Duration // full clones of such containers
	CreateMany, StartMany, StopMany, CloneMany   Batch           // the same at once
	Copy                                         []time.Duration // full clones of the template, of Large bytes
	Linked                                       []time.Duration // linked clones of it; none where the storage cannot
	Destroy                                      []time.Duration
	Small, Large                                 float64
}

// Batch is tasks that were begun at once, as far as that can be.
type Batch struct {
	Began []time.Duration // after the first
	Took  []time.Duration
}

// trialKind is the kind in the marks of guests that only serve to time a cluster.
const trialKind = "trial"

// trial is one run. All its guests stand on one node.
type trial struct {
	Trial
	c     *Cluster
	t     Timings
	first int      // VMID
	image string   // volume ID of the OS template
	from  template // what is cloned
}

// Time times what a cluster takes for each thing, with containers of its own. They
// stand in Config.Trials, where nothing else may be; they carry a mark, so that
// whoever finds one knows it, and are deleted in the end, whatever the end is.
// A daemon that works on the cluster meanwhile spoils the figures.
func (c *Cluster) Time(ctx context.Context, opts Trial) (t Timings, err error) {
	tr := &trial{Trial: opts, c: c}
	if err := tr.prepare(ctx); err != nil {
		return t, fmt.Errorf("cannot time cluster %s: %w", c.name, err)
	}
	defer func() {
		if clearErr := tr.clear(ctx); clearErr != nil && err == nil {
			err = clearErr
		}
	}()
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"reads", tr.timeReads},
		{"creations", tr.timeCreations},
		{"starts and stops", tr.timePower},
		{"clones of small disks", tr.timeClones},
		{"clones of the template", tr.timeCopies},
	} {
		began := time.Now()
		if err := step.do(ctx); err != nil {
			return tr.t, fmt.Errorf("cannot time %s: %w", step.what, err)
		}
		tr.Say("%s timed in %s", step.what, time.Since(began).Round(100*time.Millisecond))
	}
	return tr.t, nil
}

// prepare finds what to make containers of, and makes sure of the range.
func (t *trial) prepare(ctx context.Context) error {
	if t.Count < 3 {
		return fmt.Errorf("count: %d is not at least 3", t.Count)
	}
	listing, err := t.c.List(ctx)
	if err != nil {
		return err
	}
	first, last, err := vmidRange("trials", t.c.cfg.Trials)
	if err != nil {
		return err
	}
	if last-first+1 < 2*t.Count {
		return fmt.Errorf("trials: %s has no room for %d guests", t.c.cfg.Trials, 2*t.Count)
	}
	v := t.c.look()
	for n := first; n <= last; n++ {
		if vmid := strconv.Itoa(n); v.taken[vmid] {
			return fmt.Errorf("VMID %s is in use, and %s (trials:) must be free; what an earlier run left is deleted by --clean", vmid, t.c.cfg.Trials)
		}
	}
	t.first = first
	if t.from, err = v.trialTemplate(t.Template); err != nil {
		return err
	}
	if t.image, err = t.chooseOSTemplate(ctx, v); err != nil {
		return err
	}
	t.t.Node, t.t.Storage, t.t.Template, t.t.OSTemplate, t.t.Count = t.from.node, t.from.storage, t.from.vmid, t.image, t.Count
	t.t.SharedStorage = v.shared(t.from.node, t.from.storage)
	t.t.Small, t.t.Large = gib, t.from.disk*gib
	for _, r := range listing.Items {
		if r.Key == t.c.key(inventory.KindNode, t.from.node) {
			t.t.Cores = number(r.Attrs["cores"])
		}
	}
	t.Say("timing node %s and storage %s, with template %s (%s GiB) and %s", t.t.Node, t.t.Storage, t.from.vmid, formatGiB(t.from.disk), t.image)
	return nil
}

func (v view) trialTemplate(want string) (template, error) {
	var all []string
	for _, t := range v.templates {
		if t.typ != typeLXC {
			continue
		}
		if want == "" || t.vmid == want || t.name == want {
			if t.disk < 2 {
				return template{}, fmt.Errorf("template %s is of %s GiB: one of at least 2 is needed, to tell copying from the rest", t.vmid, formatGiB(t.disk))
			}
			return t, nil
		}
		all = append(all, t.vmid+" ("+t.name+")")
	}
	if want == "" {
		return template{}, fmt.Errorf("there is no container template to clone")
	}
	return template{}, fmt.Errorf("there is no container template %q; there are %s", want, strings.Join(all, ", "))
}

// chooseOSTemplate takes the one that was named or else the last of the first
// storage that has any.
func (t *trial) chooseOSTemplate(ctx context.Context, v view) (string, error) {
	node := t.from.node
	if t.OSTemplate != "" {
		storage, prefix, _ := strings.Cut(t.OSTemplate, ":")
		images, err := t.c.images(ctx, node, storage)
		if err != nil {
			return "", err
		}
		return chooseImage(images, strings.TrimPrefix(prefix, "vztmpl/"))
	}
	for _, place := range sortedKeys(v.storages) {
		storage, here := strings.CutPrefix(place, node+"/")
		if !here {
			continue
		}
		if images, err := t.c.images(ctx, node, storage); err == nil && len(images) > 0 {
			return slices.Max(images), nil
		}
	}
	return "", fmt.Errorf("there is no OS template on node %s", node)
}
