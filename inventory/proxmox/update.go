package proxmox

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// update changes a guest in place: its options in one PUT, then the size of its
// disk, its pool, and last its node.
func (j *job) update(ctx context.Context) error {
	before, r := *j.change.Before, *j.change.After
	g, err := j.asPlanned(ctx)
	if errors.Is(err, errUnfinished) {
		return j.remake(ctx)
	}
	if err != nil {
		return err
	}
	if err := j.configure(ctx, g, r, j.concerns); err != nil {
		return err
	}
	if err := j.move(ctx, g, before, r); err != nil {
		return err
	}
	if before.Key != r.Key {
		j.c.forget(before.Key)
	}
	j.done(r, g.ref)
	if j.concerns("node") {
		return j.migrate(ctx, g, r.Attrs["node"])
	}
	return nil
}

// errUnfinished is a guest that was never finished and cannot be any more.
var errUnfinished = errors.New("it was never finished")

// asPlanned reads the guest of an update, waits until nothing holds it, and makes
// sure that it is ours and as it was when the update was planned.
func (j *job) asPlanned(ctx context.Context) (guest, error) {
	before, r := *j.change.Before, *j.change.After
	hint, _ := j.c.intent(r.Key, before.Attrs["vmid"])
	g, err := j.settle(ctx, refOf(before.Attrs), hint.Source)
	switch {
	case errors.Is(err, errNoGuest) && before.Attrs["raw"] != "": // a former try got as far as removing it
		return g, errUnfinished
	case errors.Is(err, errNoGuest):
		return g, retryf("%s is gone: list again", before.Key)
	}
	if err != nil {
		return g, err
	}
	m, err := j.c.ownedAs(g, r.Key, before.Key)
	if err != nil {
		return g, err
	}
	if unmade(g, m.Extra[markRaw] != "") {
		return g, errUnfinished
	}
	if err := j.unchanged(g, before, r); err != nil {
		return g, err
	}
	return g, j.unmoved(m, before, r)
}

// concerns reports whether the change is about an attribute. A change that names
// none is about all.
func (j *job) concerns(attr string) bool {
	return len(j.change.Fields) == 0 || slices.Contains(j.change.Fields, attr)
}

// unchanged is the compare of compare-and-set: each attribute that the change is
// about is still as it was when it was planned and judged, or done already.
func (j *job) unchanged(g guest, before, after inventory.Resource) error {
	now := configAttrs(g.typ, g.cfg)
	for _, f := range j.change.Fields {
		_, listed := before.Attrs[f]
		if _, ok := now[f]; !ok || !listed && before.Attrs["raw"] != "" || slices.Contains([]string{"node", "pool", "nets"}, f) {
			continue
		}
		if now[f] != before.Attrs[f] && now[f] != after.Attrs[f] {
			return retryf("%s: %s was %q when this was planned and is %q now: list again", after.Key, f, before.Attrs[f], now[f])
		}
	}
	return nil
}

// unmoved is the same for what only the mark knows: whether the guest is in use.
func (j *job) unmoved(m inventory.Mark, before, after inventory.Resource) error {
	now, was, wanted := m.Extra[markRetired], before.Attrs[inventory.AttrRetired], after.Attrs[inventory.AttrRetired]
	if j.concerns(inventory.AttrRetired) && now != was && now != wanted {
		return retryf("%s: retired was %q when this was planned and is %q now: list again", after.Key, was, now)
	}
	return nil
}

// configure writes what differs of the options, the mark and the disk's size.
func (j *job) configure(ctx context.Context, g guest, r inventory.Resource, only func(string) bool) error {
	set, remove := configParams(g.typ, g.cfg, r.Attrs, only)
	if text := j.description(g, r, only); !sameText(text, g.cfg["description"]) {
		set["description"] = j.c.forgetful(g.vmid, text)
	}
	if err := j.put(ctx, g, set, remove); err != nil {
		return err
	}
	if only("disk") {
		return j.resize(ctx, g, r.Attrs["disk"])
	}
	return nil
}

// description is the text and mark that the guest should carry.
func (j *job) description(g guest, r inventory.Resource, only func(string) bool) string {
	present := g.cfg["description"]
	if !slices.ContainsFunc([]string{"owner", "key", "description", "rebuild", inventory.AttrRetired}, only) {
		return configured(present)
	}
	m, _ := inventory.ParseMark(present)
	return describe(r, inventory.StripMark(present), j.c.markFor(r, g.vmid, m.Extra))
}

// put writes options, on the condition that nobody changed the guest since it
// was read. A PUT that failed may still have changed some of them: what matters
// is how the guest stands afterwards.
func (j *job) put(ctx context.Context, g guest, set params, remove []string) error {
	if len(set) == 0 && len(remove) == 0 {
		return nil
	}
	options := sortedKeys(set)
	if len(remove) > 0 {
		set["delete"] = strings.Join(remove, ",")
	}
	if digest := g.cfg["digest"]; digest != "" {
		set["digest"] = digest
	}
	j.noteChanged(g.vmid, append(options, remove...))
	j.say("setting %s", strings.Join(append(options, remove...), ", "))
	err := j.run(ctx, "configuring", func() (upid, error) { return j.c.api.put(ctx, g.path()+"/config", set) })
	if err == nil || ctx.Err() != nil {
		return err
	}
	if cfg, readErr := j.c.config(ctx, g.ref); readErr == nil && stands(g.typ, cfg, set, options, remove) {
		return nil
	}
	return err
}

// stands compares option by option what the configuration says with what was to
// be set: in the inventory's form, as Proxmox writes many values its own way.
func stands(typ string, cfg rawConfig, set params, options, remove []string) bool {
	for _, o := range options {
		if o == "description" && !sameText(cfg[o], set[o]) ||
			!maps.Equal(configAttrs(typ, rawConfig{o: cfg[o]}), configAttrs(typ, rawConfig{o: set[o]})) {
			return false
		}
	}
	return !slices.ContainsFunc(remove, func(o string) bool { return cfg[o] != "" })
}

// resize grows the root disk; a larger one stays as it is.
func (j *job) resize(ctx context.Context, g guest, want string) error {
	size, ok := parseGiB(want + "G")
	disk := rootDisk(g.typ, g.cfg)
	present, known := parseGiB(rootVolume(g.typ, g.cfg).get("size"))
	if !ok || !known || size <= present {
		return nil
	}
	j.say("growing %s from %s to %s GiB", disk, formatGiB(present), want)
	return j.run(ctx, "resizing", func() (upid, error) {
		return j.c.api.put(ctx, g.path()+"/resize", params{"disk": disk, "size": want + "G"})
	})
}

// move puts the guest into its pool. Pools are not in the guest's configuration,
// so where it is now takes a request.
func (j *job) move(ctx context.Context, g guest, before, r inventory.Resource) error {
	pool, named := r.Attrs["pool"]
	if !named || !slices.Contains(j.change.Fields, "pool") {
		return nil
	}
	l, ok, err := j.c.locate(ctx, g.vmid)
	if err != nil || !ok || l.pool == pool {
		return err
	}
	if l.pool != before.Attrs["pool"] {
		return retryf("%s: its pool was %q when this was planned and is %q now: list again", r.Key, before.Attrs["pool"], l.pool)
	}
	p := params{"poolid": pool, "vms": g.vmid, "allow-move": "1"}
	if pool == "" {
		p = params{"poolid": l.pool, "vms": g.vmid, "delete": "1"}
	}
	j.say("moving from pool %q to pool %q", l.pool, pool)
	return j.run(ctx, "moving", func() (upid, error) { return j.c.api.put(ctx, "/pools", p) })
}

// migrate moves the guest to another node: a running machine goes on running, a
// running container is stopped and started again, as there is no other way.
func (j *job) migrate(ctx context.Context, g guest, node string) error {
	if node == "" || g.node == node {
		return nil
	}
	running, err := j.c.running(ctx, g.ref)
	if err != nil {
		return err
	}
	p := params{"target": node}
	switch {
	case running && g.typ == typeLXC:
		p["restart"] = "1"
	case running:
		p["online"] = "1"
		if storage := configAttrs(g.typ, g.cfg)["storage"]; !j.c.look().storages[storageKey(g.node, storage)].shared {
			p["with-local-disks"] = "1"
		}
	}
	j.say("migrating from %s to %s", g.node, node)
	if err := j.run(ctx, "migrating", func() (upid, error) { return j.c.api.post(ctx, g.path()+"/migrate", p) }); err != nil {
		return err
	}
	g.node = node
	j.c.note(j.change.Key, g.ref)
	return nil
}
