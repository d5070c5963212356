package proxmox

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
	"github.com/provost-dev/provost/reconciler/lease"
)

func term(n int, holder string) inventory.Term {
	return inventory.Term{Number: n, Holder: holder, Seat: "seat of " + holder, Beat: "1 % of: it"}
}

func mustBegin(t *testing.T, c *Cluster, term inventory.Term, want bool) {
	t.Helper()
	won, err := c.Begin(t.Context(), term)
	if err != nil || won != want {
		t.Fatalf("term %d of %s: won %v, error %v", term.Number, term.Holder, won, err)
	}
}

func mustTerm(t *testing.T, c *Cluster, want inventory.Term) {
	t.Helper()
	if got, err := c.Term(t.Context()); err != nil || got != want {
		t.Fatalf("the newest term is %+v, error %v; want %+v", got, err, want)
	}
}

func TestTerms(t *testing.T) {
	virtual(t, pvesim.Options{NoSSH: true}, func(t *testing.T, r *rig) {
		r.restrict(t, rights) // of which none is for this alone
		a, b := r.open(t), r.open(t)
		mustTerm(t, a, inventory.Term{})
		mustBegin(t, a, term(1, "a"), true)
		mustBegin(t, b, term(1, "b"), false)
		mustTerm(t, b, term(1, "a"))
		renewed := term(1, "a")
		renewed.Beat = "2"
		if stands, err := a.Renew(t.Context(), renewed); !stands || err != nil {
			t.Fatal(stands, err)
		}
		mustTerm(t, b, renewed)
		mustBegin(t, b, term(2, "b"), true)
		// The one before it can do nothing any more.
		if stands, err := a.Renew(t.Context(), renewed); stands || err != nil {
			t.Errorf("a term that is over stands: %v, error %v", stands, err)
		}
		mustBegin(t, a, term(1, "a, late"), false)
		mustTerm(t, a, term(2, "b"))
		if stands, err := b.Renew(t.Context(), inventory.Term{Number: 2, Beat: "last"}); !stands || err != nil {
			t.Fatal(stands, err)
		}
		if last, err := a.Term(t.Context()); err != nil || !last.Over() {
			t.Errorf("given back it is %+v, error %v", last, err)
		}
	})
}

func TestManyBeginOneWins(t *testing.T) {
	virtual(t, pvesim.Options{NoSSH: true}, func(t *testing.T, r *rig) {
		wins := make(chan string, 8)
		var all sync.WaitGroup
		for i := range 8 {
			c := r.open(t)
			all.Go(func() {
				name := fmt.Sprint("daemon ", i)
				if won, err := c.Begin(t.Context(), term(1, name)); err != nil {
					t.Error(err)
				} else if won {
					wins <- name
				}
			})
		}
		all.Wait()
		if len(wins) != 1 {
			t.Fatalf("%d won", len(wins))
		}
		mustTerm(t, r.open(t), term(1, <-wins))
	})
}

// An answer that is lost is no answer: whose term it is says the term.
func TestATermWhoseAnswerWasLost(t *testing.T) {
	virtual(t, pvesim.Options{NoSSH: true}, func(t *testing.T, r *rig) {
		r.sim.Inject(pvesim.Fault{Method: "POST", Path: "/pools", Times: 1, Kind: pvesim.DropAnswer})
		mustBegin(t, r.open(t), term(1, "a"), true)
		mustTerm(t, r.open(t), term(1, "a"))
	})
}

func TestAPoolThatIsSomebodyElses(t *testing.T) {
	virtual(t, pvesim.Options{NoSSH: true}, func(t *testing.T, r *rig) {
		r.sim.AddPool("provost-term-isima-1", "made by hand")
		r.sim.AddPool("provost-term-isima-x", "of another name")
		c := r.open(t)
		if _, err := c.Term(t.Context()); err == nil || !strings.Contains(err.Error(), "provost-term-isima-1") {
			t.Errorf("error %v", err)
		}
		if won, err := c.Begin(t.Context(), term(1, "a")); won || err == nil {
			t.Errorf("won %v, error %v", won, err)
		}
	})
}

func TestWithoutTheRight(t *testing.T) {
	virtual(t, pvesim.Options{NoSSH: true}, func(t *testing.T, r *rig) {
		r.restrict(t, []string{"Pool.Audit"})
		if won, err := r.open(t).Begin(t.Context(), term(1, "a")); won || err == nil || !strings.Contains(err.Error(), "Pool.Allocate") {
			t.Errorf("won %v, error %v", won, err)
		}
	})
}

// Campuses on one cluster do not meet, whatever their names.
func TestCampusesHaveTheirOwnTerms(t *testing.T) {
	virtual(t, pvesim.Options{NoSSH: true}, func(t *testing.T, r *rig) {
		names := []string{"isima", "isima-1", "ISIMA", "école d'été", "ecole dete", "-", "a/b"}
		for i, name := range names {
			c, err := NewWith("cri", name, r.cfg, discard(), r.opts)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			mustTerm(t, c, inventory.Term{})
			mustBegin(t, c, term(i+1, name), true)
			mustTerm(t, c, term(i+1, name))
		}
	})
}

// Two daemons of one campus, on the servers of both releases.
func TestTwoDaemonsShareACluster(t *testing.T) {
	for _, version := range []string{"8.4", "9.1"} {
		virtual(t, pvesim.Options{NoSSH: true, Release: version}, func(t *testing.T, r *rig) {
			const lasts = 90 * time.Second
			open := func(name string) *lease.Keeper {
				dir := t.TempDir()
				seat, err := lease.OpenSeat(dir)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { seat.Close(); os.RemoveAll(dir) })
				return lease.New(lease.Options{Place: r.open(t), Seat: seat, Holder: name, Lasts: lasts, Log: slog.New(slog.DiscardHandler)})
			}
			a, b := open("a"), open("b")
			turn, err := a.Turn(t.Context())
			if err != nil || turn.Barred != "" {
				t.Fatal(turn.Barred, err)
			}
			impatient, cancel := context.WithTimeout(t.Context(), 10*lasts)
			if _, err := b.Turn(impatient); err == nil || b.Standing() != "standing by: a" {
				t.Fatalf("b is %q, error %v", b.Standing(), err)
			}
			cancel()
			// The cluster loses its quorum, as far as a is concerned.
			r.sim.Inject(pvesim.Fault{Method: "PUT", Path: "/pools", Times: -1, Kind: pvesim.Refuse, Status: 500, Reason: "cluster not ready - no quorum?"})
			began, stopped := time.Now(), make(chan time.Duration, 1)
			go func() { <-turn.Ctx.Done(); after := time.Since(began); turn.Done(); stopped <- after }()
			second, err := b.Turn(t.Context())
			took := time.Since(began)
			if err != nil || took < lasts-lasts/6 || took > lasts+lasts/3 {
				t.Errorf("b took over after %s, error %v", took, err)
			}
			if after := <-stopped; after > lasts/2 {
				t.Errorf("a stopped after %s", after)
			}
			second.Done()
			r.sim.ClearFaults()
			b.Close(t.Context())
			a.Close(t.Context())
		})
	}
}
