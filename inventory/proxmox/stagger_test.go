package proxmox

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// desktops fill their storage by five at once, each a minute long when alone.
var desktops = speed{alone: time.Minute, most: 5. / 60}

func TestPause(t *testing.T) {
	for _, tt := range []struct {
		name string
		flow flow
		want time.Duration
	}{
		{"the storage has something to give", flow{desktops, 8, 50, 5}, 0},
		{"it is full: half of an even distance", flow{desktops, 8, 50, 7}, 5250 * time.Millisecond},
		{"nothing was seen to wait", flow{speed{alone: time.Minute, drag: 1}, 8, 50, 7}, 0},
		{"clones are quick", flow{speed{alone: time.Second, most: 5}, 8, 50, 7}, 0},
		{"one source", flow{speed{alone: time.Minute, most: 1. / 60}, 1, 50, 1}, 0},
		{"two, and each fills the wire", flow{speed{alone: time.Minute, most: 1. / 60}, 2, 50, 1}, 15 * time.Second},
		{"the last ones have a source each", flow{desktops, 16, 4, 7}, 0},
		{"the last ones wait for each other", flow{desktops, 8, 4, 7}, 84 * time.Second},
		{"but not for ever", flow{desktops, 8, 2, 7}, 0},
	} {
		if got := tt.flow.pause(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestPlenty(t *testing.T) {
	for _, tt := range []struct {
		s    speed
		want int
	}{
		{desktops, 6},                           // one of them changes hands
		{speed{alone: time.Minute, drag: 1}, 1}, // one fills the wire
		{speed{alone: time.Minute, drag: 0.1}, 12},
		{speed{alone: time.Minute}, 24}, // nobody knows
	} {
		if got := tt.s.plenty(); got != tt.want {
			t.Errorf("%+v: %d, want %d", tt.s, got, tt.want)
		}
	}
}

// lend has clones of one original served from some sources, each of which takes so
// long, and gives the seconds at which they began.
func lend(l *loans, clones, sources int, s speed, long time.Duration) (began []int) {
	var all []template
	for n := range sources {
		all = append(all, template{ref: ref{vmid: string(rune('1' + n)), typ: typeLXC, node: "pve1"}, source: "1"})
	}
	l.plan(demand{full: map[string]int{"1": clones}, kinds: map[string]kind{}})
	start, lent := time.Now(), make(chan int, clones)
	for n := range clones {
		b := &borrower{key: inventory.Key("cri/guest/" + string(rune('a'+n))), how: byCloning, original: "1", to: "disks", lent: make(chan template, 1),
			sources: func() []template { return all }, around: func() (speed, int) { return s, 0 }}
		go func() {
			l.ask(b)
			source := <-b.lent
			lent <- int(time.Since(start).Seconds())
			time.Sleep(long)
			l.give(source, b)
		}()
	}
	for range clones {
		began = append(began, <-lent)
	}
	time.Sleep(2 * long) // until all was given back
	slices.Sort(began)
	return began
}

// Two sources of a storage that one copy fills take turns, after they began at
// different times; where each could copy by itself they begin together.
func TestSourcesFallOutOfStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full, idle loans
		wire := speed{alone: time.Minute, most: 1. / 60}
		if got, want := lend(&full, 6, 2, wire, 2*time.Minute), []int{0, 15, 120, 135, 240, 255}; !slices.Equal(got, want) {
			t.Errorf("on a full wire they begin at %v, want %v", got, want)
		}
		if got, want := lend(&idle, 6, 2, speed{alone: time.Minute}, time.Minute), []int{0, 0, 60, 60, 120, 120}; !slices.Equal(got, want) {
			t.Errorf("elsewhere they begin at %v, want %v", got, want)
		}
	})
}

// An original that comes back is kept for a moment for the copies that are then to
// begin, and linked clones get it when none comes.
func TestLinkedClonesLetCopiesGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l loans
		l.plan(demand{linked: map[string]int{"9000": 2}, copies: map[string]int{"9000": 2}, linkedFirst: map[string]bool{}})
		original := template{ref: ref{vmid: "9000", typ: typeLXC, node: "pve1"}}
		borrower := func(name string, how int) *borrower {
			return &borrower{key: inventory.Key("cri/guest/" + name), how: how, original: "9000", lent: make(chan template, 1),
				sources: func() []template { return []template{original} }}
		}
		first, link, second := borrower("copy", byCopying), borrower("link", byLinking), borrower("copy-2", byCopying)
		l.ask(first)
		l.ask(link)
		<-first.lent
		l.give(original, first)
		time.Sleep(5 * moment) // as long as it takes a walk to begin what comes next
		l.ask(second)
		<-second.lent
		l.give(original, second)
		back := time.Now()
		<-link.lent
		if waited := time.Since(back); waited > courtesy {
			t.Errorf("the linked clone waited %s though nothing is to be copied any more", waited)
		}
	})
}

// While containers are cloned in full, creations on their storage go a few at a time;
// quick clones hold nothing back.
func TestWhatElseIsWrittenGoesBesideClones(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		c := r.open(t)
		list(t, c)
		creations := func() []inventory.Change {
			var all []inventory.Change
			for n := range 10 {
				guest, _ := plain("srv-"+string(rune('a'+n)), 21000+n)
				all = append(all, creation(guest))
			}
			return all
		}()
		guest, _ := container("vm-a", 20001)
		original, _ := c.look().template("9000")
		a := c.look().aboutClone(planFrom(guest, original), guest)
		claim := "cri/storage/" + guest.Attrs["storage"]
		c.Prepare(append(students(5), creations...), nil)
		if beside := c.Width(claim); beside != 5 { // one source, and as much else as it is of all
			t.Errorf("beside one clone %d", beside-1)
		}
		c.Prepare(creations, nil)
		if alone := c.Width(claim); alone != c.cfg.Limits.ClonesPerStorage {
			t.Errorf("without clones %d", alone)
		}
		u := upid("UPID:pve1:00004745:000326E6:6B00FA44:vzclone:9000:root@pam:")
		c.pace.tell(u, a)
		l := c.pace.begin(u)
		time.Sleep(time.Second)
		c.pace.learn(l, time.Now())
		c.Prepare(append(students(5), creations...), nil)
		if beside := c.Width(claim); beside != c.cfg.Limits.ClonesPerStorage {
			t.Errorf("beside quick clones %d", beside)
		}
	})
}

// Each second counts for the only copy that is under way, and not where others fill
// the storage, nor for what nobody planned.
func TestPressing(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		c := r.open(t)
		list(t, c)
		guest, _ := container("vm-a", 20001)
		original, _ := c.look().template("9000")
		a := c.look().aboutClone(planFrom(guest, original), guest)
		a.drag = 1 // one fills the storage
		begin := func() *lesson {
			u := upid("UPID:pve1:00004745:000326E6:6B00FA44:vzclone:9000:root@pam:")
			c.pace.tell(u, a)
			return c.pace.begin(u)
		}
		l := begin()
		if _, counts := c.pressing(l); counts {
			t.Error("nothing was planned")
		}
		c.Prepare(students(30), nil)
		if waiting, counts := c.pressing(l); !counts || waiting < 30 {
			t.Errorf("alone: %v, %d wait", counts, waiting)
		}
		begin()
		if _, counts := c.pressing(l); counts {
			t.Error("the other fills the storage")
		}
	})
}

// What began together may end together, and then nobody copies.
func TestPressingWhereAllEndTogether(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		c := r.open(t)
		list(t, c)
		guest, _ := container("vm-a", 20001)
		original, _ := c.look().template("9000")
		a := c.look().aboutClone(planFrom(guest, original), guest)
		a.drag = 0.5 // two fill the storage
		begin := func() *lesson {
			u := upid("UPID:pve1:00004745:000326E6:6B00FA44:vzclone:9000:root@pam:")
			c.pace.tell(u, a)
			l := c.pace.begin(u)
			c.watcher.waits = append(c.watcher.waits, &waiting{lesson: l})
			return l
		}
		timed := begin()
		time.Sleep(time.Minute)
		c.pace.learn(timed, time.Now())
		c.watcher.waits = nil
		c.Prepare(students(30), nil)
		first := begin()
		begin()
		begin()
		if _, counts := c.pressing(first); !counts {
			t.Error("three that began together leave the storage empty together")
		}
		time.Sleep(time.Minute)
		begin()
		begin()
		if _, counts := c.pressing(first); counts {
			t.Error("two that began later go on")
		}
	})
}
