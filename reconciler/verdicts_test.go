package reconciler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler/plan"
)

// told are the statuses of one context on the head that differ from the one before.
func (h *house) told(name string) []string {
	var out []string
	var last Status
	for _, s := range h.repo.statuses[head] {
		if s.Context == name && s != last {
			out = append(out, fmt.Sprintf("%s %s", s.State, s.Description))
			last = s
		}
	}
	return out
}

// stubborn is a system that refuses every change, or does what a test says first.
type stubborn struct {
	*memory
	list  func()
	apply func(inventory.Change) inventory.State
	lists inventory.Listing
}

func (s *stubborn) List(ctx context.Context) (inventory.Listing, error) {
	if s.list != nil {
		s.list()
	}
	if err := ctx.Err(); err != nil {
		return inventory.Listing{}, err
	}
	l, err := s.memory.List(ctx)
	l.Unknown = append(l.Unknown, s.lists.Unknown...)
	return l, err
}

func (s *stubborn) Apply(ctx context.Context, changes []inventory.Change, tell func(inventory.Event)) []inventory.Outcome {
	if s.apply == nil {
		return s.memory.Apply(ctx, changes, tell)
	}
	var out []inventory.Outcome
	for _, c := range changes {
		state := s.apply(c)
		if state == inventory.StateDone {
			s.memory.Apply(ctx, []inventory.Change{c}, tell)
		}
		out = append(out, inventory.Outcome{Key: c.Key, State: state, Error: "as told"})
	}
	return out
}

func (h *house) replaceCri() *stubborn {
	s := &stubborn{memory: h.cri}
	h.Systems["cri"] = Managed{System: s, Apply: ApplyAuto, Prune: true}
	return s
}

func TestAPublishedPassIsNeverChanged(t *testing.T) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a", "b"), "projects/b.yaml": "cluster: nope\n"})
	h.repo.proposals = []Proposal{
		{ID: "!1", Commit: "1111111111111111", Tree: tree(map[string]string{"projects/a.yaml": project("a")})},
		{ID: "!2", Commit: "2222222222222222", Problem: "rebase"},
	}
	var passes []*Pass
	var texts []string
	h.History = func(p *Pass) {
		text, err := json.Marshal(p)
		if err != nil {
			t.Error(err)
		}
		passes, texts = append(passes, p), append(texts, string(text))
	}
	h.pass(t)
	for i, p := range passes {
		if text, _ := json.Marshal(p); string(text) != texts[i] {
			t.Errorf("stage %s was published as\n%s\nand is now\n%s", p.Stage, texts[i], text)
		}
	}
}

// TestANewCommitIsAnsweredBeforeAnythingIsAsked holds the pass to a word on each
// answer while the first system is still being read, and to none on a commit
// that has its verdict.
func TestANewCommitIsAnsweredBeforeAnythingIsAsked(t *testing.T) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a")})
	h.Answered = "0123456789abcdef" // by a pass over another commit
	var early []Status
	h.replaceCri().list = func() { early = slices.Clone(h.repo.statuses[head]) }
	h.pass(t)
	var names []string
	for _, s := range early {
		if names = append(names, s.Context); s.State != StatusPending || s.Description != msgSeen {
			t.Errorf("first word: %v", s)
		}
	}
	if !slices.Equal(names, answers) {
		t.Errorf("first words on %q, want %q", names, answers)
	}
	h.pass(t)
	if got := h.told(ContextPlan); len(got) != 3 || strings.HasPrefix(got[2], "pending") {
		t.Errorf("two passes told %q", got)
	}
}

func TestAStopWhileReadingIsNoVerdict(t *testing.T) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a")})
	ctx, stop := context.WithCancel(t.Context())
	h.replaceCri().list = stop
	h.RunOnce(ctx)
	if len(h.repo.statuses) > 0 {
		t.Errorf("a stopped pass wrote %v", h.repo.statuses)
	}
}

func TestAStopWhileApplyingSaysWhatIsLeft(t *testing.T) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a", "b")})
	ctx, stop := context.WithCancel(t.Context())
	h.replaceCri().apply = func(inventory.Change) inventory.State { stop(); return inventory.StateDone }
	p, err := h.RunOnce(ctx)
	if err != nil || p.Converged() {
		t.Fatalf("converged: %v, error %v", p.Converged(), err)
	}
	h.expect(t, head, "validate success", "apply pending stopped")
}

func TestAStopAfterTheLastChangeIsAVerdict(t *testing.T) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a")})
	ctx, stop := context.WithCancel(t.Context())
	h.replaceCri().apply = func(c inventory.Change) inventory.State {
		if c.Key.Kind() == inventory.KindPower {
			stop()
		}
		return inventory.StateDone
	}
	if p, err := h.RunOnce(ctx); err != nil || !p.Converged() {
		t.Fatalf("%+v, error %v", p, err)
	}
	h.expect(t, head, "apply success 1 guest, 1 record: applied")
}

func TestWhatLastsIsToldOnce(t *testing.T) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a")})
	h.replaceCri().apply = func(inventory.Change) inventory.State { return inventory.StateFailed }
	for range 5 {
		h.pass(t)
	}
	want := []string{ // the record was made by the first pass
		"running applying 3 changes",
		"failed 1 of 3 changes failed: cri/guest/a.isima.fr: as told",
		"failed 1 of 2 changes failed: cri/guest/a.isima.fr: as told",
	}
	if got := h.told(ContextApply); !slices.Equal(got, want) {
		t.Errorf("five passes with the same failure told %q, want %q", got, want)
	}
}

func TestErrorsThatLastAreToldOnce(t *testing.T) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a", "b"), "projects/z.yaml": "cluster: nope\n"})
	h.repo.tree["campus.yaml"] = changed(h.repo.tree["campus.yaml"], "20000-20999", "20000-20000") // room for one, as only the live state shows
	for range 3 {
		h.pass(t)
	}
	if got := h.told(ContextValidate); len(got) != 2 || got[0] == got[1] {
		t.Errorf("three passes with the same errors told %q", got)
	}
}

func TestARequestIsJudgedAsItsAuthors(t *testing.T) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a")})
	h.repo.proposals = []Proposal{{ID: "!1", Author: "rapamato", Commit: "1111111111111111", Tree: tree(map[string]string{"projects/a.yaml": project("a", "b")})}}
	h.pass(t)
	if got := h.rules.seen[1].Actor; got != "rapamato" {
		t.Errorf("the request is judged as one of %q", got)
	}
}

func TestAGuestThatMayNotGoIsNotStopped(t *testing.T) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a", "b")})
	h.pass(t)
	h.repo.tree = tree(map[string]string{"projects/a.yaml": project("a")})
	h.rules.deny = func(c inventory.Change) string {
		if c.Key == "cri/guest/b.isima.fr" {
			return "not in term"
		}
		return ""
	}
	h.pass(t)
	for _, key := range []inventory.Key{"cri/guest/b.isima.fr", "cri/power/b.isima.fr"} {
		if _, ok := h.cri.things[key]; !ok {
			t.Errorf("%s is gone", key)
		}
	}
}

// A machine moved into a file that cannot be read is declared nowhere; it must
// not be taken for one that may go.
func TestAMoveIntoABrokenFileDeletesNothing(t *testing.T) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a", "b"), "projects/z.yaml": "cluster: cri\nct: []\n"})
	h.pass(t)
	h.repo.tree = tree(map[string]string{"projects/a.yaml": project("a"), "projects/z.yaml": project("b") + "  nonsense"})
	p := h.pass(t)
	for _, key := range []inventory.Key{"cri/guest/b.isima.fr", "cri/power/b.isima.fr"} {
		if _, ok := h.cri.things[key]; !ok {
			t.Errorf("%s is gone", key)
		}
	}
	if !slices.ContainsFunc(p.Plan.BlockedSteps(), func(s plan.Step) bool { return strings.Contains(s.Reason, "projects/z.yaml") }) {
		t.Errorf("nobody is told why: %+v", p.Plan.BlockedSteps())
	}
}

func TestWhatIsUnreadIsToldInOneOrder(t *testing.T) {
	h := newHouse(nil)
	cri := h.replaceCri()
	cri.lists.Unknown = []inventory.Unknown{{Prefix: "cri/guest/b", Reason: "no"}, {Prefix: "cri/guest/a", Reason: "no"}}
	for range 2 {
		h.pass(t)
		slices.Reverse(cri.lists.Unknown)
	}
	if got := h.told(ContextPlan); len(got) != 1 {
		t.Errorf("two passes told %q", got)
	}
}

func TestAPolicyErrorIsToldInFull(t *testing.T) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a")})
	h.rules.err = errors.New("x.rego:3: no such function")
	h.pass(t)
	h.expect(t, head, "apply failed 3 of 3 changes wait: cannot judge")
}

func changed(f projects.File, old, new string) projects.File {
	f.Data = []byte(strings.ReplaceAll(string(f.Data), old, new))
	return f
}
