package proxmox

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// Whoever asks at one moment, in whatever order, is served in one: copies, linked
// clones, the rest by key.
func TestLoansGoByKey(t *testing.T) {
	original := template{ref: ref{vmid: "9000", typ: typeLXC, node: "pve1"}}
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			var l loans
			l.plan(demand{linked: map[string]int{}, full: map[string]int{}, copies: map[string]int{}})
			served := make(chan string, 4)
			ask := func(name string, how int) {
				b := &borrower{key: inventory.Key("cri/guest/" + name), how: how, original: "9000", node: "pve1",
					sources: func() []template { return []template{original} }, lent: make(chan template, 1)}
				l.ask(b)
				source := <-b.lent
				served <- name // one has it at a time
				time.Sleep(time.Second)
				l.give(source, b)
			}
			for name, how := range map[string]int{"b": byCloning, "a": byCloning, "link": byLinking, "copy": byCopying} {
				go ask(name, how)
			}
			for _, want := range []string{"copy", "link", "a", "b"} {
				if got := <-served; got != want {
					t.Fatalf("served %s, want %s", got, want)
				}
			}
			time.Sleep(time.Minute) // until all was given back
		})
	}
}

// The original is kept for linked clones once no copy is to be made of it any
// more, or at once where they take longest.
func TestTheOriginalIsKeptForLinkedClones(t *testing.T) {
	for _, tt := range []struct {
		linked, copies int
		first          bool
		want           bool
	}{{0, 0, false, false}, {3, 0, false, true}, {3, 2, false, false}, {3, 2, true, true}} {
		var l loans
		l.plan(demand{linked: map[string]int{"9000": tt.linked}, copies: map[string]int{"9000": tt.copies}, linkedFirst: map[string]bool{"9000": tt.first}})
		if got := l.reserves("9000"); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

// Six sources are made untimed. More wait until it was seen what these do to each
// other, as long as there are clones to see it by: twice as many as were timed.
func TestCopiesWaitToBeTimed(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		c := r.open(t)
		list(t, c)
		c.Prepare(students(60), nil)
		if width := c.Width("cri/copies/9000"); width != untimed-1 {
			t.Errorf("with one source %d", width)
		}
		original, _ := c.look().template("9000")
		for n := range 5 {
			copied := original
			copied.vmid, copied.of, copied.source = fmt.Sprint(990000000+n), original.print, "9000"
			c.noteCopy("9000", copied)
		}
		if width := c.Width("cri/copies/9000"); width >= 0 {
			t.Errorf("with six that were not timed %d", width)
		}
		guest, _ := container("vm-a", 20001)
		a := c.look().aboutClone(planFrom(guest, original), guest)
		var flying []*lesson
		for n := range 6 {
			u := upid(fmt.Sprintf("UPID:pve1:%08X:000326E6:6B00FA44:vzclone:9000:root@pam:", n))
			c.pace.tell(u, a)
			flying = append(flying, c.pace.begin(u))
		}
		time.Sleep(time.Minute)
		for _, l := range flying {
			c.pace.learn(l, time.Now())
		}
		if width := c.Width("cri/copies/9000"); width != 6 {
			t.Errorf("with six that were timed %d", width)
		}
	})
}

// A creation starts its container when all else that the start waits for is there.
func TestStartsAtOnceWhenTheRestIsThere(t *testing.T) {
	virtual(t, pvesim.Options{}, func(t *testing.T, r *rig) {
		c := r.open(t)
		list(t, c)
		guest, power := plain("vm-a", 20001)
		record := inventory.Key("ad/record/vm-a.etu.isima.fr/A")
		power.Needs = []inventory.Key{record, guest.Key}
		start := creation(power)
		start.Needs = power.Needs
		c.Prepare([]inventory.Change{creation(guest), start}, nil)
		if c.startsAtOnce(guest.Key) {
			t.Error("before its record is there")
		}
		c.Made("ad/record/somebody/A")
		c.Made(record)
		if !c.startsAtOnce(guest.Key) {
			t.Error("not though its record is there")
		}
	})
}
