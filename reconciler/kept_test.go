package reconciler

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler/plan"
)

// board is a shelf in memory.
type board struct {
	mu    sync.Mutex
	items map[string][]byte
}

func (b *board) Load() (map[string][]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.items), nil
}

func (*board) Sync() {}

func (b *board) Save(name string, value []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if value == nil {
		delete(b.items, name)
	} else {
		b.items[name] = value
	}
}

func passOf(n int) *Pass {
	key := inventory.Key(fmt.Sprint("cri/guest/vm-", n))
	return &Pass{
		ID: fmt.Sprint("p", n), Commit: strings.Repeat(fmt.Sprint(n), 40), Stage: StageDone,
		Started: time.Unix(int64(n), 0).UTC(), Finished: time.Unix(int64(n)+1, 0).UTC(),
		Plan:    plan.Plan{Steps: []plan.Step{{Change: inventory.Change{Key: key, Action: inventory.Create}}}},
		Results: []Result{{Outcome: inventory.Outcome{Key: key, State: inventory.StateFailed, Error: "no"}, Owner: inventory.Owner{Unit: "cohort/a"}}},
		Units:   map[string]int{"cohort/a": n}, Totals: map[string]int{"guest": n}, Machines: n,
	}
}

func TestPassesOutliveTheProcess(t *testing.T) {
	shelf := &board{items: map[string][]byte{}}
	first := NewHistory(3)
	if dropped, err := first.Keep(shelf); dropped != 0 || err != nil {
		t.Fatal(dropped, err)
	}
	for n := range 5 {
		begun := passOf(n)
		begun.Stage = StagePlanned
		first.Add(begun)
		first.Add(passOf(n))
	}
	unended := passOf(5)
	unended.Stage = StageApplying
	first.Add(unended) // and then it was killed

	shelf.items["p9"] = []byte("damaged")
	second := NewHistory(3)
	if dropped, err := second.Keep(shelf); dropped != 1 || err != nil {
		t.Errorf("dropped %d, error %v", dropped, err)
	}
	var ids []string
	for _, p := range second.All() {
		ids = append(ids, p.ID)
	}
	// p2 made room for the one that did not end.
	if got := strings.Join(ids, " "); got != "p4 p3" || len(shelf.items) != 2 {
		t.Errorf("the next process knows %s, the shelf %d", got, len(shelf.items))
	}
	if got, want := second.Last(), passOf(4); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v came back as %+v", want, got)
	}
	if got, want := second.Last().Health("cohort/a"), passOf(4).Health("cohort/a"); got != want || got.State != StatusFailed {
		t.Errorf("the badge says %v, said %v", got, want)
	}
}

func FuzzUnpackPass(f *testing.F) {
	good, err := packPass(passOf(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := unpackPass(data)
		if err != nil {
			return
		}
		p.Health("")
		if _, err := packPass(p); err != nil {
			t.Error(err)
		}
	})
}
