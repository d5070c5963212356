package proxmox

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"

	"github.com/provost-dev/provost/inventory"
)

// A copy is a container that provost made of a container template, to clone from
// while the template is busy: PVE locks what it clones. It is never started and
// belongs to nobody, so that no plan deletes it; Prepare makes, uses and retires
// copies. Its mark says of what it is a copy, and how that looked.
//
//	copy <cluster>/copy/<vmid of the template>-<n>
//
//	type, vmid, name, node, disk, storage, lock   as of a guest
//	source  VMID of the template
//	of      fingerprint of the template when it was copied
//	ready   1 when it can be cloned
//	raw     1 when it was copied, but not finished
const kindCopy = "copy"

const (
	markSource = "source"
	markOf     = "of"
)

// copyMark is the mark of a copy that we made. Of what somebody has made a template
// others may be cloned.
func (c *Cluster) copyMark(g guest) (inventory.Mark, bool) {
	m, ok := inventory.ParseMark(g.cfg["description"])
	return m, ok && !g.template() && m.Owner.Campus == c.campus && m.Key.System() == c.name && m.Key.Kind() == kindCopy && m.Extra[markVMID] == g.vmid
}

func (l *lister) copy(g guest, m inventory.Mark) {
	t := templateOf(g)
	t.of = m.Extra[markOf]
	attrs := inventory.Attrs{
		"type": g.typ, "vmid": g.vmid, "name": t.name, "node": g.node, "disk": formatGiB(t.disk), "storage": t.storage,
		"source": m.Extra[markSource], "of": t.of, "ready": "0",
	}
	if lock := g.cfg["lock"]; lock != "" {
		attrs["lock"] = lock
	}
	l.stale(g, attrs)
	if !wholeCopy(g) && (attrs["lock"] == "" || attrs["stale"] != "" && l.c.cfg.StaleLocks == staleClear) {
		attrs["raw"] = "1"
	}
	if wholeCopy(g) && powerState(g.status) != "running" {
		attrs["ready"] = "1"
		source := m.Extra[markSource]
		t.source = source
		l.view.copies[source] = append(l.view.copies[source], t)
	}
	l.add(inventory.Resource{Key: m.Key, Attrs: attrs})
}

// wholeCopy reports that nothing is left to do on a copy: the tag comes last.
func wholeCopy(g guest) bool {
	return g.cfg["lock"] == "" && canonicalTags(g.cfg["tags"]) == copyTag && canonicalBool(g.cfg["onboot"]) == "0"
}

const copyTag = "provost"

// fingerprint tells whether a template is still what it was. Locks come and go
// with each clone; text and tags are not what a clone is made of. The disk of a
// template cannot be written, and one that is made anew has other MAC addresses.
func fingerprint(cfg rawConfig) string {
	h := fnv.New64a()
	for _, option := range sortedKeys(cfg) {
		if !slices.Contains([]string{"lock", "digest", "description", "tags"}, option) {
			fmt.Fprintf(h, "%s=%s\n", option, cfg[option])
		}
	}
	return strconv.FormatUint(h.Sum64(), 16)
}

// makeCopy makes the copy of After, or takes up where a former try was stopped.
func (j *job) makeCopy(ctx context.Context) error {
	r := *j.change.After
	want := refOf(r.Attrs)
	if err := j.c.ensureListed(ctx); err != nil {
		return err
	}
	if !j.c.free(want.vmid) {
		g, err := j.settle(ctx, want, "")
		switch m, ours := j.c.copyMark(g); {
		case errors.Is(err, errNoGuest):
		case err != nil:
			return err
		case !ours || m.Key != r.Key:
			return retryf("VMID %s is taken by %s %q on %s, which is not ours: list again", want.vmid, g.typ, g.name(), g.node)
		case m.Extra[markOf] == r.Attrs["of"] && hasDisk(g):
			return j.completeCopy(ctx, g)
		default:
			if err := j.destroyCopy(ctx, g); err != nil {
				return err
			}
		}
	}
	plan, giveBack, err := j.borrow(ctx, r)
	if err != nil {
		return err
	}
	defer giveBack()
	if !j.c.stillPays(plan, r) {
		j.say("not copying %s any more: that would win nothing", plan.source.vmid)
		j.c.unplanCopy(r.Attrs["source"])
		return nil
	}
	if err := j.sameSource(ctx, plan.source); err != nil {
		return err
	}
	j.say("copying %s", plan.source.vmid)
	description := inventory.WithMark("A copy of template "+r.Attrs["source"]+", to clone from while that is busy. It may be deleted.", j.c.markOfCopy(r))
	it := made{source: plan.source.vmid, about: j.c.look().aboutClone(plan, r), cfg: cloned(plan.source, r, description)}
	if err := j.begin(ctx, r, want, &it, plan.source.path()+"/clone", cloneParams(r, want, plan, description)); err != nil {
		return err
	}
	j.c.clonedFrom(plan.source)
	return j.completeCopy(ctx, guest{ref: want, cfg: it.cfg})
}

// stillPays decides again, once copies were timed, whether one more is worth it.
// It was planned by a guess of what the storage carries.
func (c *Cluster) stillPays(plan clonePlan, r inventory.Resource) bool {
	pace := c.cloneSpeed(plan, r)
	if _, needed := c.restores.wanted(r.Attrs["source"]); pace.assumed || needed {
		return true // it was planned by the same guess, or is to be backed up
	}
	sources, err := c.look().cloneSources(r)
	clones, copies := c.loans.left(r.Attrs["source"])
	return err != nil || bestFanout(clones, len(sources)+copies-1, c.cfg.Limits.ClonesPerStorage, mostCopies, pace) > 0
}

func (c *Cluster) markOfCopy(r inventory.Resource) inventory.Mark {
	return inventory.Mark{Key: r.Key, Owner: inventory.Owner{Campus: c.campus}, Extra: map[string]string{
		markVMID: r.Attrs["vmid"], markSource: r.Attrs["source"], markOf: r.Attrs["of"],
	}}
}

// completeCopy gives a copy what tells it from its source, and lets it be used.
func (j *job) completeCopy(ctx context.Context, g guest) error {
	r := *j.change.After
	if !wholeCopy(g) {
		if err := j.put(ctx, g, params{"tags": copyTag, "onboot": "0"}, nil); err != nil {
			return err
		}
	}
	cfg := maps.Clone(g.cfg)
	cfg["tags"], cfg["onboot"] = copyTag, "0"
	t := templateOf(guest{ref: g.ref, cfg: cfg})
	t.of, t.source = r.Attrs["of"], r.Attrs["source"]
	if storage := r.Attrs["storage"]; storage != "" {
		t.storage = storage
	}
	j.c.dropIntent(g.vmid)
	j.c.noteCopy(r.Attrs["source"], t)
	return nil
}

// removeCopy deletes a copy that is of no use any more.
func (j *job) removeCopy(ctx context.Context) error {
	before := *j.change.Before
	g, ok, err := j.c.find(ctx, refOf(before.Attrs))
	if err != nil || !ok {
		return err
	}
	if m, ours := j.c.copyMark(g); !ours || m.Key != before.Key {
		return failf("%s %q on %s is not %s and is left alone", g.ref, g.name(), g.node, before.Key)
	}
	return j.destroyCopy(ctx, g)
}

func (j *job) destroyCopy(ctx context.Context, g guest) error {
	if err := j.unlocked(ctx, g); err != nil {
		return err
	}
	j.c.dropCopy(g.vmid)
	j.say("deleting %s on %s", g.ref, g.node)
	err := j.run(ctx, "deleting", func() (upid, error) { return j.c.api.delete(ctx, g.path()+"?purge=1") })
	if gone(err) {
		return nil
	}
	return err
}

// noteCopy lets waiting clones use a copy that was made just now.
func (c *Cluster) noteCopy(source string, copied template) {
	c.changeCopies(func(copies map[string][]template) {
		copies[source] = append(slices.Clone(copies[source]), copied)
	})
	c.loans.announce()
}

func (c *Cluster) dropCopy(vmid string) {
	c.changeCopies(func(copies map[string][]template) {
		for source, list := range copies {
			copies[source] = slices.DeleteFunc(slices.Clone(list), func(t template) bool { return t.vmid == vmid })
		}
	})
}

func (c *Cluster) changeCopies(change func(map[string][]template)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	copies := maps.Clone(c.view.copies)
	if copies == nil {
		copies = map[string][]template{}
	}
	change(copies)
	c.view.copies = copies
}

// copyKey is the key of the n-th copy of a template.
func (c *Cluster) copyKey(source string, n int) inventory.Key {
	return c.key(kindCopy, source+"-"+strconv.Itoa(n))
}
