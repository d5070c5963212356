package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler"
)

const lasts = 90 * time.Second

// place is a Leaser in memory, with a network before it that can fail.
type place struct {
	mu     sync.Mutex
	newest inventory.Term
	asked  int
}

func (p *place) Term(context.Context) (inventory.Term, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	return p.newest, nil
}

func (p *place) Begin(_ context.Context, t inventory.Term) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.Number <= p.newest.Number {
		return false, nil
	}
	p.newest = t
	return true, nil
}

func (p *place) Renew(_ context.Context, t inventory.Term) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.Number != p.newest.Number {
		return false, nil
	}
	p.newest = t
	return true, nil
}

// road is one daemon's way to the place.
type road struct {
	*place
	mu     sync.Mutex
	down   bool          // nothing arrives
	mute   bool          // all arrives, no answer does
	delays time.Duration // of what is sent
}

func (r *road) set(edit func(*road)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	edit(r)
}

// travel is the way there; back is the way back.
func (r *road) travel(ctx context.Context) error {
	r.mu.Lock()
	down, delay := r.down, r.delays
	r.mu.Unlock()
	if down {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(delay)
	return nil
}

func (r *road) back() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mute {
		return errors.New("no answer came")
	}
	return nil
}

func (r *road) Term(ctx context.Context) (inventory.Term, error) {
	limited, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := r.travel(limited); err != nil {
		return inventory.Term{}, err
	}
	t, _ := r.place.Term(ctx)
	return t, r.back()
}

func (r *road) Begin(ctx context.Context, t inventory.Term) (bool, error) {
	limited, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := r.travel(limited); err != nil {
		return false, err
	}
	won, _ := r.place.Begin(ctx, t)
	return won, r.back()
}

func (r *road) Renew(ctx context.Context, t inventory.Term) (bool, error) {
	if err := r.travel(ctx); err != nil {
		return false, err
	}
	stands, _ := r.place.Renew(ctx, t)
	return stands, r.back()
}

func keeper(t testing.TB, dir, name string, p reconciler.Leaser) *Keeper {
	t.Helper()
	seat, err := OpenSeat(dir)
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{Place: p, Seat: seat, Holder: name, Lasts: lasts, Log: slog.New(slog.DiscardHandler)})
}

func mustTurn(t testing.TB, k *Keeper) reconciler.Turn {
	t.Helper()
	turn, err := k.Turn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if turn.Barred != "" {
		t.Fatal("barred:", turn.Barred)
	}
	return turn
}

// mustWait demands that a turn does not come for a while.
func mustWait(t testing.TB, k *Keeper, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if turn, err := k.Turn(ctx); err == nil {
		turn.Done()
		t.Fatalf("%s got a turn: %+v", k.Holder, turn)
	}
}

// crash ends a keeper as a kill would: it says nothing any more.
func crash(k *Keeper) {
	if mine := k.held(); mine != nil {
		mine.cancel()
		<-mine.ended
	}
	k.Seat.Close()
}

func TestTakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &place{}
		a, b := keeper(t, t.TempDir(), "a", p), keeper(t, t.TempDir(), "b", p)
		mustTurn(t, a).Done()
		mustWait(t, b, 10*lasts)
		if got := b.Standing(); got != "standing by: a" {
			t.Errorf("b is %q", got)
		}
		mustTurn(t, a).Done() // as long as it works, it works
		crash(a)
		begun := time.Now()
		mustTurn(t, b).Done()
		if took := time.Since(begun); took < lasts-lasts/6 || took > lasts+lasts/3 {
			t.Errorf("it took b %s to take over", took)
		}
		if b.Standing() != "" || !b.Leads() || a.Leads() {
			t.Errorf("b: %q, leads %v; a leads %v", b.Standing(), b.Leads(), a.Leads())
		}
		b.Close(t.Context())

		c := keeper(t, t.TempDir(), "c", p)
		begun = time.Now()
		mustTurn(t, c).Done()
		if took := time.Since(begun); took > 0 {
			t.Errorf("it took c %s after b gave the lease back", took)
		}
		c.Close(t.Context())
	})
}

// On one seat nobody waits for a lease to run out: neither a daemon started again
// after a crash, nor one whose right was borrowed between two passes.
func TestOneSeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, dir := &place{}, t.TempDir()
		a := keeper(t, dir, "a", p)
		mustTurn(t, a).Done()
		crash(a)
		b := keeper(t, dir, "b", p)
		begun := time.Now()
		mustTurn(t, b).Done()
		if took := time.Since(begun); took > 0 {
			t.Errorf("it took b %s", took)
		}

		borrower := keeper(t, dir, "by hand", p)
		turn := mustTurn(t, borrower)
		mustWait(t, b, time.Minute)
		if !strings.Contains(b.Standing(), "another process of this state directory") {
			t.Errorf("b is %q", b.Standing())
		}
		if turn.Ctx.Err() != nil {
			t.Error("b took the right back in the middle of a turn")
		}
		turn.Done()
		borrower.Close(t.Context())
		mustTurn(t, b).Done()

		// The daemon does not find out that it was away by itself.
		quick := keeper(t, dir, "quick", p)
		mustTurn(t, quick).Done()
		quick.Close(t.Context())
		elsewhere := keeper(t, t.TempDir(), "elsewhere", p)
		mustTurn(t, elsewhere).Done()
		mustWait(t, b, time.Minute)
		elsewhere.Close(t.Context())
		mustTurn(t, b).Done()
		asked := p.asked
		for range 10 {
			mustTurn(t, b).Done()
		}
		if p.asked != asked {
			t.Errorf("ten turns of one daemon asked %d times", p.asked-asked)
		}
		b.Close(t.Context())
	})
}

// A leader that reaches nobody stops in time: its turn ends at half of the lease,
// and long before anybody else gets one.
func TestALeaderCutOffStopsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &place{}
		way := &road{place: p}
		a, b := keeper(t, t.TempDir(), "a", way), keeper(t, t.TempDir(), "b", p)
		turn := mustTurn(t, a)
		time.Sleep(5 * time.Minute)
		if turn.Ctx.Err() != nil {
			t.Fatal("the turn ended although its lease was renewed")
		}
		way.set(func(r *road) { r.down = true })
		cut := time.Now()
		stopped := make(chan time.Duration, 1)
		go func() { <-turn.Ctx.Done(); after := time.Since(cut); turn.Done(); stopped <- after }()
		other := mustTurn(t, b)
		taken, over := time.Since(cut), <-stopped
		if over > lasts/2 || taken-over < Grace(lasts) {
			t.Errorf("a stopped after %s, b began after %s", over, taken)
		}
		other.Done()
		// Back again, it stands by.
		way.set(func(r *road) { r.down = false })
		mustWait(t, a, lasts)
		b.Close(t.Context())
		mustTurn(t, a).Done()
		a.Close(t.Context())
	})
}

// A process that was stopped for longer than its lease starts nothing when it goes
// on, though no timer has had its turn yet.
func TestALeaderThatWasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &place{}
		way := &road{place: p}
		a := keeper(t, t.TempDir(), "a", way)
		turn := mustTurn(t, a)
		mine := a.held()
		// The clock has gone on, and nobody has run meanwhile.
		mine.mu.Lock()
		mine.confirmed = mine.confirmed.Add(-2 * lasts)
		mine.mu.Unlock()
		select {
		case <-turn.Ctx.Done():
			t.Fatal("a timer was first: this test shows nothing")
		default:
		}
		if turn.Ctx.Err() == nil {
			t.Error("it may go on")
		}
		turn.Done()
		<-mine.ended
	})
}

// The same when the machine slept: then only the wall clock knows.
func TestALeaderThatSlept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := keeper(t, t.TempDir(), "a", &place{})
		turn := mustTurn(t, a)
		mine := a.held()
		mine.confirm(time.Now().Round(0).Add(-lasts)) // a time without its monotonic part
		if turn.Ctx.Err() == nil {
			t.Error("it may go on")
		}
		turn.Done()
		<-mine.ended
	})
}

func TestNobodyCanTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &place{}
		way := &road{place: p, mute: true}
		a := keeper(t, t.TempDir(), "a", way)
		turn, err := a.Turn(t.Context())
		if err != nil || !strings.Contains(turn.Barred, "no answer came") {
			t.Fatalf("%+v, error %v", turn, err)
		}
		turn.Done()
		way.set(func(r *road) { r.mute = false })
		mustTurn(t, a).Done() // though it may have begun a term before, and not heard of it
		if a.Standing() != "" {
			t.Errorf("it is %q", a.Standing())
		}

		// Whoever has seen another one work waits.
		blind := &road{place: p}
		b := keeper(t, t.TempDir(), "b", blind)
		mustWait(t, b, time.Minute)
		blind.set(func(r *road) { r.mute = true })
		mustWait(t, b, 10*lasts)
		b.Impatient = true
		if _, err := b.Turn(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot tell whether a still works") {
			t.Errorf("error %v", err)
		}
		a.Close(t.Context())
	})
}

func TestAPersonIsToldSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &place{}
		a, hand := keeper(t, t.TempDir(), "srv1, process 7", p), keeper(t, t.TempDir(), "hand", p)
		hand.Impatient = true
		mustTurn(t, a).Done()
		begun := time.Now()
		if _, err := hand.Turn(t.Context()); err == nil || !strings.Contains(err.Error(), "srv1, process 7 works on this campus") {
			t.Errorf("error %v", err)
		}
		if took := time.Since(begun); took > lasts/2 {
			t.Errorf("it took %s to say so", took)
		}
		crash(a)
		mustTurn(t, hand).Done() // a dead one holds nobody up for longer than its lease
		hand.Close(t.Context())
	})
}

// Whatever happens to daemons and to their ways to the place, no two have a turn
// at one time, and in the end somebody works.
func TestNeverTwoAtATime(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type step struct {
			who  int
			what string
			wait time.Duration
		}
		steps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
			return step{
				rapid.IntRange(0, 2).Draw(rt, "who"),
				rapid.SampledFrom([]string{"cut", "mend", "mute", "slow", "crash", "stop"}).Draw(rt, "what"),
				time.Duration(rapid.IntRange(0, 150).Draw(rt, "wait")) * time.Second,
			}
		}), 1, 15).Draw(rt, "steps")
		synctest.Test(t, func(t *testing.T) {
			p := &place{}
			working := map[int]int{} // turns under way, by daemon
			turns := 0
			var mu sync.Mutex
			type daemon struct {
				k    *Keeper
				way  *road
				stop context.CancelFunc
				gone chan struct{}
			}
			start := func(n int, dir string) *daemon {
				way := &road{place: p}
				ctx, cancel := context.WithCancel(t.Context())
				d := &daemon{k: keeper(t, dir, fmt.Sprint("daemon ", n), way), way: way, stop: cancel, gone: make(chan struct{})}
				go func() {
					defer close(d.gone)
					for ctx.Err() == nil {
						turn, err := d.k.Turn(ctx)
						if err != nil {
							return
						}
						if turn.Barred == "" {
							mu.Lock()
							working[n]++
							turns++
							if len(working) > 1 {
								t.Errorf("%v work at one time", working)
							}
							mu.Unlock()
							select { // a pass, and then what its grace allows
							case <-time.After(40 * time.Second):
							case <-turn.Ctx.Done():
								time.Sleep(Grace(lasts))
							}
							mu.Lock()
							delete(working, n)
							mu.Unlock()
						}
						turn.Done()
						time.Sleep(5 * time.Second)
					}
				}()
				return d
			}
			dirs := []string{t.TempDir(), t.TempDir(), t.TempDir()}
			daemons := []*daemon{start(0, dirs[0]), start(1, dirs[1]), start(2, dirs[2])}
			for _, s := range steps {
				d := daemons[s.who]
				switch s.what {
				case "cut":
					d.way.set(func(r *road) { r.down = true })
				case "mute":
					d.way.set(func(r *road) { r.mute = true })
				case "slow":
					d.way.set(func(r *road) { r.delays = 20 * time.Second })
				case "mend":
					d.way.set(func(r *road) { r.down, r.mute, r.delays = false, false, 0 })
				case "crash", "stop":
					d.stop()
					<-d.gone
					if s.what == "stop" {
						d.way.set(func(r *road) { r.down, r.mute = false, false })
						d.k.Close(t.Context())
					}
					crash(d.k)
					daemons[s.who] = start(s.who, dirs[s.who])
				}
				time.Sleep(s.wait)
			}
			for _, d := range daemons {
				d.way.set(func(r *road) { r.down, r.mute, r.delays = false, false, 0 })
			}
			mu.Lock()
			turns = 0
			mu.Unlock()
			time.Sleep(4 * lasts)
			mu.Lock()
			if turns == 0 {
				t.Error("nobody works in the end")
			}
			mu.Unlock()
			for _, d := range daemons {
				d.stop()
				<-d.gone
				crash(d.k)
			}
		})
	})
}

// A directory that was copied is another seat; the same one is the same.
func TestSeats(t *testing.T) {
	dir := t.TempDir()
	open := func(dir string) *Seat {
		s, err := OpenSeat(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	if a, b, c := open(dir), open(dir), open(t.TempDir()); a.ID != b.ID || a.ID == c.ID {
		t.Errorf("seats %s, %s and %s", a.ID, b.ID, c.ID)
	}
	if _, err := OpenSeat(dir + "/none"); err == nil {
		t.Error("a seat in no directory")
	}
}
