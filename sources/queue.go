package sources

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/provost-dev/provost/reconciler"
)

const (
	firstPause = time.Second
	longPause  = 2 * time.Minute
	writeLimit = 30 * time.Second // for one status
	maxWritten = 10_000           // statuses remembered as written
	askAgain   = 10 * time.Minute // after a refusal: the token may have been renewed
)

// queue writes statuses one after another, in the order in which they came:
// forges lock a commit while a status is written to it, and a forge that is
// down is asked by one caller instead of a hundred. A status that cannot be
// written goes to the end, so that it holds up nobody but by the pause.
type queue struct {
	write func(ctx context.Context, commit, branch string, s reconciler.Status) error
	log   *slog.Logger
	wake  chan struct{} // one token: something changed
	done  chan struct{} // closed when the writer has ended
	stop  context.CancelFunc

	mu      sync.Mutex
	order   []statusKey
	waiting map[statusKey]job // the keys of order
	written map[statusKey]verdict
	closing bool
	shelf   reconciler.Shelf   // what waits is kept there, too; nil for nowhere
	early   map[statusKey]bool // what was put before there was a shelf: newer than what is on it
}

// verdict is how a try ended: the status stands, or was refused for good.
type verdict struct {
	status  reconciler.Status
	expires time.Time // of a refusal; zero for what stands
}

type statusKey struct{ commit, context string }

type job struct {
	branch string
	status reconciler.Status
	at     time.Time // when it came
}

func newQueue(write func(context.Context, string, string, reconciler.Status) error, log *slog.Logger) *queue {
	ctx, cancel := context.WithCancel(context.Background())
	q := &queue{
		write:   write,
		log:     log,
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
		stop:    cancel,
		waiting: map[statusKey]job{},
		written: map[statusKey]verdict{},
		early:   map[statusKey]bool{},
	}
	go q.run(ctx)
	return q
}

func (q *queue) put(commit, branch string, s reconciler.Status) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closing {
		return errors.New("cannot set a status: provost is stopping")
	}
	key := statusKey{commit, s.Context}
	if q.shelf == nil {
		q.early[key] = true
	}
	if _, ok := q.waiting[key]; !ok {
		if q.over(key, s) {
			return nil
		}
		q.order = append(q.order, key)
	}
	q.waiting[key] = job{branch, s, time.Now()}
	q.shelve(key, q.waiting[key])
	q.signal()
	return nil
}

// over reports whether a status needs no writing.
func (q *queue) over(key statusKey, s reconciler.Status) bool {
	v, ok := q.written[key]
	return ok && v.status == s && (v.expires.IsZero() || time.Now().Before(v.expires))
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.order)
}

// signal wakes the writer up, now or when it next looks.
func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// run is the writer. It ends when ctx does, or after close with nothing left.
func (q *queue) run(ctx context.Context) {
	defer close(q.done)
	pause := firstPause
	for ctx.Err() == nil {
		key, j, ok := q.next()
		if !ok {
			if q.isClosing() {
				return
			}
			select {
			case <-q.wake:
			case <-ctx.Done():
			}
			continue
		}
		if q.try(ctx, key, j) {
			pause = firstPause
			continue
		}
		q.rest(ctx, pause)
		pause = min(2*pause, longPause)
	}
}

// rest waits for a while, with jitter, and cut short by close.
func (q *queue) rest(ctx context.Context, pause time.Duration) {
	if q.isClosing() {
		pause = firstPause
	}
	timer := time.NewTimer(pause/2 + rand.N(pause/2))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		case <-q.wake:
			if q.isClosing() {
				return
			}
		}
	}
}

// next takes the first job that is not written already.
func (q *queue) next() (statusKey, job, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.order) > 0 {
		key := q.order[0]
		j := q.waiting[key]
		q.order = q.order[1:]
		delete(q.waiting, key)
		if !q.over(key, j.status) {
			delete(q.written, key) // until the end of the try nobody knows what stands
			return key, j, true
		}
		q.unshelve(key)
	}
	return statusKey{}, job{}, false
}

// try writes one status. It reports whether the job is over, be it because
// trying again would not help; then passes that say the same ask again later.
func (q *queue) try(ctx context.Context, key statusKey, j job) bool {
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	err := q.write(ctx, key.commit, j.branch, j.status)
	cancel()
	var lasting permanent
	if err != nil && !errors.As(err, &lasting) {
		q.log.Warn("a status cannot be written; trying again", "commit", key.commit, "context", key.context, "error", err)
		q.putBack(key, j)
		return false
	}
	v := verdict{status: j.status}
	if err != nil {
		q.log.Error("a status cannot be written", "commit", key.commit, "context", key.context, "error", err)
		v.expires = time.Now().Add(askAgain)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.written) >= maxWritten {
		clear(q.written)
		clear(q.early)
	}
	q.written[key] = v
	q.unshelve(key)
	return true
}

// putBack puts a job at the end, unless a newer one came meanwhile.
func (q *queue) putBack(key statusKey, j job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, newer := q.waiting[key]; newer {
		return
	}
	q.order = append(q.order, key)
	q.waiting[key] = j
}

func (q *queue) isClosing() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closing
}

func (q *queue) close(ctx context.Context) error {
	q.mu.Lock()
	q.closing = true
	q.mu.Unlock()
	q.signal()
	select {
	case <-q.done:
	case <-ctx.Done():
	}
	q.stop()
	<-q.done
	if n := q.len(); n > 0 {
		return fmt.Errorf("%d statuses were not written", n)
	}
	return nil
}
