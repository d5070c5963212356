package proxmox

import (
	"context"
	"slices"
	"strconv"
	"sync"
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
func (t *trial) timeReads(ctx context.Context) error {
	at := t.from.path()
	return t.readAll(ctx, []reading{
		{&t.t.Reads, at + "/config"}, {&t.t.Reads, "/version"}, {&t.t.Reads, "/cluster/tasks"},
		{&t.t.WorkerReads, at + "/status/current"},
		{&t.t.TaskLists, "/nodes/" + t.from.node + "/tasks?limit=5"},
	})
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
func (t *trial) timeCreations(ctx context.Context) (err error) {
	guests, volumes, err := t.lists(ctx)
	if err != nil {
		return err
	}
	all := t.numbers(0)
	if t.t.CreateMany, err = t.many(ctx, all, t.create); err != nil {
		return err
	}
	more, moreVolumes, err := t.lists(ctx)
	if err != nil {
		return err
	}
	t.t.PerGuest = max(0, more-guests) / time.Duration(t.Count)
	t.t.PerVolume = max(0, moreVolumes-volumes) / time.Duration(t.Count)
	for _, i := range all {
		if err := t.destroyTimed(ctx, i); err != nil {
			return err
		}
	}
	for _, i := range all {
		if err := t.alone(ctx, &t.t.Create, func() (upid, error) { return t.create(ctx, i) }); err != nil {
			return err
		}
	}
	return t.timeWrites(ctx)
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

func (t *trial) timePower(ctx context.Context) (err error) {
	power := func(what string) func(context.Context, int) (upid, error) {
		return func(ctx context.Context, i int) (upid, error) {
			return t.c.api.post(ctx, t.ref(i).path()+"/status/"+what, nil)
		}
	}
	start, stop := power("start"), power("stop")
	all := t.numbers(0)
	for _, i := range all {
		if err := t.alone(ctx, &t.t.Start, func() (upid, error) { return start(ctx, i) }); err != nil {
			return err
		}
		if err := t.alone(ctx, &t.t.Stop, func() (upid, error) { return stop(ctx, i) }); err != nil {
			return err
		}
	}
	if t.t.StartMany, err = t.many(ctx, all, start); err != nil {
		return err
	}
	t.t.StopMany, err = t.many(ctx, all, stop)
	return err
}

// timeClones clones each container at once, since a clone locks its source, and
// then one after another.
func (t *trial) timeClones(ctx context.Context) (err error) {
	clone := func(ctx context.Context, i int) (upid, error) { return t.clone(ctx, t.ref(i-t.Count), i, "1") }
	all := t.numbers(t.Count)
	if t.t.CloneMany, err = t.many(ctx, all, clone); err != nil {
		return err
	}
	for _, i := range all {
		if err := t.destroyTimed(ctx, i); err != nil {
			return err
		}
	}
	for _, i := range all {
		if err := t.alone(ctx, &t.t.Clone, func() (upid, error) { return clone(ctx, i) }); err != nil {
			return err
		}
		if err := t.destroyTimed(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// timeCopies clones the template, fully and linked.
func (t *trial) timeCopies(ctx context.Context) error {
	for _, how := range []struct {
		into *[]time.Duration
		full string
	}{{&t.t.Copy, "1"}, {&t.t.Linked, "0"}} {
		began := time.Now()
		for _, i := range t.numbers(t.Count) {
			if len(*how.into) >= leastSamples && time.Since(began) > enoughOnTask {
				break
			}
			err := t.alone(ctx, how.into, func() (upid, error) { return t.clone(ctx, t.from.ref, i, how.full) })
			if how.full == "0" && says(err, "linked clone feature", "not available", "not supported") {
				t.Say("storage %s has no linked clones", t.from.storage)
				break
			}
			if err != nil {
				return err
			}
			if err := t.destroyTimed(ctx, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// numbers are Count of the range, from the first on.
func (t *trial) numbers(first int) []int {
	list := make([]int, t.Count)
	for i := range list {
		list[i] = first + i
	}
	return list
}

func (t *trial) destroyTimed(ctx context.Context, i int) error {
	return t.alone(ctx, &t.t.Destroy, func() (upid, error) { return t.destroy(ctx, i) })
}

// alone times one task with nothing beside it.
func (t *trial) alone(ctx context.Context, into *[]time.Duration, post func() (upid, error)) error {
	sent := time.Now()
	u, err := post()
	if err != nil {
		return err
	}
	t.t.Posts = append(t.t.Posts, time.Since(sent))
	took, err := t.follow(ctx, []follower{{u, time.Now()}})
	*into = append(*into, took...)
	return err
}

// many times tasks that are begun at once.
func (t *trial) many(ctx context.Context, numbers []int, post func(context.Context, int) (upid, error)) (b Batch, err error) {
	tasks := make([]follower, len(numbers))
	errs := make([]error, len(numbers))
	var wg sync.WaitGroup
	for n, i := range numbers {
		wg.Go(func() {
			tasks[n].upid, errs[n] = post(ctx, i)
			tasks[n].at = time.Now()
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return b, err
		}
	}
	first := slices.MinFunc(tasks, func(x, y follower) int { return x.at.Compare(y.at) })
	for _, task := range tasks {
		b.Began = append(b.Began, task.at.Sub(first.at))
	}
	b.Took, err = t.follow(ctx, tasks)
	return b, err
}

// follower is a task and when it was known to have begun.
type follower struct {
	upid upid
	at   time.Time
}

// follow asks for each task in turn until it has ended, more often than anybody
// should who does not measure. A task's end is taken to be half way between the
// last answer that did not know it and the one that did.
func (t *trial) follow(ctx context.Context, tasks []follower) ([]time.Duration, error) {
	took := make([]time.Duration, len(tasks))
	last := make([]time.Time, len(tasks))
	for i, task := range tasks {
		last[i] = task.at
	}
	for open, began := len(tasks), time.Now(); open > 0; {
		for i, task := range tasks {
			if took[i] > 0 {
				continue
			}
			exit, done, err := t.c.poll(ctx, task.upid)
			now := time.Now()
			switch {
			case err != nil:
				return nil, err
			case !done:
				last[i] = now
			case !endedWell(exit):
				return nil, &taskError{upid: task.upid, exit: exit}
			default:
				took[i] = max(last[i].Add(now.Sub(last[i])/2).Sub(task.at), 1)
				open--
			}
		}
		if err := sleep(ctx, min(max(time.Since(began)/100, 2*time.Millisecond), time.Second)); err != nil {
			return nil, err
		}
	}
	return took, nil
}
