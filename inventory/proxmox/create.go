package proxmox

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// create makes the guest of After, or takes up where a former try was stopped:
//
//	VMID           what is done
//	free           POST, wait for the task, configure
//	ours           wait for whatever holds its lock, configure
//	half-made      locked and not marked yet: wait for the lock, look again
//	anybody else's nothing: list again
func (j *job) create(ctx context.Context) error {
	r := *j.change.After
	want := refOf(r.Attrs)
	if number(want.vmid) < 100 || !plainName.MatchString(want.vmid) || !plainName.MatchString(want.node) || want.typ != typeLXC && want.typ != typeQEMU {
		return failf("cannot create %s: it needs a vmid, a node and a type", r.Key)
	}
	hint, hinted := j.c.intent(r.Key, want.vmid)
	if hinted && hint.UPID != "" {
		j.say("waiting for task %s of a former run", hint.UPID)
		// How it ended shows in the guest itself.
		if err := j.c.wait(ctx, hint.UPID); err != nil && ctx.Err() != nil {
			return err
		}
	}
	if _, err := j.c.config(ctx, want); gone(err) || forbidden(err) {
		source, err := j.make(ctx, r, want)
		if err != nil && !taken(err) && !isLost(err) {
			return err
		}
		hint.Source = source
		return j.finish(ctx, r, want, hint.Source, err)
	} else if err != nil {
		return err
	}
	return j.finish(ctx, r, want, hint.Source, nil)
}

// plainName keeps what a declaration says from reaching into a path.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]*$`)

// make starts the creation and waits for its task. It returns the VMID of the
// clone's source, under which the task goes.
func (j *job) make(ctx context.Context, r inventory.Resource, want ref) (source string, err error) {
	if err := j.c.ensureListed(ctx); err != nil {
		return "", err
	}
	// The plan may be older than the listing.
	if reason := j.c.refuseCreation(j.c.look(), r); reason != "" {
		return "", failf("cannot create %s: %s", r.Key, reason)
	}
	path, p, source, err := j.request(ctx, r, want)
	if err != nil {
		return "", err
	}
	in := intent{Key: r.Key, VMID: want.vmid, Source: source}
	j.c.keepIntent(in)
	u, err := j.c.api.post(ctx, path, p)
	if err != nil {
		return source, err
	}
	in.UPID = u
	j.c.keepIntent(in)
	return source, j.c.wait(ctx, u)
}

// request is the POST that makes the guest. It carries the mark, so that from
// the first moment on at which the guest has a description it is known as ours.
func (j *job) request(ctx context.Context, r inventory.Resource, want ref) (path string, p params, source string, err error) {
	description := describe(r, "", j.c.newMark(r, want.vmid))
	if strings.HasPrefix(r.Attrs["create.base"], "ostemplate:") {
		image, err := j.c.image(ctx, r)
		if err != nil {
			return "", nil, "", err
		}
		j.say("creating from %s", image)
		return "/nodes/" + want.node + "/lxc", imageParams(r, want, image, description), "", nil
	}
	plan, err := j.c.look().planClone(r)
	if err != nil {
		return "", nil, "", failf("cannot create %s: %v", r.Key, err)
	}
	j.say("cloning from %s", plan.source.vmid)
	return plan.source.path() + "/clone", cloneParams(r, want, plan, description), plan.source.vmid, nil
}

// imageParams says everything in the one request.
func imageParams(r inventory.Resource, want ref, image, description string) params {
	p, _ := configParams(typeLXC, nil, r.Attrs, every)
	p["vmid"] = want.vmid
	p["ostemplate"] = image
	p["description"] = description
	// Said aloud because the default changed with PVE 9.
	p["unprivileged"] = "1"
	p["pool"] = r.Attrs["pool"]
	p["ssh-public-keys"] = r.Attrs["create.sshkeys"]
	switch storage, disk := r.Attrs["storage"], r.Attrs["disk"]; {
	case storage != "" && disk != "":
		p["rootfs"] = storage + ":" + disk
	case storage != "":
		p["storage"] = storage
	}
	return p // the library leaves out what is empty
}

func cloneParams(r inventory.Resource, want ref, plan clonePlan, description string) params {
	p := params{
		"newid":       want.vmid,
		"description": description,
		"pool":        r.Attrs["pool"],
		"target":      plan.target,
		"storage":     plan.storage,
		"full":        "0",
	}
	if plan.full {
		p["full"] = "1"
	}
	if want.typ == typeLXC {
		p["hostname"] = r.Attrs["name"]
	} else {
		p["name"] = r.Attrs["name"]
	}
	return p
}

// finish waits until nothing holds the guest, makes sure that it is ours, and
// gives it the rest of its configuration. cause is why the POST did not simply
// succeed: its answer was lost, or the VMID was taken.
func (j *job) finish(ctx context.Context, r inventory.Resource, want ref, source string, cause error) error {
	g, err := j.settle(ctx, want, source)
	switch {
	case errors.Is(err, errNoGuest) && cause != nil:
		return retryf("%v; no guest %s is to be seen: list again", cause, want.vmid)
	case errors.Is(err, errNoGuest):
		return retryf("%s vanished while it was made: list again", want)
	case err != nil && isLost(cause):
		return unknownf("%v; and whether it was done cannot be seen: %v", cause, err)
	case err != nil:
		return err
	}
	if _, err := j.c.ownedAs(g, r.Key); err != nil || g.typ != want.typ {
		return retryf("VMID %s is taken by %s %q on %s, which is not ours: list again", want.vmid, g.typ, g.name(), g.node)
	}
	if err := j.configure(ctx, g, r, every); err != nil {
		return err
	}
	j.c.note(r.Key, g.ref)
	j.c.dropIntent(want.vmid)
	return nil
}

var errNoGuest = errors.New("there is no such guest")

// settle reads a guest once nothing holds it any more. Locks that creation leaves
// for moments are waited for along with their task; any other is worth a retry.
func (j *job) settle(ctx context.Context, r ref, source string) (guest, error) {
	for tries := 0; ; {
		g, ok, err := j.c.find(ctx, r)
		if err != nil {
			return guest{}, err
		}
		if !ok {
			return guest{}, errNoGuest
		}
		lock := g.cfg["lock"]
		if lock == "" {
			return g, nil
		}
		if lock != "create" && lock != "clone" && lock != "disk" {
			return guest{}, retryf("%s is locked (%s)", g.ref, lock)
		}
		held, err := j.awaitHolder(ctx, g, source)
		if err != nil {
			return guest{}, err
		}
		// A lock outlives its task for a moment; one without any task is stuck.
		if !held {
			if tries++; tries > settleTries {
				return guest{}, stuck(g.ref, lock)
			}
			if err := sleep(ctx, pollPause(upid(g.vmid), tries)); err != nil {
				return guest{}, err
			}
		}
	}
}

// settleTries, at the pace of pollPause, make about three seconds.
const settleTries = 6

// awaitHolder waits for the task that works on the guest; false without one.
func (j *job) awaitHolder(ctx context.Context, g guest, source string) (bool, error) {
	ts, _, err := j.c.tasks(ctx)
	if err != nil {
		return false, err
	}
	u, ok := holder(ts, g.vmid, source)
	if !ok {
		return false, nil
	}
	j.say("waiting for task %s", u)
	if err := j.c.wait(ctx, u); err != nil && stateOf(err) == inventory.StateUnknown {
		return false, err
	}
	return true, nil
}

// stuck is what a lost worker leaves behind. Nothing that the API offers undoes it.
func stuck(r ref, lock string) error {
	tool := "pct"
	if r.typ == typeQEMU {
		tool = "qm"
	}
	return retryf("%s is locked (%s) and no task in sight holds it: if that stays so, run %q on node %s",
		r, lock, tool+" unlock "+r.vmid, r.node)
}

// ensureListed lists once where that was not done yet: templates and storages
// are known from there.
func (c *Cluster) ensureListed(ctx context.Context) error {
	if c.look().listed {
		return nil
	}
	_, err := c.List(ctx)
	return err
}
