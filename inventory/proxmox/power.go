package proxmox

import (
	"context"
	"strconv"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// power makes of a guest's power what the change is about: it starts or stops the
// guest, or makes the mark forget a first start that was made.
func (j *job) power(ctx context.Context) error {
	if startsGuest(j.change) {
		return j.startOne(ctx)
	}
	g, m, err := j.powered(ctx)
	if err != nil {
		return err
	}
	if g.vmid == "" {
		return retryf("%s is not there: list again", j.guestKeys()[0])
	}
	if j.concerns("state") {
		if err := j.stop(ctx, g.ref); err != nil {
			return err
		}
	}
	if j.change.After.Attrs["boot"] == bootDone && m.Extra[markBoot] != "" {
		return j.forgetFirstStart(ctx, g, m)
	}
	return nil
}

// powerOff stops a guest that is about to be deleted.
func (j *job) powerOff(ctx context.Context) error {
	g, _, err := j.powered(ctx)
	if err != nil || g.vmid == "" {
		return err
	}
	return j.stop(ctx, g.ref)
}

// powered finds the guest of a power resource, which names neither VMID nor
// node. The view knows it from the last listing, or because it was made since; a
// process that has not listed yet does so. No VMID means no guest.
func (j *job) powered(ctx context.Context) (guest, inventory.Mark, error) {
	keys := j.guestKeys()
	at, ok := j.known(keys)
	if !ok {
		if _, err := j.c.List(ctx); err != nil {
			return guest{}, inventory.Mark{}, err
		}
		if at, ok = j.known(keys); !ok {
			return guest{}, inventory.Mark{}, nil
		}
	}
	g, ok, err := j.c.find(ctx, at)
	if err != nil || !ok {
		return guest{}, inventory.Mark{}, err
	}
	m, err := j.c.ownedAs(g, keys...)
	return g, m, err
}

// guestKeys are the keys under which the guest may be live: it may have been
// renamed in this very pass.
func (j *job) guestKeys() []inventory.Key {
	keys := []inventory.Key{j.c.key(inventory.KindGuest, j.change.Key.Name())}
	if b := j.change.Before; b != nil && b.Key != j.change.Key {
		keys = append(keys, j.c.key(inventory.KindGuest, b.Key.Name()))
	}
	return keys
}

func (j *job) known(keys []inventory.Key) (ref, bool) {
	guests := j.c.look().guests
	for _, key := range keys {
		if r, ok := guests[key]; ok {
			return r, true
		}
	}
	return ref{}, false
}

// stop shuts a guest down, and switches it off when it takes too long.
func (j *job) stop(ctx context.Context, r ref) error {
	running, err := j.c.running(ctx, r)
	if gone(err) || err == nil && !running {
		return nil
	}
	if err != nil {
		return err
	}
	timeout := strconv.Itoa(int(j.c.cfg.StopTimeout.Seconds()))
	j.say("shutting down %s on %s", r, r.node)
	var asked upid
	err = j.run(ctx, "shutting down", func() (u upid, err error) {
		asked, err = j.c.api.post(ctx, r.path()+"/status/shutdown", params{"timeout": timeout, "forceStop": "1"})
		return asked, err
	})
	if err == nil && asked.kind() == "hastop" {
		return j.awaitHA(ctx, r)
	}
	if err == nil || ctx.Err() != nil || says(err, "not running", "is locked") {
		return notRunningIsStopped(err)
	}
	j.say("stopping %s on %s, which did not shut down: %v", r, r.node, err)
	err = j.run(ctx, "stopping", func() (upid, error) { return j.c.api.post(ctx, r.path()+"/status/stop", nil) })
	return j.orAlready(ctx, r, false, notRunningIsStopped(err))
}

// haPatience is for what the HA manager may take besides: it looks about every ten
// seconds, and so does the node.
const haPatience = time.Minute

// awaitHA waits until the HA manager has stopped a guest: the task that it was asked
// by ends before it has begun.
func (j *job) awaitHA(ctx context.Context, r ref) error {
	j.say("waiting for the HA manager to stop %s", r)
	limit := j.c.cfg.StopTimeout + haPatience
	for tries, began := 0, time.Now(); time.Since(began) < limit; tries++ {
		if err := sleep(ctx, pollPause(upid(r.vmid), tries)); err != nil {
			return err
		}
		if running, err := j.c.running(ctx, r); gone(err) || err == nil && !running {
			return nil
		}
	}
	return retryf("%s still runs: the HA manager was asked to stop it", r)
}

func notRunningIsStopped(err error) error {
	if says(err, "not running") {
		return nil
	}
	return err
}

// orAlready forgives an error when the guest is as it should be all the same: an
// answer was lost, or somebody else was faster.
func (j *job) orAlready(ctx context.Context, r ref, running bool, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if now, lookErr := j.c.running(ctx, r); lookErr == nil && now == running {
		return nil
	}
	return err
}

// forgetFirstStart makes the mark say no more that the guest is owed its first
// start. Starting and stopping write the configuration too, so a conflict is tried
// again here.
func (j *job) forgetFirstStart(ctx context.Context, g guest, m inventory.Mark) error {
	for tries := 1; ; tries++ {
		delete(m.Extra, markBoot)
		err := j.put(ctx, g, params{"description": inventory.WithMark(g.cfg["description"], m)}, nil)
		if tries == 3 || !says(err, "detected modified", "checksum mismatch") {
			return err
		}
		if g, m, err = j.powered(ctx); err != nil || g.vmid == "" || m.Extra[markBoot] == "" {
			return err
		}
	}
}
