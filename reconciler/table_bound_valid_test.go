package reconciler_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/inventory/proxmox/pvesim"
)

// Whatever schedule one thinks of, knowing all that happens as soon as it does:
// none is quicker than the bound.
func TestTheBoundIsOne(t *testing.T) {
	tightest := math.Inf(1)
	rapid.Check(t, func(t *rapid.T) {
		m := drawDemand(t)
		bound := m.bound()
		for range 4 {
			s := newIdeal(t, m)
			took := s.run()
			if took < bound-1e-6 {
				t.Fatalf("%d copies: %.6f s, the bound is %.6f for %+v", s.copies, took, bound, m)
			}
			tightest = min(tightest, took/bound)
		}
	})
	if tightest > 1.02 {
		t.Errorf("the tightest was %.2f times the bound", tightest)
	}
}

func drawDemand(t *rapid.T) demand {
	seconds := func(name string, least, most float64) time.Duration {
		return time.Duration(rapid.Float64Range(least, most).Draw(t, name) * float64(time.Second)).Round(time.Millisecond)
	}
	c := pvesim.Costs{
		Read: seconds("read", 0, 0.1), Answer: seconds("answer", 0, 0.2), Config: seconds("config", 0, 0.2), Fork: seconds("fork", 0, 0.1),
		FullClone: seconds("full", 0.1, 5), LinkedClone: seconds("linked", 0.1, 3), Create: seconds("create", 0.1, 5),
		Start: seconds("start", 0.5, 5), CreatedStart: seconds("createdStart", 0, 0.5),
		Contention: rapid.SampledFrom([]float64{0, 0.04, 0.15, 0.58, 1}).Draw(t, "contention"),
		Saturation: rapid.SampledFrom([]int{0, 2, 4}).Draw(t, "saturation"),
		Shared:     pvesim.Storage{Throughput: rapid.SampledFrom([]float64{1, 3, math.Inf(1)}).Draw(t, "throughput")},
	}
	if !math.IsInf(c.Shared.Throughput, 1) {
		c.Shared.Stream = c.Shared.Throughput / rapid.SampledFrom([]float64{1, 2, 5}).Draw(t, "streams")
		c.Unpacked, c.Booted = rapid.Float64Range(0, 5).Draw(t, "unpacked"), rapid.Float64Range(0, 3).Draw(t, "booted")
	}
	m := demand{Costs: c, nodes: rapid.IntRange(1, 3).Draw(t, "nodes"), disk: rapid.Float64Range(0, 20).Draw(t, "disk"),
		count: map[string]int{}, first: map[string]int{}}
	hows := rapid.SampledFrom([][]string{{fullClones, fullClones, images, linkedClones, linkedMachines}, {linkedMachines}}).Draw(t, "mix")
	for i := range rapid.IntRange(1, 9).Draw(t, "machines") {
		how := rapid.SampledFrom(hows).Draw(t, "how")
		m.count[how]++
		if i%m.nodes == 0 {
			m.first[how]++
		}
	}
	return m
}

// ideal is a cluster that an all-knowing scheduler works on. What is to be made
// goes through legs; the order in which sources and workers are given out is
// drawn, and so is the node of each copy.
type ideal struct {
	demand
	t       *rapid.T
	now     float64
	open    []*item
	sources []source // of containers, that are free
	free    []int    // pvedaemon's workers, by node

	staggered bool // machines are not all cloned at once
}

type source struct {
	node   int
	copied bool
}

// item is a machine or a copy on its way.
type item struct {
	how   string
	node  int // where it is to be
	from  source
	legs  []leg
	left  float64 // of the present leg; set when it began
	begun bool
}

type leg struct {
	kind   string // source | request | work | bytes | wait | free | made
	node   int    // -1 is the source's
	amount float64
}

const copied = "copy"

func newIdeal(t *rapid.T, m demand) *ideal {
	s := &ideal{demand: m, t: t, sources: []source{{}}, staggered: rapid.Bool().Draw(t, "staggered")}
	s.free = slices.Repeat([]int{3}, m.nodes)
	if m.count[fullClones] > 0 {
		s.copies = rapid.IntRange(0, 4).Draw(t, "copies")
	}
	first := map[string]int{}
	for _, how := range []string{fullClones, images, linkedClones, linkedMachines} {
		for i := range m.count[how] {
			node := 0
			if first[how]++; first[how] > m.first[how] {
				node = 1 + i%max(1, m.nodes-1)
			}
			s.open = append(s.open, s.item(how, node))
		}
	}
	for range s.copies {
		s.open = append(s.open, s.item(copied, rapid.IntRange(0, m.nodes-1).Draw(t, "node")))
	}
	return s
}

func (s *ideal) item(how string, node int) *item {
	answer, poll, work := s.call(s.Answer), s.poll(), func(d time.Duration) float64 { return d.Seconds() }
	start := []leg{{"wait", node, poll}, {"request", node, s.call(s.Config)}, {"request", node, answer},
		{"work", node, work(s.Start)}, {"bytes", node, s.Booted}, {"wait", node, poll}}
	it := &item{how: how, node: node}
	switch how {
	case images:
		it.legs = []leg{{"request", node, answer}, {"work", node, work(s.Create + s.CreatedStart)}, {"bytes", node, s.Unpacked},
			{"wait", node, s.idle()}, {"wait", node, poll}}
	case linkedMachines:
		it.legs = append([]leg{{"wait", 0, s.heldBack()}, {"request", 0, answer}, {"wait", 0, s.Fork.Seconds()}, {"work", 0, work(s.LinkedClone)}}, start...)
	case linkedClones:
		it.legs = append([]leg{{"source", 0, 0}, {"request", -1, answer}, {"work", -1, work(s.LinkedClone)}, {"wait", 0, poll}, {"free", 0, 0}}, start[1:]...)
	case fullClones:
		it.legs = append([]leg{{"source", 0, 0}, {"request", -1, answer}, {"work", -1, work(s.FullClone)}, {"bytes", 0, s.disk}, {"wait", 0, poll}, {"free", 0, 0}}, start[1:]...)
	case copied:
		it.legs = []leg{{"source", 0, 0}, {"request", -1, answer}, {"work", -1, work(s.FullClone)}, {"bytes", 0, s.disk}, {"wait", 0, poll}, {"free", 0, 0}, {"made", node, 0}}
	}
	return it
}

// heldBack is how long a machine's clone is put off: to clone fewer side by side may
// be quicker, as the first are done sooner.
func (s *ideal) heldBack() float64 {
	if !s.staggered {
		return 0
	}
	return rapid.SampledFrom([]float64{0, 0.5, 1, 1.5}).Draw(s.t, "held back") * s.LinkedClone.Seconds()
}

// run gives the time at which all stand.
func (s *ideal) run() float64 {
	s.open = rapid.Permutation(s.open).Draw(s.t, "order")
	if rapid.Bool().Draw(s.t, "copies first") {
		slices.SortStableFunc(s.open, func(a, b *item) int { return boolInt(b.how == copied) - boolInt(a.how == copied) })
	}
	for s.begin(); len(s.open) > 0; s.begin() {
		rates, next := s.rates(), math.Inf(1)
		for i, it := range s.open {
			if it.begun && rates[i] > 0 {
				next = min(next, it.left/rates[i])
			}
		}
		if math.IsInf(next, 1) {
			s.t.Fatalf("nothing goes on at %f", s.now)
		}
		s.now += next
		for i, it := range s.open {
			if it.begun {
				it.left -= next * rates[i]
			}
		}
	}
	return s.now
}

// begin lets all go on that can: to the next leg, with what that needs.
func (s *ideal) begin() {
	for again := true; again; {
		again = false
		for _, it := range s.open {
			if it.begun && it.left <= 1e-9 {
				s.end(it)
				again = true
			}
			for !it.begun && len(it.legs) > 0 && s.enter(it) {
				again = true
			}
		}
		s.open = slices.DeleteFunc(s.open, func(it *item) bool { return len(it.legs) == 0 })
	}
}

func (s *ideal) end(it *item) {
	if st := it.legs[0]; st.kind == "request" {
		s.free[it.at(st)]++
	}
	it.begun, it.legs = false, it.legs[1:]
}

func (it *item) at(st leg) int {
	if st.node < 0 {
		return it.from.node
	}
	return st.node
}

func (s *ideal) enter(it *item) bool {
	st := it.legs[0]
	switch st.kind {
	case "source":
		at := slices.IndexFunc(s.sources, func(source source) bool { return !source.copied || it.how != linkedClones })
		if at < 0 {
			return false
		}
		it.from = s.sources[at]
		s.sources = slices.Delete(s.sources, at, at+1)
		it.legs = it.legs[1:]
	case "free":
		s.sources = append(s.sources, it.from)
		it.legs = it.legs[1:]
	case "made":
		s.sources = append(s.sources, source{it.node, true})
		it.legs = it.legs[1:]
	case "request":
		if s.free[it.at(st)] == 0 {
			return false
		}
		s.free[it.at(st)]--
		it.begun, it.left = true, st.amount
	default:
		it.begun, it.left = true, st.amount
	}
	return true
}

// rates are how quickly what has begun goes on, as pvesim shares it.
func (s *ideal) rates() []float64 {
	working, streams := map[int]int{}, 0
	for _, it := range s.open {
		if it.begun && it.legs[0].kind == "work" {
			working[it.at(it.legs[0])]++
		} else if it.begun && it.legs[0].kind == "bytes" {
			streams++
		}
	}
	rates := make([]float64, len(s.open))
	for i, it := range s.open {
		if !it.begun {
			continue
		}
		switch st := it.legs[0]; st.kind {
		case "work":
			n := working[it.at(st)]
			rates[i] = s.Work(n) / float64(n)
		case "bytes":
			rates[i] = s.Shared.Throughput / float64(streams)
			if s.Shared.Stream > 0 {
				rates[i] = min(rates[i], s.Shared.Stream)
			}
			if math.IsInf(rates[i], 1) {
				rates[i] = math.MaxFloat64
			}
		default:
			rates[i] = 1
		}
	}
	return rates
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
