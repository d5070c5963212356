package proxmox

import (
	"context"
	"errors"
	"maps"
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
	if err := j.c.ensureListed(ctx); err != nil {
		return err
	}
	if !j.c.free(want.vmid) || hinted {
		switch _, err := j.c.config(ctx, want); {
		case err == nil:
			return j.finish(ctx, r, want, hint.Source, nil)
		case !gone(err) && !forbidden(err):
			return err
		}
	}
	it, err := j.make(ctx, r, want)
	switch {
	case taken(err) || isLost(err):
		return j.finish(ctx, r, want, it.source, err)
	case err != nil:
		return err
	case it.cfg == nil:
		return j.finish(ctx, r, want, it.source, nil)
	}
	g := guest{ref: want, cfg: it.cfg}
	if err := j.configure(ctx, g, r, every); err != nil {
		return err
	}
	j.done(r, g.ref)
	j.c.noteBorn(g.vmid, born{owed: owedIn(g.cfg["description"]), started: it.started, runs: it.runs})
	return nil
}

// made is a guest whose task has ended.
type made struct {
	source  string    // VMID of the clone's source, under which the task goes
	about   about     // what is known of the task
	cfg     rawConfig // what its configuration is; nil if only a look can tell
	started bool      // it was to be started, too
	runs    bool      // the start was seen to end well
}

// plainName keeps what a declaration says from reaching into a path.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]*$`)

// make starts the creation and waits for its task. What PVE answers with OK is
// ours: it gives a VMID to one only.
func (j *job) make(ctx context.Context, r inventory.Resource, want ref) (made, error) {
	// The plan may be older than the listing.
	if reason := j.c.refuseCreation(j.c.look(), r); reason != "" {
		return made{}, failf("cannot create %s: %s", r.Key, reason)
	}
	if strings.HasPrefix(r.Attrs["create.base"], "ostemplate:") {
		return j.install(ctx, r, want, describe(r, "", j.c.newMark(r, want.vmid)))
	}
	if a, t, ok := j.c.restorable(r); ok {
		return j.restore(ctx, r, want, a, t)
	}
	description := describe(r, "", j.c.rawMark(r, want.vmid))
	plan, giveBack, err := j.borrow(ctx, r)
	if err != nil {
		return made{}, err
	}
	defer giveBack()
	if err := j.sameSource(ctx, plan.source); err != nil {
		return made{}, err
	}
	if err := j.freeSource(ctx, plan.source); err != nil {
		return made{}, err
	}
	j.say("cloning from %s", plan.source.vmid)
	it := made{source: plan.source.vmid, about: j.c.look().aboutClone(plan, r)}
	err = j.begin(ctx, r, want, &it, plan.source.path()+"/clone", cloneParams(r, want, plan, description))
	if err == nil {
		j.c.clonedFrom(plan.source)
	}
	it.cfg = cloned(plan.source, r, description)
	return it, err
}

// install makes a container from an OS template. The one request says all, so
// that nothing is left to configure.
func (j *job) install(ctx context.Context, r inventory.Resource, want ref, description string) (made, error) {
	image, err := j.c.image(ctx, r)
	if err != nil {
		return made{}, err
	}
	j.say("creating from %s", image)
	p := imageParams(r, want, image, description)
	it := made{cfg: rawConfig{}, started: j.c.startsAtOnce(r.Key), about: j.c.look().aboutInstall(r)}
	if it.started {
		p["start"] = "1"
	}
	for option, value := range p {
		if value != "" {
			it.cfg[option] = value
		}
	}
	if r.Attrs["storage"] == "" || r.Attrs["disk"] == "" {
		it.cfg = nil // where its disk is and how large, the server decided
	} else {
		it.cfg["rootfs"] = r.Attrs["storage"] + ":new,size=" + r.Attrs["disk"] + "G"
	}
	err = j.begin(ctx, r, want, &it, "/nodes/"+want.node+"/lxc", p)
	return it, err
}

// begin sends the POST that makes the guest, and waits for its task. The request
// carries the mark, so that from the first moment on at which the guest has a
// description it is known as ours.
func (j *job) begin(ctx context.Context, r inventory.Resource, want ref, it *made, path string, p params) error {
	leave, err := j.enter(ctx, *it)
	if err != nil {
		return err
	}
	defer leave()
	in := intent{Key: r.Key, VMID: want.vmid, Source: it.source}
	j.c.keepIntent(in)
	j.c.occupy(want.vmid)
	u, err := j.c.api.post(ctx, path, p)
	if err == nil {
		in.UPID = u
		j.c.keepIntent(in)
		j.c.pace.tell(u, it.about)
		me := &waiting{upid: u, guest: want, starts: it.started}
		err = j.c.await(ctx, me, u)
		it.runs = me.runs
	}
	if says(err, "got no worker upid") {
		j.c.lostWorker(in, want)
	}
	j.c.adaptTo(j.held(), it.about, err)
	return err
}

// cloned is the configuration of a clone that has just been made: its source's,
// with other disks and MAC addresses.
func cloned(source template, r inventory.Resource, description string) rawConfig {
	if source.cfg == nil {
		return nil
	}
	cfg := maps.Clone(source.cfg)
	for _, option := range []string{"lock", "digest", "template"} {
		delete(cfg, option)
	}
	for _, net := range netNames(cfg) {
		cfg[net] = withoutMAC(source.typ, cfg[net])
	}
	cfg["description"] = description
	name := "hostname"
	if source.typ == typeQEMU {
		name = "name"
	}
	if r.Attrs["name"] != "" {
		cfg[name] = r.Attrs["name"]
	}
	return cfg
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
	j.done(r, g.ref)
	return nil
}

// done books a guest that is as it should be.
func (j *job) done(r inventory.Resource, at ref) {
	j.c.note(r.Key, at)
	j.c.dropIntent(at.vmid)
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
			return guest{}, j.unlocked(ctx, g)
		}
		held, err := j.awaitHolder(ctx, g, source)
		if err != nil {
			return guest{}, err
		}
		// A lock outlives its task for a moment; one without any task is stuck.
		if !held {
			if j.c.look().stale[g.vmid] != "" {
				if err := j.unlocked(ctx, g); err != nil {
					return guest{}, err
				}
				continue
			}
			if tries++; tries > settleTries {
				return guest{}, retryf("%s", advise(g.ref, lock))
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

// ensureListed lists once where that was not done yet: templates and storages
// are known from there.
func (c *Cluster) ensureListed(ctx context.Context) error {
	if c.look().listed {
		return nil
	}
	_, err := c.List(ctx)
	return err
}
