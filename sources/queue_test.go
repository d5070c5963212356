package sources

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/reconciler"
)

// board is a forge's statuses, and what it was asked.
type board struct {
	mu     sync.Mutex
	writes []string                  // "<commit> <context> <description>"
	stands map[statusKey]string      // descriptions
	fail   func(writes int) error    // nil for a forge that is up
	hold   func(ctx context.Context) // what a write waits for
}

func (b *board) write(ctx context.Context, commit, _ string, s reconciler.Status) error {
	if b.hold != nil {
		b.hold(ctx)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	b.writes = append(b.writes, fmt.Sprintf("%s %s %s", commit, s.Context, s.Description))
	if b.fail != nil {
		if err := b.fail(len(b.writes)); err != nil {
			return err
		}
	}
	if b.stands == nil {
		b.stands = map[statusKey]string{}
	}
	b.stands[statusKey{commit, s.Context}] = s.Description
	return nil
}

func (b *board) asked() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.writes)
}

func status(context, text string) reconciler.Status {
	return reconciler.Status{Context: context, State: reconciler.StatusSuccess, Description: text}
}

func put(t testing.TB, q *queue, commit string, s reconciler.Status) {
	t.Helper()
	if err := q.put(commit, "main", s); err != nil {
		t.Fatal(err)
	}
}

var quiet = slog.New(slog.DiscardHandler)

func TestQueueWritesOnChangeOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &board{}
		q := newQueue(b.write, quiet)
		for range 3 {
			put(t, q, "c1", status("plan", "3 changes"))
			put(t, q, "c2", status("plan", "3 changes"))
			synctest.Wait()
		}
		put(t, q, "c1", status("plan", "0 changes"))
		if err := q.close(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []string{"c1 plan 3 changes", "c2 plan 3 changes", "c1 plan 0 changes"}
		if got := b.asked(); !slices.Equal(got, want) {
			t.Errorf("writes %q, want %q", got, want)
		}
		if err := q.put("c1", "main", status("plan", "x")); err == nil {
			t.Error("a status is taken after close")
		}
	})
}

func TestQueueNewestWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		b := &board{hold: func(context.Context) { <-free }}
		q := newQueue(b.write, quiet)
		put(t, q, "c", status("plan", "first")) // the writer takes it and is held
		synctest.Wait()
		put(t, q, "c", status("plan", "second"))
		put(t, q, "c", status("apply", "other"))
		put(t, q, "c", status("plan", "first")) // equal to what is being written
		put(t, q, "c", status("plan", "third"))
		close(free)
		if err := q.close(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []string{"c plan first", "c plan third", "c apply other"}
		if got := b.asked(); !slices.Equal(got, want) {
			t.Errorf("writes %q, want %q", got, want)
		}
	})
}

// While the second status is under way, the first comes back: it must be
// written again, though it was the last one known to be written.
func TestQueueReturnsToAnEarlierStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{}, 1)
		free <- struct{}{}
		b := &board{hold: func(context.Context) { <-free }}
		q := newQueue(b.write, quiet)
		put(t, q, "c", status("plan", "one"))
		synctest.Wait()
		put(t, q, "c", status("plan", "two"))
		synctest.Wait()
		put(t, q, "c", status("plan", "one"))
		close(free)
		if err := q.close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := b.stands[statusKey{"c", "plan"}]; got != "one" {
			t.Errorf("%q stands, want %q", got, "one")
		}
	})
}

func TestQueueOutlastsAForgeThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		b := &board{fail: func(int) error {
			if time.Since(start) < 20*time.Minute {
				return errors.New("connection refused")
			}
			return nil
		}}
		q := newQueue(b.write, quiet)
		for i := range 50 {
			put(t, q, fmt.Sprint("c", i), status("plan", "text"))
		}
		time.Sleep(25 * time.Minute)
		synctest.Wait()
		if len(b.stands) != 50 || q.len() != 0 {
			t.Errorf("%d statuses stand, %d wait", len(b.stands), q.len())
		}
		if n := len(b.asked()) - 50; n > 40 {
			t.Errorf("the forge was asked %d times while it was down", n)
		}
		if err := q.close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestQueueGivesUpWhatIsPermanent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &board{fail: func(n int) error {
			if n == 1 {
				return fmt.Errorf("cannot: %w", Permanent(errors.New("no right")))
			}
			return nil
		}}
		q := newQueue(b.write, quiet)
		put(t, q, "c", status("plan", "one"))
		put(t, q, "c", status("apply", "two"))
		synctest.Wait()
		put(t, q, "c", status("plan", "one")) // the next pass says the same
		if err := q.close(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []string{"c plan one", "c apply two"}
		if got := b.asked(); !slices.Equal(got, want) {
			t.Errorf("writes %q, want %q", got, want)
		}
	})
}

// A token that had expired is renewed: what was refused meanwhile comes through
// with a later pass, which says the same as before.
func TestQueueAsksAgainLaterWhatWasRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &board{fail: func(n int) error {
			if n == 1 {
				return Permanent(errors.New("401"))
			}
			return nil
		}}
		q := newQueue(b.write, quiet)
		for range 120 {
			put(t, q, "c", status("plan", "one"))
			time.Sleep(time.Minute)
		}
		if err := q.close(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []string{"c plan one", "c plan one"}
		if got := b.asked(); !slices.Equal(got, want) || b.stands[statusKey{"c", "plan"}] != "one" {
			t.Errorf("writes %q, want %q; %v stand", got, want, b.stands)
		}
	})
}

func TestQueueDrainsUntilTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &board{fail: func(int) error { return errors.New("connection refused") }}
		q := newQueue(b.write, quiet)
		put(t, q, "c", status("plan", "one"))
		put(t, q, "c", status("apply", "one"))
		time.Sleep(time.Hour) // it rests for long by now
		before := len(b.asked())
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := q.close(ctx)
		if err == nil || !strings.Contains(err.Error(), "2 statuses were not written") {
			t.Errorf("error %v", err)
		}
		if n := len(b.asked()) - before; n < 4 {
			t.Errorf("%d tries while draining", n)
		}
	})
}

func TestQueueLeavesAHungWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &board{hold: func(ctx context.Context) { <-ctx.Done() }}
		q := newQueue(b.write, quiet)
		put(t, q, "c", status("plan", "one"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.close(ctx); err == nil || !strings.Contains(err.Error(), "1 statuses were not written") {
			t.Errorf("error %v", err)
		}
	})
}

// Whatever is put and whatever fails, what was put last stands in the end.
func TestQueueEndsWithTheNewest(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		texts := rapid.SampledFrom([]string{"a", "b", "c"})
		keys := rapid.SampledFrom([]statusKey{{"c1", "plan"}, {"c1", "apply"}, {"c2", "plan"}})
		down := rapid.SliceOf(rapid.Bool()).Draw(rt, "down")
		type step struct {
			key  statusKey
			text string
			wait bool
		}
		var steps []step
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			steps = append(steps, step{keys.Draw(rt, "key"), texts.Draw(rt, "text"), rapid.Bool().Draw(rt, "wait")})
		}
		synctest.Test(t, func(t *testing.T) {
			b := &board{fail: func(n int) error {
				if n <= len(down) && down[n-1] {
					return errors.New("down")
				}
				return nil
			}}
			q := newQueue(b.write, quiet)
			want := map[statusKey]string{}
			for _, s := range steps {
				put(t, q, s.key.commit, status(s.key.context, s.text))
				want[s.key] = s.text
				if s.wait {
					synctest.Wait()
				}
			}
			if err := q.close(t.Context()); err != nil {
				t.Fatal(err)
			}
			for key, text := range want {
				if b.stands[key] != text {
					t.Errorf("%v: %q stands, want %q", key, b.stands[key], text)
				}
			}
		})
	})
}
