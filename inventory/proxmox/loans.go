package proxmox

import (
	"cmp"
	"slices"
	"sync"
	"time"
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

// moment is how long the decision is put off, so that who asks at one moment is
// in the queue by then.
const moment = time.Millisecond

// courtesy is how long an original that came back is kept for copies of it which
// that lets begin. Linked clones can have it later, when there are other sources.
const courtesy = 20 * time.Millisecond

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
