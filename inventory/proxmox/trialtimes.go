package proxmox

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

const (
	// manyReads is how often a read is timed; the quickest counts, since nothing
	// makes a request quicker than it is. One that takes long is timed less often.
	manyReads    = 20
	enoughOnRead = 5 * time.Second
	// enoughOnTask is when long tasks have been timed often enough.
	enoughOnTask = 3 * time.Minute
	leastSamples = 3
)

// timeReads times requests while nothing is there yet; [trial.timeLists] goes on
// when there is more to list.
func (t *trial) timeReads(ctx context.Context) (string, error) {
	at := t.from.path()
	err := t.readAll(ctx, []reading{
		{&t.t.Reads, at + "/config"}, {&t.t.Reads, "/version"}, {&t.t.Reads, "/cluster/tasks"},
		{&t.t.WorkerReads, at + "/status/current"},
		{&t.t.TaskLists, "/nodes/" + t.from.node + "/tasks?limit=5"},
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, %s where a worker answers", slices.Min(t.t.Reads), slices.Min(t.t.WorkerReads)), nil
}

type reading struct {
	into *[]time.Duration
	path string
}

func (t *trial) readAll(ctx context.Context, readings []reading) error {
	for _, r := range readings {
		began := time.Now()
		for n := 0; n < manyReads && (n < leastSamples || time.Since(began) < enoughOnRead); n++ {
			sent := time.Now()
			var ignored rawAnswer
			if _, err := t.c.api.get(ctx, r.path, &ignored); err != nil {
				return err
			}
			*r.into = append(*r.into, time.Since(sent))
		}
	}
	return nil
}

// rawAnswer is one that nobody looks into.
type rawAnswer struct{}

func (*rawAnswer) UnmarshalJSON([]byte) error { return nil }

// lists times a listing of all guests and one of the storage's volumes.
func (t *trial) lists(ctx context.Context) (guests, volumes time.Duration, err error) {
	var g, v []time.Duration
	err = t.readAll(ctx, []reading{
		{&g, "/cluster/resources?type=vm"}, {&v, "/nodes/" + t.from.node + "/storage/" + t.from.storage + "/content"},
	})
	if err != nil {
		return 0, 0, err
	}
	return slices.Min(g), slices.Min(v), nil
}

// timeCreations leaves Count containers. By how much longer listings take with
// them tells what each costs.
func (t *trial) timeCreations(ctx context.Context) (string, error) {
	guests, volumes, err := t.lists(ctx)
	if err != nil {
		return "", err
	}
	all := t.numbers(0)
	if t.t.CreateMany, err = t.many(ctx, all, t.create); err != nil {
		return "", err
	}
	more, moreVolumes, err := t.lists(ctx)
	if err != nil {
		return "", err
	}
	t.t.PerGuest = max(0, more-guests) / time.Duration(t.Count)
	t.t.PerVolume = max(0, moreVolumes-volumes) / time.Duration(t.Count)
	for _, i := range all {
		if err := t.destroyTimed(ctx, t.ref(i)); err != nil {
			return "", err
		}
	}
	for _, i := range all {
		if err := t.alone(ctx, &t.t.Create, func() (upid, error) { return t.create(ctx, i) }); err != nil {
			return "", err
		}
	}
	return toldMany(t.t.Create, t.t.CreateMany), t.timeWrites(ctx)
}

func (t *trial) timeWrites(ctx context.Context) error {
	var reads []reading
	for i := range t.Count {
		reads = append(reads, reading{&t.t.Reads, t.ref(i).path() + "/config"}, reading{&t.t.WorkerReads, t.ref(i).path() + "/status/current"})
	}
	if err := t.readAll(ctx, reads); err != nil {
		return err
	}
	for n := range manyReads {
		sent := time.Now()
		if _, err := t.c.api.put(ctx, t.ref(n%t.Count).path()+"/config", params{"memory": strconv.Itoa(512 + n)}); err != nil {
			return err
		}
		t.t.Writes = append(t.t.Writes, time.Since(sent))
	}
	return nil
}

func (t *trial) start(ctx context.Context, i int) (upid, error) {
	return t.c.api.post(ctx, t.ref(i).path()+"/status/start", nil)
}

func (t *trial) stop(ctx context.Context, i int) (upid, error) {
	return t.c.api.post(ctx, t.ref(i).path()+"/status/stop", nil)
}

func (t *trial) timePower(ctx context.Context) (result string, err error) {
	all := t.numbers(0)
	for _, i := range all {
		if err := t.alone(ctx, &t.t.Start, func() (upid, error) { return t.start(ctx, i) }); err != nil {
			return "", err
		}
		if err := t.alone(ctx, &t.t.Stop, func() (upid, error) { return t.stop(ctx, i) }); err != nil {
			return "", err
		}
	}
	if t.t.StartMany, err = t.many(ctx, all, t.start); err != nil {
		return "", err
	}
	if t.t.StopMany, err = t.many(ctx, all, t.stop); err != nil {
		return "", err
	}
	return "starts " + toldMany(t.t.Start, t.t.StartMany) + "; stops " + toldMany(t.t.Stop, t.t.StopMany), nil
}

// timeClones clones each container at once, since a clone locks its source, and
// then one after another.
func (t *trial) timeClones(ctx context.Context) (result string, err error) {
	clone := func(ctx context.Context, i int) (upid, error) { return t.clone(ctx, t.ref(i-t.Count), i, "1") }
	all := t.numbers(t.Count)
	if t.t.CloneMany, err = t.many(ctx, all, clone); err != nil {
		return "", err
	}
	for _, i := range all {
		if err := t.destroyTimed(ctx, t.ref(i)); err != nil {
			return "", err
		}
	}
	for _, i := range all {
		if err := t.cloneTimed(ctx, &t.t.Clone, t.ref(i-t.Count), i, "1"); err != nil {
			return "", err
		}
	}
	return toldMany(t.t.Clone, t.t.CloneMany), nil
}

// timeCopies clones the template fully.
func (t *trial) timeCopies(ctx context.Context) (string, error) {
	err := t.repeat(&t.t.Copy, func() error { return t.cloneTimed(ctx, &t.t.Copy, t.from.ref, t.nth(t.t.Copy), "1") })
	return told(t.t.Copy), err
}

// timeLinked clones it linked, where the storage can.
func (t *trial) timeLinked(ctx context.Context) (string, error) {
	err := t.repeat(&t.t.Linked, func() error { return t.cloneTimed(ctx, &t.t.Linked, t.from.ref, t.nth(t.t.Linked), "0") })
	return told(t.t.Linked), withoutLinks(err, t.from.storage)
}

// withoutLinks is why linked clones are not timed where a storage has none.
func withoutLinks(err error, storage string) error {
	if says(err, "linked clone feature", "not available", "not supported") {
		return leftOut("storage " + storage + " has no linked clones")
	}
	return err
}

// repeat has something done until it was timed often enough.
func (t *trial) repeat(timed *[]time.Duration, do func() error) error {
	for began := time.Now(); len(*timed) < t.Count && (len(*timed) < leastSamples || time.Since(began) < enoughOnTask); {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// nth takes another of the copies' numbers each time.
func (t *trial) nth(timed []time.Duration) int { return t.Count + len(timed)%t.Count }

// cloneTimed times a clone, and the deletion of it.
func (t *trial) cloneTimed(ctx context.Context, into *[]time.Duration, source ref, i int, full string) error {
	if err := t.alone(ctx, into, func() (upid, error) { return t.clone(ctx, source, i, full) }); err != nil {
		return err
	}
	return t.destroyTimed(ctx, ref{vmid: t.vmid(i), typ: source.typ, node: source.node})
}

// numbers are Count of the range, from the first on.
func (t *trial) numbers(first int) []int {
	list := make([]int, t.Count)
	for i := range list {
		list[i] = first + i
	}
	return list
}

func (t *trial) destroyTimed(ctx context.Context, r ref) error {
	return t.alone(ctx, &t.t.Destroy, func() (upid, error) { return t.destroy(ctx, r) })
}
