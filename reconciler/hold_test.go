package reconciler

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler/plan"
)

// asking is a policy that wants an approval of some changes.
type asking struct {
	of   func(inventory.Change) bool
	err  error
	seen []plan.Plan
}

func (a *asking) Check(_ context.Context, in PolicyInput) ([]Violation, error) {
	a.seen = append(a.seen, in.Plan)
	var keys []inventory.Key
	for _, c := range in.Plan.Ready() {
		if a.of(c) {
			keys = append(keys, c.Key)
		}
	}
	if len(keys) == 0 || a.err != nil {
		return nil, a.err
	}
	return []Violation{{Rule: "campus.gpu", Level: LevelHold, Message: "needs an approval: it is large", Keys: keys}}, nil
}

// askingHouse is a house of machines a and b, of which b needs an approval.
func askingHouse(t *testing.T) (*house, *asking) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a", "b")})
	policy := &asking{of: func(c inventory.Change) bool { return strings.Contains(string(c.Key), "/guest/b.") }}
	h.Policy = policy
	h.Approvals = NewApprovals(filepath.Join(t.TempDir(), "approvals"), time.Now)
	return h, policy
}

func (h *house) has(key inventory.Key) bool { return h.cri.things[key].Key != "" }

const b inventory.Key = "cri/guest/b.isima.fr"

// A rule that wants an approval holds exactly that and what needs it, says so with
// the hash, and lets it go once it is approved.
func TestARuleHoldsUntilItIsApproved(t *testing.T) {
	h, policy := askingHouse(t)
	p := h.pass(t)
	if h.has(b) || !h.has("cri/guest/a.isima.fr") {
		t.Fatalf("made %v", h.cri.things)
	}
	held := p.Plan.Held
	if held == nil || held.Count != 1 || held.By != "" {
		t.Fatalf("held: %+v", held)
	}
	at := slices.IndexFunc(p.Plan.Steps, func(s plan.Step) bool { return s.Key == b })
	if s := p.Plan.Steps[at]; s.Gate != plan.GateApproval || s.Reason != "needs an approval: it is large" {
		t.Errorf("held as %q: %s", s.Gate, s.Reason)
	}
	h.expect(t, head, "plan failed 1 held back, approve "+held.Hash+": needs an approval: it is large",
		"policy failed needs an approval: it is large", "apply failed needs an approval")
	if seen := policy.seen[len(policy.seen)-1]; slices.ContainsFunc(seen.Ready(), func(c inventory.Change) bool { return c.Key == b || slices.Contains(c.After.Needs, b) }) {
		t.Error("the rules took what is held back for done")
	}
	if again := h.pass(t); again.Plan.Held.Hash != held.Hash {
		t.Error("the same plan has another hash")
	}
	if err := h.Approvals.Give(held.Hash, "camille"); err != nil {
		t.Fatal(err)
	}
	p = h.pass(t)
	if !h.has(b) || !h.has("cri/power/b.isima.fr") || p.Plan.Held.By != "camille" {
		t.Fatalf("not made: %v", p.Plan.BlockedSteps())
	}
	h.expect(t, head, "plan success approved by camille", "policy success it is large; approved by camille", "apply success")
	if p = h.pass(t); !p.Converged() || p.Plan.Held != nil || len(h.Approvals.all()) != 0 {
		t.Errorf("then: %v, approvals %v", p.Plan, h.Approvals.all())
	}
	h.expect(t, head, "policy success no rule objects")
}

// An approval is of one plan: another machine, a larger one, or one more, and it is void.
func TestAnApprovalOfARuleIsForOnePlan(t *testing.T) {
	for name, c := range map[string]struct {
		then string
		want inventory.Key
	}{
		"a larger one": {strings.Replace(project("a", "b"), "cores: 1, memory: 512, disk: 8, net0: lan, ip: 10.0.0.11", "cores: 9, memory: 512, disk: 8, net0: lan, ip: 10.0.0.11", 1), b},
		"one more":     {project("a", "b", "bb"), b},
		"another":      {strings.ReplaceAll(project("a", "b"), "b.isima.fr", "c.isima.fr"), "cri/guest/c.isima.fr"},
	} {
		t.Run(name, func(t *testing.T) {
			h, policy := askingHouse(t)
			policy.of = func(c inventory.Change) bool {
				return c.Key.Kind() == inventory.KindGuest && !strings.Contains(string(c.Key), "/a.")
			}
			first := h.pass(t).Plan.Held
			if err := h.Approvals.Give(first.Hash, "camille"); err != nil {
				t.Fatal(err)
			}
			h.repo.tree = tree(map[string]string{"projects/a.yaml": c.then})
			p := h.pass(t)
			if p.Plan.Held == nil || p.Plan.Held.Hash == first.Hash || p.Plan.Held.By != "" || h.has(c.want) {
				t.Errorf("held %+v, made %v", p.Plan.Held, h.cri.things)
			}
		})
	}
}

// While the rules cannot be asked nothing goes, approved or not; a denial is no
// matter of approval.
func TestNoApprovalOfWhatIsDenied(t *testing.T) {
	h, policy := askingHouse(t)
	hash := h.pass(t).Plan.Held.Hash
	if err := h.Approvals.Give(hash, "camille"); err != nil {
		t.Fatal(err)
	}
	policy.err = errors.New("policies/x.rego:3: nonsense")
	if p := h.pass(t); h.has(b) || p.Error == "" || p.Plan.Held != nil {
		t.Fatalf("held %+v, error %q, made %v", p.Plan.Held, p.Error, h.cri.things)
	}
	policy.err = nil
	h.Policy = both{policy, &rules{deny: func(c inventory.Change) string {
		if c.Key == b {
			return "never"
		}
		return ""
	}}}
	if p := h.pass(t); h.has(b) || p.Plan.Held != nil {
		t.Fatalf("held %+v, made %v", p.Plan.Held, h.cri.things)
	}
	h.expect(t, head, "policy failed never")
}

// both is two policies.
type both [2]Policy

func (p both) Check(ctx context.Context, in PolicyInput) ([]Violation, error) {
	x, err := p[0].Check(ctx, in)
	y, err2 := p[1].Check(ctx, in)
	return slices.Concat(y, x), errors.Join(err, err2)
}

// What the guard and a rule hold back is one plan with one hash, and the same one
// before and after it is approved, though the rules judge what the guard holds back
// only then.
func TestTheGuardAndARuleShareAHash(t *testing.T) {
	names := strings.Split("abcdefghij", "")
	h, policy := askingHouse(t)
	policy.of = func(inventory.Change) bool { return false }
	h.repo.tree = tree(map[string]string{"projects/a.yaml": project(names...)})
	h.pass(t)
	// Five go, and a rule wants an approval of any that goes, and of a new one.
	policy.of = func(c inventory.Change) bool {
		return plan.Retires(c) || c.Key == "cri/guest/new.isima.fr"
	}
	h.repo.tree = tree(map[string]string{"projects/a.yaml": project(append(names[:5:5], "new")...)})
	p := h.pass(t)
	held := p.Plan.Held
	if held == nil || held.Count != 6+countGuarded(p.Plan) {
		t.Fatalf("held %+v: %v", held, p.Plan.BlockedSteps())
	}
	if err := h.Approvals.Give(held.Hash, "camille"); err != nil {
		t.Fatal(err)
	}
	p = h.pass(t)
	if p.Plan.Held.Hash != held.Hash || p.Plan.Held.By != "camille" || !h.has("cri/guest/new.isima.fr") || len(p.Plan.BlockedSteps()) > 0 {
		t.Fatalf("held %+v: %v", p.Plan.Held, p.Plan.BlockedSteps())
	}
	if p = h.pass(t); !p.Converged() {
		t.Errorf("then %v", p.Plan)
	}
}

// countGuarded is what else than guests the guard holds back.
func countGuarded(p plan.Plan) int {
	n := 0
	for _, s := range p.Steps {
		if s.Gate == plan.GateGuard && s.Key.Kind() != inventory.KindGuest {
			n++
		}
	}
	return n
}

// Half of an approved plan fails: the rest needs no approval of its own.
func TestAnApprovalOutlivesAFailure(t *testing.T) {
	h, policy := askingHouse(t)
	policy.of = func(c inventory.Change) bool { return c.Key.Kind() == inventory.KindGuest }
	if err := h.Approvals.Give(h.pass(t).Plan.Held.Hash, "camille"); err != nil {
		t.Fatal(err)
	}
	h.Systems["cri"] = Managed{System: &failing{memory: h.cri, key: b}, Apply: ApplyAuto, Prune: true}
	h.Retry = func(int) Backoff { return Backoff{} }
	if h.pass(t); h.has(b) || !h.has("cri/guest/a.isima.fr") {
		t.Fatalf("made %v", h.cri.things)
	}
	h.Systems["cri"] = Managed{System: h.cri, Apply: ApplyAuto, Prune: true}
	if p := h.pass(t); !h.has(b) {
		t.Errorf("held %+v", p.Plan.Held)
	}
}

// failing fails one change.
type failing struct {
	*memory
	key inventory.Key
}

func (f *failing) Apply(ctx context.Context, changes []inventory.Change, tell func(inventory.Event)) []inventory.Outcome {
	if len(changes) == 1 && changes[0].Key == f.key {
		return []inventory.Outcome{{Key: f.key, State: inventory.StateFailed, Error: "no"}}
	}
	return f.memory.Apply(ctx, changes, tell)
}

// A fork's plan is made from what is declared. It shows no hash, and none opens
// it, not even that of the same plan by somebody of the project.
func TestAForksPlanCannotBeApproved(t *testing.T) {
	h, policy := askingHouse(t)
	policy.of = func(inventory.Change) bool { return false }
	names := strings.Split("abcdefghij", "")
	h.repo.tree = tree(map[string]string{"projects/a.yaml": project(names...)})
	h.pass(t)
	policy.of = func(c inventory.Change) bool { return c.Key == "cri/guest/new.isima.fr" }
	for name, c := range map[string]struct{ machines []string }{
		"five go":                  {names[:5]},
		"a rule wants an approval": {append(slices.Clone(names), "new")},
	} {
		t.Run(name, func(t *testing.T) {
			request := Proposal{ID: "!1", Commit: "feed", Author: "eve", Tree: tree(map[string]string{"projects/a.yaml": project(c.machines...)}), Changed: []string{"projects/a.yaml"}}
			ours := request
			ours.Commit = "beef"
			h.repo.proposals = []Proposal{ours}
			held := h.pass(t).Proposals[0].Plan.Held
			if held == nil || held.Hash == "" {
				t.Fatal("nothing is held back")
			}
			if err := h.Approvals.Give(held.Hash, "camille"); err != nil {
				t.Fatal(err)
			}
			h.pass(t)
			h.expect(t, "beef", "plan success approved by camille")
			request.Fork = true
			h.repo.proposals = []Proposal{request}
			answer := h.pass(t).Proposals[0]
			if answer.Plan.Held != nil || !slices.ContainsFunc(answer.Plan.Steps, func(s plan.Step) bool { return s.Gate == plan.GateGuard || s.Gate == plan.GateApproval }) {
				t.Errorf("held %+v, steps %v", answer.Plan.Held, answer.Plan.Steps)
			}
			h.expect(t, "feed", "plan failed held back; a fork's plan cannot be approved, the branch's can once it is merged: ")
			for _, s := range h.repo.statuses["feed"] {
				if strings.Contains(s.Description, held.Hash) || strings.Contains(s.Description, "camille") {
					t.Errorf("a fork is told %q", s.Description)
				}
			}
		})
	}
}
