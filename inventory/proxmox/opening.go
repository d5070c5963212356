package proxmox

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// openings let what would begin at one moment begin little by little.
//
// Creations that begin together stay together: they work on their nodes side by
// side, then share a storage equally, and come to the end side by side. So while
// they work the storage waits, and once more when they have ended and the next
// work; and the first of them ends no sooner than the last. Of those that begin
// little by little some work while others copy, and as each is followed by another
// when it ends, that stays so.
//
// The first are enough to keep a node or a storage busy, as far as one can know
// beforehand. With each step one more may run. How many may in the end, the widths
// say.
type openings struct {
	mu  sync.Mutex
	now map[string]*opening
}

// opening is what some are to enter one after another: a storage that disks are
// written to, or a template.
type opening struct {
	opens  opens
	since  time.Time // when the first of those inside entered
	inside int
	queue  []*entrant
	timer  *time.Timer // for the next step; nil when nobody waits
}

// opens is how quickly an opening opens.
type opens struct {
	first int           // may be inside from the beginning
	step  time.Duration // after which one more may be
}

const (
	// mostFirst keep busy what was seen: five streams fill a storage, and eight tasks
	// do nearly as much on two cores as any number.
	mostFirst = 8
	// firstShare of all that may run at once: what a few carry, fewer keep busy.
	firstShare = 4
	// opensWithin this many times what one is thought to take alone, an opening is as
	// wide as it gets. Side by side tasks take some times as long as alone; so the last
	// begin when the first end.
	opensWithin = 4
)

// opensTo is how an opening becomes so wide for what takes so long alone.
func opensTo(width int, alone time.Duration) opens {
	width = max(1, width)
	first := min(width, mostFirst, max(leastMachines, width/firstShare))
	return opens{first: first, step: opensWithin * alone / time.Duration(width)}
}

// room is how many may be inside.
func (o *opening) room(now time.Time) int {
	if o.inside == 0 {
		return o.opens.first // it has closed meanwhile
	}
	return o.opens.first + int(now.Sub(o.since)/o.opens.step)
}

// entrant waits to be let in. Of those who ask at one moment the lowest rank enters
// first, and then the lowest key.
type entrant struct {
	rank int
	key  inventory.Key
	in   chan struct{} // closed when it is let in
}

// enter waits until one more may be inside, and gives the way out.
func (o *openings) enter(ctx context.Context, name string, opens opens, me *entrant) (leave func(), err error) {
	me.in = make(chan struct{})
	it := o.queue(name, opens, me)
	select {
	case <-me.in:
		return func() { o.leave(it) }, nil
	case <-ctx.Done():
		if !o.giveUp(it, me) {
			o.leave(it)
		}
		return nil, ctx.Err()
	}
}

func (o *openings) queue(name string, opens opens, me *entrant) *opening {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.now == nil {
		o.now = map[string]*opening{}
	}
	it := o.now[name]
	if it == nil {
		it = &opening{}
		o.now[name] = it
	}
	it.opens = opens
	it.queue = append(it.queue, me)
	time.AfterFunc(moment, func() { o.admit(it) })
	return it
}

// giveUp is for who waits no longer; false when it was let in meanwhile.
func (o *openings) giveUp(it *opening, me *entrant) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := slices.Index(it.queue, me)
	if at >= 0 {
		it.queue = slices.Delete(it.queue, at, at+1)
	}
	return at >= 0
}

func (o *openings) leave(it *opening) {
	o.mu.Lock()
	defer o.mu.Unlock()
	it.inside--
	time.AfterFunc(moment, func() { o.admit(it) })
}

// admit lets in as many as there is room for, and comes back with the next step if
// more wait.
func (o *openings) admit(it *opening) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if it.timer != nil {
		it.timer.Stop()
		it.timer = nil
	}
	now := time.Now()
	slices.SortFunc(it.queue, func(a, b *entrant) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.key, b.key))
	})
	for len(it.queue) > 0 && it.inside < it.room(now) {
		if it.inside == 0 {
			it.since = now
		}
		it.inside++
		close(it.queue[0].in)
		it.queue = it.queue[1:]
	}
	if len(it.queue) > 0 {
		next := it.opens.step - now.Sub(it.since)%it.opens.step
		it.timer = time.AfterFunc(next, func() { o.admit(it) })
	}
}

// enter waits until a creation may begin beside others that write to its storage or
// clone its machine. Clones of a container take turns at their sources as it is.
func (j *job) enter(ctx context.Context, it made) (leave func(), err error) {
	name, claim, me := "", "", &entrant{key: j.change.Key}
	switch machine := strings.HasPrefix(it.about.subject, "qmclone"); {
	case strings.HasPrefix(it.about.subject, "vzclone"):
	case it.about.storage != "":
		name, claim = "storage "+it.about.storage, "/storage/"+j.change.After.Attrs["storage"]
	case machine:
		name, claim = "template "+it.source, "/template/"+it.source
		if t, ok := j.c.look().template(it.source); ok && t.node == j.change.After.Attrs["node"] {
			me.rank = 1 // starting there, it will slow those that are cloned yet
		}
	}
	if name == "" {
		return func() {}, nil
	}
	said := time.AfterFunc(100*moment, func() { j.say("waiting for its turn: of many that begin, not all do at once") })
	defer said.Stop()
	return j.c.openings.enter(ctx, name, opensTo(j.c.limit(j.c.name+claim), guessFor(it.about)), me)
}
