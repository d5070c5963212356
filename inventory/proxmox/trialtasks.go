package proxmox

import (
	"context"
	"slices"
	"sync"
	"time"
)

// long is what a task takes that a person who waits is told of.
const long = 15 * time.Second

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
	if err == nil && took[0] >= long {
		t.Say("    one took %s", took[0].Round(time.Second))
	}
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

// follow waits until all tasks have ended and says what each took.
func (t *trial) follow(ctx context.Context, tasks []follower) ([]time.Duration, error) {
	c := t.chase()
	c.add(tasks...)
	for c.open > 0 {
		if err := c.look(ctx); err != nil {
			return nil, err
		}
	}
	return c.took, nil
}

// chase asks for each of some tasks in turn until it has ended, more often than
// anybody should who does not measure. A task's end is taken to be half way between
// the last answer that did not know it and the one that did.
type chase struct {
	c     *Cluster
	began time.Time
	tasks []follower
	last  []time.Time // when each was last seen at work
	took  []time.Duration
	open  int
}

func (t *trial) chase() *chase { return &chase{c: t.c, began: time.Now()} }

func (c *chase) add(tasks ...follower) {
	for _, task := range tasks {
		c.tasks, c.last, c.took = append(c.tasks, task), append(c.last, task.at), append(c.took, 0)
		c.open++
	}
}

// closely is the part of its time by which a task is seen late.
const closely = 50

// look asks for each that is open, and pauses.
func (c *chase) look(ctx context.Context) error {
	for i, task := range c.tasks {
		if c.took[i] > 0 {
			continue
		}
		exit, done, err := c.c.poll(ctx, task.upid)
		now := time.Now()
		switch {
		case err != nil:
			return err
		case !done:
			c.last[i] = now
		case !endedWell(exit):
			return &taskError{upid: task.upid, exit: exit, log: c.c.taskLog(ctx, task.upid)}
		default:
			c.took[i] = max(c.last[i].Add(now.Sub(c.last[i])/2).Sub(task.at), 1)
			c.open--
		}
	}
	return sleep(ctx, min(max(time.Since(c.began)/closely, 2*time.Millisecond), time.Second))
}
