package reconciler

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler/plan"
)

// heldBack is what the guard holds back of a plan that is made of these steps.
func heldBack(steps ...string) plan.Held {
	held := plan.Held{Steps: map[inventory.Key]string{}, Count: len(steps)}
	sum := ""
	for _, s := range slices.Sorted(slices.Values(steps)) {
		held.Steps[inventory.Key("cri/guest/"+s)] = s
		sum += s
	}
	held.Hash = fmt.Sprintf("%032x", []byte(sum))[:32]
	return held
}

func planned(held plan.Held) func() map[string]bool {
	return func() map[string]bool {
		all := map[string]bool{}
		for _, s := range held.Steps {
			all[s] = true
		}
		return all
	}
}

// An approval counts for its plan until that begins, and from then on for what
// is left of it and nothing else. What was done is not approved again.
func TestApprovalIsForOnePlan(t *testing.T) {
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	open := func(dir string) *Approvals { return NewApprovals(dir, func() time.Time { return now }) }
	dir := filepath.Join(t.TempDir(), "approvals")
	a := open(dir)
	lets := func(want bool, steps ...string) {
		t.Helper()
		if _, got := open(dir).find(heldBack(steps...)); got != want {
			t.Errorf("%v: %v, want %v", steps, got, want)
		}
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	lets(false, "a", "b", "c")
	all := heldBack("a", "b", "c")
	check(a.Give(all.Hash, "camille"))
	lets(true, "a", "b", "c")
	lets(false, "a", "b") // before it begins, fewer is another plan too
	lets(false, "a", "b", "c", "d")
	check(a.begin(all))
	lets(true, "a", "b", "c")
	lets(true, "b", "c") // cut off after a
	lets(false, "b", "c", "d")
	check(a.strike(planned(heldBack("b", "c"))))
	lets(true, "c")
	lets(false, "a", "b", "c") // a was done: not once more
	check(a.strike(planned(heldBack("x"))))
	lets(false, "b", "c")
	if left, _ := filepath.Glob(filepath.Join(dir, "*.json")); len(left) > 0 {
		t.Errorf("what is used up is still there: %v", left)
	}
	check(a.Give(all.Hash, "camille"))
	now = now.Add(approvalLife)
	lets(false, "a", "b", "c")
	check(a.strike(func() map[string]bool { t.Error("it was asked what is planned, for nothing"); return nil }))
	if left, _ := filepath.Glob(filepath.Join(dir, "*.json")); len(left) > 0 {
		t.Errorf("what is too old is still there: %v", left)
	}
}

func TestApprovalsAreChecked(t *testing.T) {
	dir := t.TempDir()
	a := NewApprovals(dir, time.Now)
	for _, hash := range []string{"", "abc", strings.Repeat("g", 32), "../" + strings.Repeat("0", 29), strings.Repeat("0", 33)} {
		if err := a.Give(hash, "camille"); err == nil {
			t.Errorf("%q was taken for a hash", hash)
		}
	}
	held := heldBack("a")
	if err := a.Give(held.Hash, ""); err == nil {
		t.Error("nobody was taken for somebody")
	}
	// A file that is damaged, or not what its name says, approves nothing.
	for name, text := range map[string]string{
		held.Hash + ".json":   "{",
		held.Hash + "-7.json": `{"hash":"` + held.Hash + `","by":"eve","at":"2126-01-01T00:00:00Z"}`,
		"x.json":              `{"hash":"` + held.Hash + `","by":"eve","at":"2126-01-01T00:00:00Z"}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if one, ok := a.find(held); ok {
		t.Errorf("approved by %s", one.By)
	}
}

// Of a merge request only an approver's consent counts, of this head, given
// after the plan was shown, and as long as it stands.
func TestHear(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 11, 21, 9, minute, 0, 0, time.UTC) }
	ada := Approval{User: "Ada", Commit: "c1", At: at(5)}
	type pass struct {
		commit string
		steps  string // held back; "" for nothing
		given  []Approval
		want   string // who has approved then
	}
	for name, passes := range map[string][]pass{
		"after it was shown":         {{"c1", "ab", nil, ""}, {"c1", "ab", []Approval{ada}, "Ada on !7"}, {"c1", "ab", []Approval{ada}, "Ada on !7"}},
		"before it was shown":        {{"c1", "ab", []Approval{ada}, ""}, {"c1", "ab", []Approval{ada}, ""}},
		"given anew":                 {{"c1", "ab", []Approval{ada}, ""}, {"c1", "ab", []Approval{{"Ada", "c1", at(9)}}, "Ada on !7"}},
		"taken back":                 {{"c1", "ab", nil, ""}, {"c1", "ab", []Approval{ada}, "Ada on !7"}, {"c1", "ab", nil, ""}},
		"of another head":            {{"c1", "ab", nil, ""}, {"c1", "ab", []Approval{{"Ada", "c0", at(5)}}, ""}},
		"the head moves on":          {{"c1", "ab", nil, ""}, {"c1", "ab", []Approval{ada}, "Ada on !7"}, {"c2", "ab", []Approval{{"Ada", "c2", at(5)}}, ""}},
		"the plan changes":           {{"c1", "ab", nil, ""}, {"c1", "ab", []Approval{ada}, "Ada on !7"}, {"c1", "abc", []Approval{ada}, ""}, {"c1", "ab", []Approval{ada}, ""}},
		"nothing is held back":       {{"c1", "ab", nil, ""}, {"c1", "", nil, ""}, {"c1", "ab", []Approval{ada}, ""}},
		"by nobody who may":          {{"c1", "ab", nil, ""}, {"c1", "ab", []Approval{{"eve", "c1", at(5)}}, ""}},
		"by the author, an approver": {{"c1", "ab", nil, ""}, {"c1", "ab", []Approval{{"bob", "c1", at(5)}}, ""}},
		"by two, and one takes it back": {{"c1", "ab", nil, ""}, {"c1", "ab", []Approval{ada, {"cleo", "c1", at(6)}}, "Ada on !7"},
			{"c1", "ab", []Approval{{"cleo", "c1", at(6)}}, "cleo on !7"}},
	} {
		t.Run(name, func(t *testing.T) {
			now := at(0)
			a := NewApprovals(t.TempDir(), func() time.Time { return now })
			for i, p := range passes {
				var held *plan.Held
				if p.steps != "" {
					h := heldBack(strings.Split(p.steps, "")...)
					held = &h
				}
				if err := a.hear(Proposal{ID: "!7", Author: "Bob", Commit: p.commit}, p.given, held, []string{"ada", "cleo", "Bob"}); err != nil {
					t.Fatal(err)
				}
				by := ""
				if held != nil {
					one, _ := a.find(*held)
					by = one.By
				}
				if by != p.want {
					t.Errorf("pass %d: approved by %q, want %q", i, by, p.want)
				}
				now = now.Add(time.Minute)
			}
			// Once it is closed, what was approved on it stays: it may have been merged.
			last := passes[len(passes)-1]
			if err := a.forget(nil); err != nil {
				t.Fatal(err)
			}
			if last.want != "" {
				if _, ok := a.find(heldBack(strings.Split(last.steps, "")...)); !ok {
					t.Error("forgotten with the request")
				}
			}
		})
	}
}

// What was shown is shown anew where nobody can read what it was: approvals of requests
// do not end with a file that a power cut left torn.
func TestHearAfterATornFile(t *testing.T) {
	dir := t.TempDir()
	a, held := NewApprovals(dir, time.Now), heldBack("a")
	for _, torn := range []string{"", "{", "null", "[]"} {
		if err := os.WriteFile(filepath.Join(dir, requestsFile), []byte(torn), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, given := range [][]Approval{nil, {{User: "ada", Commit: "c1"}}} {
			if err := a.hear(Proposal{ID: "!7", Author: "bob", Commit: "c1"}, given, &held, []string{"ada"}); err != nil {
				t.Fatalf("%q: %v", torn, err)
			}
		}
		if one, ok := a.find(held); !ok || one.By != "ada on !7" {
			t.Errorf("%q: approved by %q", torn, one.By)
		}
	}
}

// roster is a tree in which so many students have a machine.
func roster(students int) projects.Tree {
	var b strings.Builder
	b.WriteString("apiVersion: provost/v1\nkind: Cohort\ncluster: cri\ntemplate: {base: t, cores: 1, memory: 512, net0: lan, node: n1}\nstudents:\n")
	for i := range students {
		fmt.Fprintf(&b, "- login: s%02d\n", i)
	}
	return projects.Tree{
		"campus.yaml": {Data: []byte("apiVersion: provost/v1\nkind: Campus\nname: isima\nclusters: {cri: {vmids: 20000-29999}}\n" +
			"networks: {lan: {cluster: cri, cidr: 10.0.0.0/24}}\n")},
		"cohorts/a.yaml": {Data: []byte(b.String())},
	}
}

// faltering is a memory whose first so many retirements fail.
type faltering struct {
	*memory
	fail atomic.Int32
}

func (f *faltering) Apply(ctx context.Context, changes []inventory.Change, say func(inventory.Event)) []inventory.Outcome {
	if plan.Retires(changes[0]) && f.fail.Add(-1) >= 0 {
		return []inventory.Outcome{{Key: changes[0].Key, State: inventory.StateFailed, Error: "no"}}
	}
	return f.memory.Apply(ctx, changes, say)
}

// allow is a policy that objects to nothing.
type allow struct{}

func (allow) Check(context.Context, PolicyInput) ([]Violation, error) { return nil, nil }

// Whatever students leave and come back, whatever fails and whoever approves what:
// no machine is retired beyond what the guard lets pass, unless exactly that was
// approved; and an approved plan is finished without another approval.
func TestOnlyWhatWasApprovedGoes(t *testing.T) {
	const all = 12
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
		dir, err := os.MkdirTemp("", "approvals")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		source := &repo{tree: roster(all)}
		cri := &faltering{memory: &memory{things: map[inventory.Key]inventory.Resource{}}}
		r := &Reconciler{
			Source: source, Systems: map[string]Managed{"cri": {cri, ApplyAuto, true}}, Policy: allow{}, Guard: plan.DefaultLimits,
			Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
			Approvals: NewApprovals(dir, func() time.Time { return now }),
		}
		run := func() *Pass {
			p, err := r.RunOnce(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		used := func() (n int) {
			for _, g := range cri.things {
				if g.Key.Kind() == inventory.KindGuest && g.Attrs["retired"] == "" {
					n++
				}
			}
			return n
		}
		if p := run(); used() != all {
			t.Fatalf("%d machines: %v %v", used(), p.Problems, p.Plan.BlockedSteps())
		}
		for range rapid.IntRange(1, 10).Draw(t, "commits") {
			stay := rapid.SampledFrom([]int{2, 6, 9, all}).Draw(t, "stay") // few, so that the same plan comes up again
			source.tree = roster(stay)
			before := used()
			p := run()
			if p.Plan.Held == nil {
				if gone := before - stay; gone > plan.DefaultLimits.Count && gone*100 > plan.DefaultLimits.Percent*before {
					t.Fatalf("%d of %d went unasked", gone, before)
				}
				continue
			}
			if used() < before {
				t.Fatalf("%d of %d are left, and nobody has approved", used(), before)
			}
			if !rapid.Bool().Draw(t, "approve") {
				continue
			}
			if err := r.Approvals.Give(p.Plan.Held.Hash, "camille"); err != nil {
				t.Fatal(err)
			}
			cri.fail.Store(rapid.Int32Range(0, 3).Draw(t, "failures"))
			for range 5 {
				run()
			}
			if used() != stay {
				t.Fatalf("approved, and yet %d are left and not %d", used(), stay)
			}
		}
	})
}
