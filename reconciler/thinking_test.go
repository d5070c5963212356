package reconciler_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/policies"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

// thinkingCampus has room for as many guests as anybody wants to think about.
const thinkingCampus = `apiVersion: provost/v1
kind: Campus
name: isima
clusters:
  cri:
    vmids: 100000-9999999
    nodes: [pve1, pve2, pve3, pve4, pve5]
    defaults: {storage: vol-ceph-1, swap: 512}
networks:
  servers: {cluster: cri, bridge: vibr279, cidr: 10.0.0.0/8, gateway: 10.255.255.254, nameserver: 10.255.255.1}
  students: {cluster: cri, bridge: vibr285, cidr: 172.16.0.0/12, gateway: 172.31.255.254, dhcp: {system: ad}}
zones:
  etu.isima.fr: {system: ad, ttl: 1200}
  cri.local.isima.fr: {system: ad}
  10.in-addr.arpa: {system: ad}
`

const thinkingLimits = `apiVersion: provost/v1
kind: Limits
quotas:
  student:
    default: {guests: 1, cores: 4, memory: 12 GiB, disk: 50 GiB}
  project:
    default: {guests: 25, cores: 64, memory: 128 GiB, disk: 2 TiB}
  cohort:
    default: {guests: 500}
allow:
  - for: cohort/*
    storages: [vol-ceph-1]
    bridges: [vibr284, vibr285]
    bases: [debian12-cinnamon, "dirs-nfs:debian-*"]
    zones: [etu.isima.fr]
  - for: workspace/projects
    bridges: [vibr279]
    zones: [cri.local.isima.fr]
names:
  - for: cohort/*
    like: "vm-{student}"
  - for: project/*
    like: "*.cri.local.isima.fr"
`

const thinkingCohort = `apiVersion: provost/v1
kind: Cohort
title: Cohort %d
cluster: cri
template:
  kind: ct
  base: debian12-cinnamon
  cores: 4
  memory: 6144
  disk: 50
  bridge: students
  features: nesting=1
  tags: [bureau]
  pool: etudiants
  zone: etu.isima.fr
flavours:
  calcul: {memory: 12288, tags: [calcul]}
students:
`

const thinkingProject = `- hostname: srv%d-%d.cri.local.isima.fr
  description: Server %d of project %d
  base: dirs-nfs:debian-12-standard
  cores: 2
  memory: 2048
  disk: 20
  net0: servers
  ip: 10.%d.%d.%d/8
  features: nesting=1
  tags: [web]
  pool: projets
  onboot: true
  power: running
`

// situation is what there is to think about.
type situation struct {
	servers float64 // the share of guests that projects declare in full; the others are students'
	fresh   bool    // nothing stands yet, or everything is as it should be
	read    reading
}

// reading is what of the files the last pass has read.
type reading int

const (
	nothing reading = iota // this is the first pass
	most                   // a cohort and a project have changed since
	all                    // it was the same commit
)

// semester is nine students' machines for each server, as campuses are.
const semester = 0.1

var situations = map[string]situation{
	"unchanged":                    {servers: semester, read: all},
	"pushed":                       {servers: semester, read: most},
	"first pass":                   {servers: semester},
	"all new":                      {servers: semester, fresh: true},
	"declared in full, unchanged":  {servers: 1, read: all},
	"declared in full, first pass": {servers: 1},
	"declared in full, all new":    {servers: 1, fresh: true},
}

// thinkingTree is a campus of n guests, all of it YAML: students in cohorts of
// 500 with two lines each, one in five with a flavour, and servers of 14 lines
// each, 25 a project.
func thinkingTree(n int, share float64) projects.Tree {
	tree := projects.Tree{}
	put := func(path, text string) { tree[path] = projects.File{Data: []byte(text)} }
	put("campus.yaml", thinkingCampus)
	put("policies/limits.yaml", thinkingLimits)
	servers := int(float64(n) * share)
	for c, left := 0, n-servers; left > 0; c, left = c+1, left-500 {
		var b strings.Builder
		fmt.Fprintf(&b, thinkingCohort, c)
		for s := range min(left, 500) {
			fmt.Fprintf(&b, "- login: stud%dx%d\n  name: Hélène MARTIN-%d\n", c, s, s)
			if s%5 == 0 {
				b.WriteString("  flavour: calcul\n")
			}
		}
		put(fmt.Sprintf("cohorts/c%d.yaml", c), b.String())
	}
	for p, left := 0, servers; left > 0; p, left = p+1, left-25 {
		var b strings.Builder
		b.WriteString("cluster: cri\nct:\n")
		for s := range min(left, 25) {
			at := p*25 + s + 1
			fmt.Fprintf(&b, thinkingProject, p, s, s, p, at>>16, at>>8&255, at&255)
		}
		put(fmt.Sprintf("projects/p%d.yaml", p), b.String())
	}
	return tree
}

// observed is what a cluster has before anything of ours is on it.
func observed() []inventory.Resource {
	live := []inventory.Resource{
		{Key: "cri/template/9000", Attrs: inventory.Attrs{"type": "lxc", "name": "debian12-cinnamon", "node": "pve1", "disk": "12", "storage": "vol-ceph-1"}},
	}
	for i := range 5 {
		node := fmt.Sprintf("pve%d", i+1)
		live = append(live,
			inventory.Resource{Key: inventory.Key("cri/node/" + node), Attrs: inventory.Attrs{"status": "online", "cores": "64", "memory": "1000000000", "used": "0"}},
			inventory.Resource{Key: inventory.Key("cri/storage/" + node + "/vol-ceph-1"), Attrs: inventory.Attrs{"size": "100000000", "used": "0", "shared": "1"}})
	}
	return live
}

// asDesired is what the systems would list once everything desired is done.
func asDesired(d projects.Desired) []inventory.Resource {
	live := observed()
	for _, r := range d.Resources {
		r = r.Clone()
		r.Needs = nil
		maps.DeleteFunc(r.Attrs, func(name, _ string) bool { return inventory.CreateOnly(name) })
		if r.Key.Kind() == inventory.KindPower {
			r.Attrs["boot"] = "done"
		}
		live = append(live, r)
	}
	slices.SortFunc(live, func(a, b inventory.Resource) int { return strings.Compare(string(a.Key), string(b.Key)) }) // as a pass does
	return live
}

// stage is one part of thinking, in the order of a pass.
type stage int

const (
	decode stage = iota
	expand
	diff
	judge
	order
	stages
)

var stageNames = [stages]string{"decode", "expand", "diff", "policy", "order"}

// thinker makes the part of a pass that asks nobody anything.
type thinker struct {
	situation
	tree   projects.Tree // the files as they are written
	commit projects.Tree // the files as they are in the newest commit
	pushes int
	memory projects.Memory
	live   []inventory.Resource
	engine *policies.Engine
}

// newThinker has its rules compiled: a daemon does that when they change, and not in every pass.
func newThinker(tb testing.TB, n int, s situation) *thinker {
	tb.Helper()
	t := &thinker{situation: s, tree: thinkingTree(n, s.servers), live: observed(), engine: policies.New(slog.New(slog.DiscardHandler))}
	t.commit = t.tree
	if !s.fresh {
		t.live = asDesired(t.memory.Load(t.tree).Desired(t.live))
	}
	if _, err := t.engine.Check(tb.Context(), reconciler.PolicyInput{Rules: t.tree}); err != nil {
		tb.Fatal(err)
	}
	return t
}

// thought is what a pass thinks.
type thought struct {
	campus     *projects.Campus
	desired    projects.Desired
	plan       plan.Plan
	violations []reconciler.Violation
	ready      int
}

// think does all stages as [reconciler.Reconciler.RunOnce] does them, each within a call of around.
func (t *thinker) think(ctx context.Context, around func(stage, func())) (th thought, err error) {
	around(decode, func() {
		switch t.read {
		case nothing:
			t.memory = projects.Memory{}
		case most:
			t.push()
		}
		th.campus = t.memory.Load(t.commit)
	})
	around(expand, func() { th.desired = th.campus.Desired(t.live) })
	around(diff, func() {
		p := plan.Diff(plan.Input{Desired: th.desired.Resources, Live: t.live, Unknown: th.desired.Frozen, FrozenFiles: th.desired.Files})
		p = plan.Guard(p, t.live, plan.Declared{Files: th.desired.Files, Units: th.desired.Units}, plan.DefaultLimits)
		th.plan = p.BlockDependants()
	})
	around(judge, func() {
		th.violations, err = t.engine.Check(ctx, reconciler.PolicyInput{
			Rules: t.tree, Plan: th.plan, Desired: th.desired.Resources, Live: t.live, Actor: "Camille <camille@isima.fr>", Time: time.Unix(0, 0),
		})
	})
	around(order, func() { th.ready = reconciler.Order(th.plan.BlockDependants()) })
	return th, err
}

// push makes a commit that changes a cohort and a project. It declares what they
// declared before, which only reading shows.
func (t *thinker) push() {
	t.pushes++
	t.commit = maps.Clone(t.commit)
	for _, path := range []string{"cohorts/c0.yaml", "projects/p0.yaml"} {
		t.commit[path] = projects.File{Data: fmt.Appendf(slices.Clone(t.tree[path].Data), "# push %d\n", t.pushes)}
	}
}

// check ends a test whose campus was not thought through.
func (th thought) check(tb testing.TB, err error, n int, fresh bool) {
	tb.Helper()
	guests := th.plan.Count().Actions[inventory.Create]
	switch {
	case err != nil:
		tb.Fatal(err)
	case len(th.desired.Problems) > 0:
		tb.Fatal(th.desired.Problems[0])
	case len(th.violations) > 0:
		tb.Fatal(th.violations[0])
	case fresh && guests < 3*n, !fresh && len(th.plan.Steps) > 0:
		tb.Fatalf("%d guests give a plan of %d steps", n, len(th.plan.Steps))
	case len(th.plan.BlockedSteps()) > 0:
		tb.Fatalf("blocked: %+v", th.plan.BlockedSteps()[0])
	}
}

// decodeOnly does what any program must that reads these files with this
// library, and keeps what it has read. Values are what goals are held against: a
// program that wants to know what a file says ends with values, and cannot do with
// less. Decoding into nodes, as decoding begins here too, is printed beside it.
func decodeOnly(tree projects.Tree, target func() any) error {
	files := make([]any, 0, len(tree))
	for path, f := range tree {
		loader, err := yaml.NewLoader(bytes.NewReader(f.Data))
		if err != nil {
			return err
		}
		file := target()
		if err := loader.Load(file); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("%s: %w", path, err)
		}
		files = append(files, file)
	}
	runtime.KeepAlive(files)
	return nil
}

// decodedAlone is what decoding a campus costs where nothing else is done, and no
// thought of it is in memory: a larger heap is looked through less often.
func decodedAlone(tb testing.TB, n int, s situation, target func() any) cost {
	tb.Helper()
	tree, measure := thinkingTree(n, s.servers), measuring(n)
	runs := make([]cost, 3)
	for i := range runs {
		var err error
		runs[i] = measure(func() { err = decodeOnly(tree, target) })
		if err != nil {
			tb.Fatal(err)
		}
	}
	return least(runs)
}

// plainFile is what the files would be decoded into by the shortest program.
type plainFile struct {
	APIVersion, Kind, Title, Cluster string
	Template                         map[string]any
	Flavours                         map[string]map[string]any
	Students, CT                     []map[string]any
	Rest                             map[string]any `yaml:",inline"`
}

func intoNodes() any  { return new(yaml.Node) }
func intoValues() any { return new(plainFile) }

// cost is what some work took of the processor, garbage collection included,
// and of memory. Neither depends on what else the machine does.
type cost struct {
	cpu   time.Duration
	bytes uint64
}

func measure(work func()) cost {
	// On one processor: on idle ones the collector would work ahead, and count.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := cpuTime()
	work()
	cpu := cpuTime() - start
	runtime.ReadMemStats(&after)
	return cost{cpu, after.TotalAlloc - before.TotalAlloc}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it cannot fail with these arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// least is the cheapest of several runs: what others do on a machine, and to its
// caches, only ever adds.
func least(runs []cost) cost {
	return slices.MinFunc(runs, func(a, b cost) int { return cmp.Compare(a.cpu, b.cpu) })
}

func (c cost) plus(d cost) cost { return cost{c.cpu + d.cpu, c.bytes + d.bytes} }

func (c cost) per(n int) string {
	return fmt.Sprintf("%6.1f µs %6.1f kB", float64(c.cpu.Microseconds())/float64(n), float64(c.bytes)/float64(n)/1024)
}

// measuring measures work on some guests. A small campus is thought through more
// often, as many guests in all: once over a thousand would end before the garbage
// collector begins.
func measuring(guests int) func(work func()) cost {
	repeat := max(1, 10_000/guests)
	return func(work func()) cost {
		c := measure(func() {
			for range repeat {
				work()
			}
		})
		return cost{c.cpu / time.Duration(repeat), c.bytes / uint64(repeat)}
	}
}

// study thinks a campus through several times and gives the least cost of each
// stage, of the whole, and of decoding alone.
func study(t *testing.T, n int, s situation) map[string]cost {
	t.Helper()
	measure := measuring(n)
	costs := map[string][]cost{"values": {decodedAlone(t, n, s, intoValues)}}
	thinker := newThinker(t, n, s)
	note := func(name string, c cost) { costs[name] = append(costs[name], c) }
	for range 2 {
		var whole cost
		th, err := thinker.think(t.Context(), func(at stage, work func()) {
			c := measure(work)
			note(stageNames[at], c)
			whole = whole.plus(c)
		})
		th.check(t, err, n, s.fresh)
		note("whole", whole)
	}
	cheapest := map[string]cost{}
	for name, runs := range costs {
		cheapest[name] = least(runs)
	}
	return cheapest
}

// Goals, and what is asked of a machine that has other things to do. Processor
// time is measured with its noise, and a large heap fits no cache.
const (
	mostGrowth    = 11 // of memory, where the guests are ten times as many
	mostSlowdown  = 16 // of processor time
	mostUnchanged = 3  // times what decoding into values takes
	mostPushed    = 3
	mostFirst     = 4.5
	mostNew       = 4
)

// TestThinkingGrowsWithTheCampus holds thinking to linear growth, and to a few
// times what decoding alone takes. It prints what docs/performance.md says.
func TestThinkingGrowsWithTheCampus(t *testing.T) {
	const small, large = 1_000, 10_000
	for name, most := range map[string]float64{"unchanged": mostUnchanged, "pushed": mostPushed, "first pass": mostFirst, "all new": mostNew} {
		s := situations[name]
		t.Run(name, func(t *testing.T) {
			few, many := study(t, small, s), study(t, large, s)
			t.Logf("%22d guests %18d guests", small, large)
			for _, stage := range append(stageNames[:], "whole", "values") {
				t.Logf("%8s %s   %s   a guest", stage, few[stage].per(small), many[stage].per(large))
			}
			t.Logf("the whole takes %.1f times what decoding into values takes, %.1f times of %d guests",
				times(few["whole"].cpu, few["values"].cpu), times(many["whole"].cpu, many["values"].cpu), large)
			if ratio := times(many["whole"].cpu, many["values"].cpu); ratio > most {
				t.Errorf("the whole takes %.1f times what decoding into values takes, more than %.1f", ratio, most)
			}
			if grown := times(many["whole"].bytes, few["whole"].bytes); grown > mostGrowth {
				t.Errorf("ten times the guests take %.1f times the memory", grown)
			}
			if grown := times(many["whole"].cpu, few["whole"].cpu); grown > mostSlowdown {
				t.Errorf("ten times the guests take %.1f times the processor time", grown)
			}
		})
	}
}

func times[T time.Duration | uint64](a, b T) float64 { return float64(a) / float64(b) }

// TestThinkingFitsIntoMemory looks at the heap all through a pass over 10,000
// guests, of which all are new, with everything the pass holds still held.
func TestThinkingFitsIntoMemory(t *testing.T) {
	const n, most = 10_000, 256 << 20
	for _, name := range []string{"unchanged", "all new"} {
		s := situations[name]
		t.Run(name, func(t *testing.T) {
			thinker := newThinker(t, n, s)
			runtime.GC()
			var th thought
			var err error
			peak := watchHeap(func() {
				th, err = thinker.think(t.Context(), func(_ stage, work func()) { work() })
			})
			th.check(t, err, n, s.fresh)
			t.Logf("the heap grows to %d MiB", peak>>20)
			if peak > most {
				t.Errorf("%d guests take %d MiB, more than %d", n, peak>>20, most>>20)
			}
		})
	}
}

// watchHeap is the largest heap seen during some work, garbage included.
func watchHeap(work func()) (peak uint64) {
	done, seen := make(chan struct{}), make(chan uint64)
	go func() {
		heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		var most uint64
		for ticker := time.NewTicker(time.Millisecond); ; {
			metrics.Read(heap)
			most = max(most, heap[0].Value.Uint64())
			select {
			case <-done:
				ticker.Stop()
				seen <- most
				return
			case <-ticker.C:
			}
		}
	}()
	work()
	close(done)
	return <-seen
}
