package pvesim

import (
	"cmp"
	"errors"
	"hash/fnv"
	"math"
	"time"
)

// work is what a task has to do, in this order.
type work struct {
	busy  time.Duration // on its node, shared with what else works there
	bytes float64       // through a storage
	store *storage
	limit float64       // bytes a second that the request allows; 0: any
	own   float64       // bytes a second that such work does alone; 0: as one copy
	idle  time.Duration // waiting
}

// busy is work on the node alone.
func busy(d time.Duration) work { return work{busy: d} }

// through adds bytes that go through a storage, unless they take no time.
func (w work) through(costs *Costs, s *storage, bytes, limit float64) work {
	if s == nil || bytes == 0 {
		return w
	}
	is := costs.of(s)
	alone := cmp.Or(w.own, is.Stream)
	if is.Throughput == 0 || math.IsInf(is.Throughput, 1) && alone == 0 && limit == 0 {
		return w
	}
	if w.own > 0 && (limit == 0 || limit > w.own) {
		limit = w.own
	}
	w.bytes, w.store, w.limit = w.bytes+bytes, s, limit
	return w
}

func (w work) none() bool { return w.busy <= 0 && w.idle <= 0 && w.bytes == 0 }

// of returns how quickly a storage works.
func (c *Costs) of(s *storage) Storage {
	if s.shared {
		return c.Shared
	}
	return c.Local
}

func (c *Costs) cores() int { return cmp.Or(c.Cores, nodeCores) }

func (c *Costs) speed() float64 {
	if c.Speed == 0 {
		return 1
	}
	return c.Speed
}

// real is how long d takes on the clock.
func (c *Costs) real(d time.Duration) time.Duration {
	if c.Speed == 0 {
		return d
	}
	return time.Duration(float64(d) / c.Speed)
}

// errAborted says that a DELETE of the task stopped its work.
var errAborted = errors.New("aborted")

// toil does a task's work on a node. It is called without the cluster's lock.
// When the cluster closes it returns nil at once.
func (c *Cluster) toil(t *task, n *node, key string, w work) error {
	factor := c.jitter(key)
	if w.busy > 0 {
		if err := c.flow(t, c.nodeStation(n), flow{left: w.busy.Seconds() * factor}); err != nil {
			return err
		}
	}
	if w.bytes > 0 {
		if err := c.flow(t, c.storageStation(w.store, n), flow{left: w.bytes * factor, limit: w.limit, own: w.own > 0}); err != nil {
			return err
		}
	}
	return c.idle(t, time.Duration(float64(w.idle)*factor)+c.put(key))
}

func (c *Cluster) nodeStation(n *node) *station {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.station("node "+n.name, shareWork)
}

func (c *Cluster) storageStation(s *storage, n *node) *station {
	name := "storage " + s.name
	if !s.shared {
		name += " of " + n.name
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.station(name, func(costs *Costs, flows []*flow) {
		limit := costs.of(s).Stream
		for _, f := range flows {
			if limit > 0 && !f.own && (f.limit == 0 || f.limit > limit) {
				f.limit = limit
			}
		}
		shareBytes(costs.of(s).Throughput, flows)
	})
}

// flow goes through a station.
func (c *Cluster) flow(t *task, s *station, wanted flow) error {
	c.mu.Lock()
	f := s.join(wanted)
	c.mu.Unlock()
	err := error(nil)
	select {
	case <-f.done:
		return nil
	case <-t.cancel:
		err = errAborted
	case <-c.ctx.Done():
	}
	c.mu.Lock()
	s.leave(f)
	c.mu.Unlock()
	return err
}

func (c *Cluster) idle(t *task, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	costs := c.costsNow()
	timer := time.NewTimer(costs.real(d))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.cancel:
		return errAborted
	case <-c.ctx.Done():
	}
	return nil
}

// draw returns a number from 0 to 1 that depends on the key and the seed alone,
// not on what happened before.
func (c *Cluster) draw(key string) float64 {
	h := fnv.New64a()
	h.Write([]byte(key))
	x := h.Sum64() ^ (c.opts.Seed+1)*0x9e3779b97f4a7c15
	// The finalizer of SplitMix64: FNV alone changes little with the last byte.
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64((x^x>>31)>>11) / (1 << 53)
}

func (c *Cluster) jitter(key string) float64 {
	return 1 + c.costsNow().Jitter*(2*c.draw(key)-1)
}

// put is how long something of that key is put off so that what falls on one
// instant is served in one order.
func (c *Cluster) put(key string) time.Duration {
	return time.Duration(math.Round(c.draw("order "+key) * float64(c.costsNow().Spread)))
}
