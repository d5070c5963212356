package proxmox

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// loans are the sources that are being cloned. A container is lent to one clone
// at a time, since PVE locks it; a machine that is stopped to any number.
//
// Who asks at one moment is served in one order, whichever goroutine came first:
// copies, since they serve others; linked clones, since the original alone can
// serve them; then by key. Where linked clones take longer than all the rest, they
// come before the copies.
type loans struct {
	mu    sync.Mutex
	users map[string]int // by VMID
	queue []*borrower
	demand
	copying map[string]int       // copies under way, by the original's VMID
	streams map[string]int       // full clones of containers under way, copies too, by the storage
	latest  map[string]time.Time // when the last of these began
	back    map[string]time.Time // when a source came back, by VMID
	next    *time.Timer          // for who is held back
}

// demand is what was planned to be cloned and has not begun, by the original's VMID.
type demand struct {
	linked, full, copies map[string]int
	storage              map[string]string // that the copies go to
	linkedFirst          map[string]bool
	kinds                map[string]kind // of the full clones
}

// kind is what full clones of one original have in common.
type kind struct {
	of     template
	like   inventory.Resource // one of them
	names  string             // of the sources, see sourceNames
	to     string             // storage
	beside float64            // for each of them, what else is to be written there
}

// borrower is a clone that waits for a source.
type borrower struct {
	key inventory.Key
	how int
	// original is the VMID of the template.
	original string
	node     string
	sources  func() []template // that it can be cloned from now
	to       string            // storage that a container's disk is copied to, or ""
	// around gives the speed of such clones, and how much else copies to where they do.
	around func() (speed, int)
	lent   chan template // has room for one
}

// How a borrower clones, in the order of service.
const (
	byCopying = iota
	byLinking
	byCloning
)

// moment is how long the decision is put off, so that who asks at one moment is
// in the queue by then.
const moment = time.Millisecond

// courtesy is how long an original that came back is kept for copies of it which
// that lets begin. Linked clones can have it later, when there are other sources.
const courtesy = 20 * time.Millisecond

// plan takes up what is going to be cloned.
func (l *loans) plan(d demand) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.demand = d
}

// left is how many clones of an original have not begun, and how many copies of
// it are under way.
func (l *loans) left(original string) (clones, copies int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.full[original], l.copying[original]
}

// copiesTo is the storage that copies of an original go to.
func (l *loans) copiesTo(original string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.storage[original]
}

// waiting is how many clones and copies of an original have not begun, and whether
// full clones of it were planned at all.
func (l *loans) waiting(original string) (n int, planned bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, planned = l.kinds[original]
	return l.full[original] + l.copies[original], planned
}

// kindsTo are the full clones of containers to a storage that have not begun, or
// are still to have copies made for them.
func (l *loans) kindsTo(storage string) (kinds []kind) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for original, k := range l.kinds {
		if k.to == storage && l.full[original]+l.copies[original]+l.copying[original] > 0 {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// reserves reports whether the original is kept for linked clones.
func (l *loans) reserves(original string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reservesLocked(original)
}

func (l *loans) reservesLocked(original string) bool {
	return l.linked[original] > 0 && (l.linkedFirst[original] || l.copies[original] == 0)
}

func (l *loans) ask(b *borrower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, b)
	time.AfterFunc(moment, l.deal)
}

// deal gives the sources that are free to those who wait.
func (l *loans) deal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.SortFunc(l.queue, func(a, b *borrower) int { return cmp.Or(l.rankLocked(a)-l.rankLocked(b), cmp.Compare(a.key, b.key)) })
	var next time.Time
	l.queue = slices.DeleteFunc(l.queue, func(b *borrower) bool {
		t, ok := l.bestLocked(b)
		if !ok {
			return false
		}
		if at := l.turnLocked(t, b); at.After(time.Now()) {
			if next.IsZero() || at.Before(next) {
				next = at
			}
			return false
		}
		l.lendLocked(t, b)
		b.lent <- t
		return true
	})
	if l.next != nil {
		l.next.Stop()
	}
	if !next.IsZero() {
		l.next = time.AfterFunc(time.Until(next), l.deal)
	}
}

// turnLocked is when a source that is free may be lent.
func (l *loans) turnLocked(t template, b *borrower) time.Time {
	switch {
	case b.how == byLinking && l.copies[b.original] > 0 && !l.linkedFirst[b.original]:
		return l.back[t.vmid].Add(courtesy)
	case b.how == byCloning && b.to != "":
		speed, others := b.around()
		f := flow{speed: speed, sources: len(b.sources()), waiting: l.full[b.original], copying: l.streams[b.to] + others}
		return l.latest[b.to].Add(f.pause())
	}
	return time.Time{}
}

func (l *loans) rankLocked(b *borrower) int {
	if b.how == byLinking && l.linkedFirst[b.original] {
		return -1
	}
	return b.how
}

// bestLocked is the best source that is free: no original that linked clones wait
// for, then on the node, then the least used, then by VMID.
func (l *loans) bestLocked(b *borrower) (best template, ok bool) {
	var free []template
	for _, t := range b.sources() {
		if t.typ == typeQEMU || l.users[t.vmid] == 0 {
			free = append(free, t)
		}
	}
	if len(free) == 0 {
		return template{}, false
	}
	needed := func(t template) int {
		if b.how != byLinking && l.reservesLocked(t.vmid) {
			return 1
		}
		return 0
	}
	elsewhere := func(t template) int {
		if t.node == b.node {
			return 0
		}
		return 1
	}
	return slices.MinFunc(free, func(x, y template) int {
		return cmp.Or(needed(x)-needed(y), elsewhere(x)-elsewhere(y), l.users[x.vmid]-l.users[y.vmid], number(x.vmid)-number(y.vmid))
	}), true
}

func (l *loans) lendLocked(t template, b *borrower) {
	if l.users == nil {
		l.users, l.copying, l.streams = map[string]int{}, map[string]int{}, map[string]int{}
		l.latest, l.back = map[string]time.Time{}, map[string]time.Time{}
	}
	if l.copies == nil {
		l.copies = map[string]int{}
	}
	l.users[t.vmid]++
	if b.to != "" {
		l.streams[b.to]++
		l.latest[b.to] = time.Now()
	}
	original := t.original()
	switch {
	case b.how == byCopying:
		l.copying[original]++
		l.copies[original] = max(0, l.copies[original]-1)
	case b.how == byLinking && l.linked[original] > 0:
		l.linked[original]--
	case b.how == byCloning && l.full[original] > 0:
		l.full[original]--
	}
}

// give takes a source back.
func (l *loans) give(t template, b *borrower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users[t.vmid]--; l.users[t.vmid] <= 0 {
		delete(l.users, t.vmid)
	}
	l.back[t.vmid] = time.Now()
	if b.to != "" {
		l.streams[b.to]--
	}
	if b.how == byCopying {
		l.copying[t.original()]--
	}
	time.AfterFunc(moment, l.deal)
}

// announce has everybody who waits looked at: there is another source.
func (l *loans) announce() { time.AfterFunc(moment, l.deal) }

// leave is for who waits no longer; false when a source was lent meanwhile.
func (l *loans) leave(b *borrower) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.Index(l.queue, b)
	if at >= 0 {
		l.queue = slices.Delete(l.queue, at, at+1)
	}
	return at >= 0
}

// original is the VMID of what a copy is a copy of, or the template's own.
func (t template) original() string { return cmp.Or(t.source, t.vmid) }

// borrow waits for a source that r can be cloned from. The scheduler knows how
// many there are, so that a long wait is the exception.
func (j *job) borrow(ctx context.Context, r inventory.Resource) (clonePlan, func(), error) {
	first, err := j.c.look().cloneSources(r)
	if err != nil {
		return clonePlan{}, nil, failf("cannot create %s: %v", r.Key, err)
	}
	how := byCloning
	switch {
	case r.Key.Kind() == kindCopy:
		how = byCopying
	case r.Attrs["create.clone"] == "linked":
		how = byLinking
	}
	b := &borrower{key: r.Key, how: how, original: first[0].original(), node: r.Attrs["node"], lent: make(chan template, 1), sources: func() []template {
		now, _ := j.c.look().cloneSources(r)
		return now
	}}
	if plan := planFrom(r, first[0]); plan.full && plan.source.typ == typeLXC {
		a := j.c.look().aboutClone(plan, r)
		b.to, b.around = a.storage, func() (speed, int) {
			all, likes := j.c.pace.copyingTo(a)
			return j.c.cloneSpeed(plan, r), all - likes
		}
	}
	j.c.loans.ask(b)
	said := time.NewTimer(100 * moment)
	defer said.Stop()
	for {
		select {
		case t := <-b.lent:
			return planFrom(r, t), func() { j.c.loans.give(t, b) }, nil
		case <-said.C:
			j.say("waiting for %s to be free", first[0].ref)
		case <-ctx.Done():
			if !j.c.loans.leave(b) {
				j.c.loans.give(<-b.lent, b)
			}
			return clonePlan{}, nil, ctx.Err()
		}
	}
}
