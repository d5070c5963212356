package reconciler

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory"
)

// faulty is a system that breaks in a way that nobody thought of.
type faulty struct {
	memory
	list, apply func()
}

func (f *faulty) List(ctx context.Context) (inventory.Listing, error) {
	f.list()
	return f.memory.List(ctx)
}

func (f *faulty) Apply(ctx context.Context, changes []inventory.Change, tell func(inventory.Event)) []inventory.Outcome {
	f.apply()
	return f.memory.Apply(ctx, changes, tell)
}

// A panic freezes what it is about, is told with its place and without what it was
// panicked with, and the next pass is made.
func TestAFaultOfOurOwn(t *testing.T) {
	const canary = "canary-in-a-panic"
	well, broken := func() {}, func() { panic("the token is " + canary) }
	var none []int
	for name, c := range map[string]struct {
		list, apply func()
		want        string
	}{
		"list":    {broken, well, "kind=string"},
		"apply":   {well, broken, "kind=string"},
		"runtime": {func() { _ = none[len(canary)] }, well, "index out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			system := &faulty{memory: memory{things: map[inventory.Key]inventory.Resource{}}, list: c.list, apply: c.apply}
			h := newHouse(map[string]string{"projects/a.yaml": project("a")})
			h.Systems["cri"] = Managed{System: system, Apply: ApplyAuto}
			h.Log, h.Retry = slog.New(slog.NewTextHandler(&log, nil)), func(int) Backoff { return Backoff{Stop: true} }
			pass := h.pass(t)
			if len(pass.Unknown) == 0 && pass.Failed() == 0 {
				t.Fatalf("the pass went well: %+v", pass.Results)
			}
			if !strings.Contains(log.String(), c.want) || !strings.Contains(log.String(), "fault_test.go") {
				t.Errorf("the log does not say where: %s", log.String())
			}
			shown := log.String()
			for _, s := range h.repo.last(pass.Commit) {
				shown += s.Description
			}
			if strings.Contains(shown, canary) {
				t.Errorf("what was panicked with is told: %s", shown)
			}
			system.list, system.apply = well, well
			if pass := h.pass(t); pass.Failed() > 0 || len(system.things) == 0 {
				t.Errorf("the next pass: %+v, %d things", pass.Results, len(system.things))
			}
		})
	}
}

// breaking is a policy that nobody thought of such a plan for.
type breaking struct{ when string }

func (b breaking) Check(_ context.Context, in PolicyInput) ([]Violation, error) {
	if in.Actor == b.when {
		panic("secret")
	}
	return nil, nil
}

// A request that provost breaks over is told so, and is no way to stop a campus.
func TestAFaultInARequest(t *testing.T) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a")})
	h.Policy = breaking{"eve"}
	h.repo.proposals = []Proposal{{ID: "!7", Commit: "feed", Author: "eve", Tree: h.repo.tree}, {ID: "!8", Commit: "beef", Author: "ada", Tree: h.repo.tree}}
	h.seenRequest(t.Context(), h.repo.proposals[0])
	if p := h.pass(t); !p.Converged() || len(p.Proposals) != 2 {
		t.Errorf("%+v", p)
	}
	told := "cannot go on with request !7: a fault in provost itself; its log says where"
	h.expect(t, "feed", "validate failed "+told, "plan canceled "+told, "policy canceled "+told)
	h.expect(t, "beef", "validate success", "plan success", "policy success")
}

// A pass that breaks is one pass less, and no more.
func TestAFaultInAPass(t *testing.T) {
	var log bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	n := 0
	r := &Reconciler{Log: slog.New(slog.NewTextHandler(&log, nil)), Turn: func(context.Context) (Turn, error) {
		if n++; n == 3 {
			stop()
		}
		panic("secret")
	}}
	trigger := make(chan struct{})
	close(trigger)
	r.Run(ctx, 0, trigger)
	if n != 3 || strings.Count(log.String(), `msg="a fault in provost itself"`) != 3 || strings.Contains(log.String(), "secret") {
		t.Errorf("%d passes: %s", n, log.String())
	}
}
