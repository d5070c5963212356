package proxmox

import (
	"context"
	"errors"

	"github.com/provost-dev/provost/inventory"
)

// delete removes a guest of ours for good.
func (j *job) delete(ctx context.Context) error {
	before := *j.change.Before
	if err := j.destroy(ctx, refOf(before.Attrs), before.Key); err != nil {
		return err
	}
	j.c.forget(before.Key)
	return nil
}

// replace removes a guest and makes it anew under the same VMID and MAC. One that
// carries the new rebuild number was made anew already.
func (j *job) replace(ctx context.Context) error {
	before, r := *j.change.Before, *j.change.After
	g, err := j.settle(ctx, refOf(before.Attrs), "")
	switch {
	case errors.Is(err, errNoGuest):
	case err != nil:
		return err
	default:
		m, err := j.c.ownedAs(g, r.Key, before.Key)
		if err != nil {
			return err
		}
		if number(m.Extra[markRebuild]) < number(r.Attrs["rebuild"]) {
			if err := j.destroy(ctx, g.ref, r.Key, before.Key); err != nil {
				return err
			}
		}
	}
	return j.create(ctx)
}

// remake makes a guest anew of which a stop left nothing but the configuration:
// it has no disk, and nobody has ever used it.
func (j *job) remake(ctx context.Context) error {
	at := refOf(j.change.Before.Attrs)
	j.say("%s was never finished and is made anew", at)
	if err := j.destroy(ctx, at, j.change.After.Key, j.change.Before.Key); err != nil {
		return err
	}
	return j.create(ctx)
}

// destroy stops a guest and deletes it, after making sure, twice, that it is ours
// under one of the keys. One that is not there is destroyed.
func (j *job) destroy(ctx context.Context, at ref, keys ...inventory.Key) error {
	g, ok, err := j.ours(ctx, at, keys...)
	if err != nil || !ok {
		return err
	}
	if err := j.stop(ctx, g.ref); err != nil {
		return err
	}
	// Stopping takes up to a minute, in which much can happen.
	if g, ok, err = j.ours(ctx, g.ref, keys...); err != nil || !ok {
		return err
	}
	if err := j.unlocked(ctx, g); err != nil {
		return err
	}
	j.say("deleting %s on %s", g.ref, g.node)
	err = j.run(ctx, "deleting", func() (upid, error) { return j.c.api.delete(ctx, g.path()+"?purge=1") })
	if err == nil || gone(err) {
		j.c.dropIntent(g.vmid)
		j.c.noteDeleted(g.vmid)
		return nil
	}
	if isLost(err) {
		if _, there, lookErr := j.c.find(ctx, g.ref); lookErr == nil && !there {
			return nil
		}
	}
	return err
}

// ours reads a guest and makes sure that it carries our mark under one of the
// keys and is still whose it was, in use or retired as it was, when its end was
// planned; false when it is not there.
func (j *job) ours(ctx context.Context, at ref, keys ...inventory.Key) (guest, bool, error) {
	g, ok, err := j.c.find(ctx, at)
	if err != nil || !ok {
		return g, false, err
	}
	m, err := j.c.ownedAs(g, keys...)
	if before := j.change.Before; err == nil && before != nil {
		err = asPlanned(g, m, *before)
	}
	return g, err == nil, err
}

// asPlanned refuses to remove a guest that was given to somebody else, retired or
// brought back since its removal was planned: it was judged as something else.
func asPlanned(g guest, m inventory.Mark, before inventory.Resource) error {
	if m.Owner != before.Owner {
		return retryf("%s was %s's when this was planned and is %s's now: list again", g.ref, before.Owner, m.Owner)
	}
	if was, now := before.Attrs[inventory.AttrRetired], m.Extra[markRetired]; was != now {
		return retryf("%s: retired was %q when this was planned and is %q now: list again", g.ref, was, now)
	}
	return nil
}

// adopt takes over a guest that is not ours by writing our mark and nothing
// else, if it is still as it was when that was planned.
func (j *job) adopt(ctx context.Context) error {
	before, r := *j.change.Before, *j.change.After
	g, ok, err := j.c.find(ctx, refOf(before.Attrs))
	if err != nil {
		return err
	}
	if !ok {
		return retryf("%s is gone: list again", before.Key)
	}
	m, ours, why := j.c.judge(g)
	switch {
	case ours && m.Key == r.Key:
		j.c.note(r.Key, g.ref)
		return nil
	case ours:
		return failf("cannot adopt %s as %s: it is %s already", g.ref, r.Key, m.Key)
	case why != before.Attrs["why"]:
		return retryf("cannot adopt %s: it was changed since this was planned: list again", g.ref)
	case g.template():
		return failf("cannot adopt %s: it is a template", g.ref)
	case g.cfg["lock"] != "":
		return retryf("%s is locked (%s)", g.ref, g.cfg["lock"])
	}
	now := configAttrs(g.typ, g.cfg)
	for attr, value := range before.Attrs {
		if present, ok := now[attr]; ok && present != value {
			return retryf("cannot adopt %s: %s was %q when this was planned and is %q now: list again", g.ref, attr, value, present)
		}
	}
	text := inventory.WithMark(g.cfg["description"], j.c.markFor(r, g.vmid, nil))
	if err := j.put(ctx, g, params{"description": text}, nil); err != nil {
		return err
	}
	j.c.note(r.Key, g.ref)
	return nil
}
