package proxmox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// visits lets so many through an opening, each for as long as asked, and gives when
// each entered and left, in seconds, by key.
func visits(o *openings, opens opens, stays []time.Duration) (entered, left []float64) {
	entered, left = make([]float64, len(stays)), make([]float64, len(stays))
	began := time.Now()
	var group sync.WaitGroup
	for i, stay := range stays {
		group.Go(func() {
			leave, err := o.enter(context.Background(), "here", opens, &entrant{key: inventory.Key(fmt.Sprintf("cri/guest/%03d", i))})
			if err != nil {
				panic(err) // nobody cancels
			}
			entered[i] = time.Since(began).Round(100 * moment).Seconds()
			time.Sleep(stay)
			left[i] = time.Since(began).Round(100 * moment).Seconds()
			leave()
		})
	}
	group.Wait()
	time.Sleep(time.Minute) // until all timers have run
	return entered, left
}

func alike(n int, stay time.Duration) []time.Duration { return slices.Repeat([]time.Duration{stay}, n) }

func TestAnOpeningOpensLittleByLittle(t *testing.T) {
	for _, tt := range []struct {
		name  string
		opens opens
		stays []time.Duration
		want  []float64
	}{
		{"by key, one more with each step", opens{3, time.Second}, alike(6, 10*time.Second), []float64{0, 0, 0, 1, 2, 3}},
		{"who leaves is followed at once", opens{2, 10 * time.Second}, alike(5, 4*time.Second), []float64{0, 0, 4, 4, 8}},
		{"few all begin at once", opens{8, time.Second}, alike(5, time.Second), []float64{0, 0, 0, 0, 0}},
		{"what was begun apart stays apart", opens{1, 3 * time.Second}, alike(6, 9*time.Second), []float64{0, 3, 6, 9, 9, 12}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var o openings
				for range 2 { // who comes when nobody is inside any more finds it as narrow as at first
					if entered, _ := visits(&o, tt.opens, tt.stays); !slices.Equal(entered, tt.want) {
						t.Errorf("entered after %v s, want %v", entered, tt.want)
					}
				}
			})
		})
	}
}

// However long each stays: all come through, never more are inside than the opening
// is wide, and nobody waits while there is room.
func TestAnOpeningIsAsWideAsItSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		opens := opens{rapid.IntRange(1, 5).Draw(rt, "first"), time.Duration(rapid.IntRange(1, 20).Draw(rt, "step")) * time.Second}
		var stays []time.Duration
		for range rapid.IntRange(1, 20).Draw(rt, "visitors") {
			stays = append(stays, time.Duration(rapid.IntRange(1, 60).Draw(rt, "stay"))*time.Second+500*time.Millisecond)
		}
		var entered, left []float64
		synctest.Test(t, func(*testing.T) { entered, left = visits(&openings{}, opens, stays) })
		for i, at := range entered {
			inside, room := 0, opens.first+int(at/opens.step.Seconds())
			for k := range entered {
				if entered[k] <= at && at < left[k] {
					inside++
				}
			}
			if inside > room {
				rt.Errorf("%d are inside after %v s, want at most %d", inside, at, room)
			}
			if i >= opens.first && at > float64(i-opens.first+1)*opens.step.Seconds()+0.1 {
				rt.Errorf("number %d waited %v s", i, at)
			}
		}
	})
}

// Of those who ask at one moment rank goes before key.
func TestWhoIsLetInFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o openings
		var mu sync.Mutex
		var order []inventory.Key
		var group sync.WaitGroup
		for _, me := range []*entrant{{rank: 1, key: "a"}, {key: "c"}, {rank: 1, key: "b"}, {key: "d"}} {
			group.Go(func() {
				leave, err := o.enter(t.Context(), "here", opens{first: 1, step: time.Second}, me)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, me.key)
				mu.Unlock()
				time.Sleep(time.Minute)
				leave()
			})
		}
		group.Wait()
		time.Sleep(time.Minute)
		if want := []inventory.Key{"c", "d", "a", "b"}; !slices.Equal(order, want) {
			t.Errorf("%v, want %v", order, want)
		}
	})
}

// Who gives up, before or after it was let in, takes up no room.
func TestGivingUpAtAnOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o openings
		narrow := opens{first: 1, step: time.Hour}
		leave, err := o.enter(t.Context(), "here", narrow, &entrant{key: "cri/guest/a"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := o.enter(ctx, "here", narrow, &entrant{key: "cri/guest/b"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%v, want that time was up", err)
		}
		leave()
		over, done := context.WithCancel(t.Context())
		done()
		if leave, err := o.enter(over, "here", narrow, &entrant{key: "cri/guest/c"}); err == nil {
			leave()
		}
		began := time.Now()
		leave, err = o.enter(t.Context(), "here", narrow, &entrant{key: "cri/guest/d"})
		if err != nil || time.Since(began) > time.Second {
			t.Errorf("entered after %s: %v", time.Since(began), err)
		}
		leave()
		time.Sleep(2 * time.Hour)
	})
}

func TestHowQuicklyAnOpeningOpens(t *testing.T) {
	for _, tt := range []struct {
		width int
		alone time.Duration
		want  opens
	}{
		{64, 6 * time.Second, opens{8, 375 * time.Millisecond}}, // containers from an OS template
		{20, time.Second, opens{5, 200 * time.Millisecond}},     // machines, on a node of 32 cores
		{4, time.Second, opens{4, time.Second}},
		{2, time.Second, opens{2, 2 * time.Second}}, // the configuration allows no more
		{0, time.Second, opens{1, 4 * time.Second}},
	} {
		if got := opensTo(tt.width, tt.alone); got != tt.want {
			t.Errorf("%d wide: %v, want %v", tt.width, got, tt.want)
		}
	}
}

// Of what begins at one moment the requests go out little by little.
func TestCreationsBeginLittleByLittle(t *testing.T) {
	costs := pvesim.Costs{Create: time.Minute, FullClone: time.Minute, LinkedClone: time.Minute}
	for _, tt := range []struct {
		name string
		make func(string, int, ...string) (guest, power inventory.Resource)
		path string // of the request
		more []string
		at   []float64 // when it comes, in seconds
	}{
		{"OS template", plain, "/lxc", nil, []float64{0, 0, 0, 0, 0, 0, 0, 0, 0.4, 0.8, 1.1, 1.5}},
		{"machine", machine, "/clone", []string{"create.clone", "linked", "storage", ""}, []float64{0, 0, 0, 0, 0, 0, 0, 0, 0.1, 0.3, 0.4, 0.5}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, pvesim.Options{Costs: costs}, func(t *testing.T, r *rig) {
				c := r.open(t)
				list(t, c)
				r.sim.ForgetRequests()
				began := time.Now()
				var group sync.WaitGroup
				for i := range tt.at {
					guest, _ := tt.make(fmt.Sprintf("vm-%02d", i), 20000+i, tt.more...)
					group.Go(func() {
						if o := apply(c, creation(guest)); o.State != inventory.StateDone {
							t.Errorf("%s: %+v", guest.Key, o)
						}
					})
				}
				group.Wait()
				var at []float64
				for _, req := range r.sim.Requests() {
					if req.Method == "POST" && strings.HasSuffix(req.Path, tt.path) {
						at = append(at, req.At.Sub(began).Round(100*time.Millisecond).Seconds())
					}
				}
				if !slices.Equal(at, tt.at) {
					t.Errorf("begun after %v s, want %v", at, tt.at)
				}
			})
		})
	}
}

// As many machines are cloned at once as keep the template's node busy along with
// its part of the starts.
func TestHowManyMachinesAreCloned(t *testing.T) {
	for _, tt := range []struct{ cores, nodes, limit, want int }{
		{32, 5, 64, 20}, // three starts of seconds each on five nodes: 0.6 s beside a clone's 1
		{32, 1, 64, 8},
		{8, 3, 64, 4},
		{2, 1, 64, 4},   // few cores: some wait for their requests
		{32, 5, 10, 10}, // the configuration says so
	} {
		c := &Cluster{name: "cri", cfg: Config{Limits: Limits{QemuClones: tt.limit}}}
		c.view = view{cores: map[string]int{"pve1": tt.cores}, nodes: map[string]bool{}, templates: []template{{ref: ref{vmid: "9001", typ: typeQEMU, node: "pve1"}}}}
		for n := range tt.nodes {
			c.view.nodes[fmt.Sprintf("pve%d", n+1)] = true
		}
		if got := c.Width("cri/template/9001"); got != tt.want {
			t.Errorf("%d of %d cores: %d at once, want %d", tt.nodes, tt.cores, got, tt.want)
		}
	}
}
