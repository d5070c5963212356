package sources

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/reconciler"
)

// memory is a shelf that outlives the queues that use it.
type memory struct {
	mu    sync.Mutex
	items map[string][]byte
}

func newMemory() *memory { return &memory{items: map[string][]byte{}} }

func (m *memory) Load() (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.items), nil
}

func (*memory) Sync() {}

func (m *memory) Save(name string, value []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if value == nil {
		delete(m.items, name)
	} else {
		m.items[name] = value
	}
}

func keep(t testing.TB, q *queue, m *memory) {
	t.Helper()
	if err := q.keep(m); err != nil {
		t.Fatal(err)
	}
}

// abandon ends a queue as a kill would: nothing is written any more.
func (q *queue) abandon() {
	q.stop()
	<-q.done
}

func TestStatusesOutliveTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shelf := newMemory()
		down := &board{fail: func(int) error { return errors.New("down") }}
		first := newQueue(down.write, quiet)
		put(t, first, "c1", status("plan", "before there was a shelf"))
		keep(t, first, shelf)
		put(t, first, "c2", status("plan", "one"))
		synctest.Wait()
		put(t, first, "c2", status("apply", "two"))
		put(t, first, "c2", status("plan", "three, over one"))
		first.abandon()

		up := &board{}
		second := newQueue(up.write, quiet)
		put(t, second, "c2", status("apply", "newer than two"))
		keep(t, second, shelf)
		if err := second.close(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := map[statusKey]string{
			{"c1", "plan"}: "before there was a shelf", {"c2", "plan"}: "three, over one", {"c2", "apply"}: "newer than two",
		}
		if !maps.Equal(up.stands, want) {
			t.Errorf("there stand %v, want %v", up.stands, want)
		}
		if len(shelf.items) > 0 {
			t.Errorf("delivered and still kept: %q", slices.Collect(maps.Keys(shelf.items)))
		}
	})
}

func TestARefusedStatusIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shelf := newMemory()
		b := &board{fail: func(int) error { return Permanent(errors.New("no such commit")) }}
		q := newQueue(b.write, quiet)
		keep(t, q, shelf)
		put(t, q, "c", status("plan", "text"))
		synctest.Wait()
		if len(shelf.items) > 0 {
			t.Error("it is kept")
		}
		q.abandon()
	})
}

// A promise, too: another daemon may have kept it meanwhile.
func TestAKeptStatusThatCannotBeReadIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shelf := newMemory()
		shelf.items["c/plan"] = []byte("{")
		shelf.items["c/apply"] = []byte(`{"commit":"c","status":{"context":"apply","state":"success","description":"ok"}}`)
		shelf.items["d/apply"] = []byte(`{"commit":"d","status":{"context":"apply","state":"running","description":"3 changes"}}`)
		b := &board{}
		q := newQueue(b.write, quiet)
		keep(t, q, shelf)
		if err := q.close(t.Context()); err != nil || len(shelf.items) > 0 {
			t.Errorf("error %v, kept %q", err, shelf.items)
		}
		if len(b.stands) != 1 {
			t.Errorf("there stand %v", b.stands)
		}
	})
}

// However often the process is killed, and the forge fails, the newest status of
// each commit and context stands in the end, and nothing stays on the shelf.
func TestStatusesOutliveAnyKill(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type step struct {
			text string
			key  statusKey
			what string
		}
		steps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
			return step{
				rapid.StringMatching(`[a-z]{3}`).Draw(rt, "text"),
				statusKey{rapid.SampledFrom([]string{"c1", "c2"}).Draw(rt, "commit"), rapid.SampledFrom([]string{"plan", "apply"}).Draw(rt, "context")},
				rapid.SampledFrom([]string{"put", "put", "put", "kill", "forge", "wait"}).Draw(rt, "what"),
			}
		}), 1, 30).Draw(rt, "steps")
		synctest.Test(t, func(t *testing.T) {
			shelf, down := newMemory(), false
			b := &board{fail: func(int) error {
				if down {
					return errors.New("down")
				}
				return nil
			}}
			write := func(ctx context.Context, commit, branch string, s reconciler.Status) error {
				return b.write(ctx, commit, branch, s)
			}
			q := newQueue(write, quiet)
			keep(t, q, shelf)
			want := map[statusKey]string{}
			for _, s := range steps {
				switch s.what {
				case "put":
					put(t, q, s.key.commit, status(s.key.context, s.text))
					want[s.key] = s.text
				case "kill":
					q.abandon()
					q = newQueue(write, quiet)
					keep(t, q, shelf)
				case "forge":
					synctest.Wait()
					down = !down
				case "wait":
					synctest.Wait()
				}
			}
			synctest.Wait()
			down = false
			if err := q.close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(b.stands, want) && len(want) > 0 || len(shelf.items) > 0 {
				t.Errorf("there stand %v, want %v; kept %q", b.stands, want, shelf.items)
			}
		})
	})
}

func FuzzReadLetter(f *testing.F) {
	f.Add([]byte(`{"at":"2026-11-21T10:00:00Z","commit":"c","branch":"main","status":{"context":"apply","state":"success","description":"ok"}}`))
	f.Add([]byte(`{"commit":1}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := readLetter(data)
		if err == nil && (l.Commit == "" || l.Status.Context == "") {
			t.Errorf("%q was read as %+v", data, l)
		}
	})
}
