package reconciler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler/plan"
)

// memory is a live system that is a map.
type memory struct {
	mu     sync.Mutex
	things map[inventory.Key]inventory.Resource
	down   error
}

func (m *memory) List(context.Context) (inventory.Listing, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil {
		return inventory.Listing{}, m.down
	}
	return inventory.Listing{Items: slices.Collect(maps.Values(m.things))}, nil
}

func (m *memory) Apply(_ context.Context, changes []inventory.Change, _ func(inventory.Event)) []inventory.Outcome {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []inventory.Outcome
	for _, c := range changes {
		if c.Action == inventory.Delete {
			delete(m.things, c.Key)
		} else {
			m.things[c.Key] = *c.After
		}
		out = append(out, inventory.Outcome{Key: c.Key, State: inventory.StateDone})
	}
	return out
}

// repo is a source that is a tree.
type repo struct {
	tree      projects.Tree
	proposals []Proposal
	refused   []Refusal
	given     []Approval // on each request
	down      error
	silent    error               // about requests
	statuses  map[string][]Status // by commit, in order
}

func (r *repo) Latest(context.Context) (Snapshot, error) {
	return Snapshot{Commit: "c0ffee00c0ffee00", Branch: "main", Author: "Camille", Subject: "test", Tree: r.tree, Refused: r.refused}, r.down
}

func (r *repo) Proposals(context.Context, Snapshot) ([]Proposal, error) { return r.proposals, r.silent }

func (r *repo) Approvals(context.Context, Proposal) ([]Approval, error) { return r.given, nil }

func (r *repo) SetStatus(_ context.Context, commit string, s Status) error {
	if r.statuses == nil {
		r.statuses = map[string][]Status{}
	}
	r.statuses[commit] = append(r.statuses[commit], s)
	return nil
}

// last is the newest status of each context on a commit.
func (r *repo) last(commit string) map[string]Status {
	out := map[string]Status{}
	for _, s := range r.statuses[commit] {
		out[s.Context] = s
	}
	return out
}

// rules is a policy that denies keys, or fails.
type rules struct {
	deny func(inventory.Change) string
	err  error
	seen []PolicyInput
}

func (p *rules) Check(_ context.Context, in PolicyInput) ([]Violation, error) {
	p.seen = append(p.seen, in)
	var out []Violation
	for _, c := range in.Plan.Ready() {
		if p.deny != nil && p.deny(c) != "" {
			out = append(out, Violation{Rule: "test", Level: LevelDeny, Message: p.deny(c), Owner: c.Owner, Keys: []inventory.Key{c.Key}})
		}
	}
	return out, p.err
}

const campusYAML = `apiVersion: provost/v1
kind: Campus
name: isima
clusters: {cri: {vmids: 20000-20999, nodes: [pve1], defaults: {storage: ceph}}}
networks:
  lan: {cluster: cri, cidr: 10.0.0.0/24, gateway: 10.0.0.254}
zones:
  isima.fr: {system: dns}
`

// project declares machines with static addresses: "a", "b" and so on.
func project(names ...string) string {
	text := "cluster: cri\nct:\n"
	for i, n := range names {
		text += fmt.Sprintf("- {hostname: %s.isima.fr, base: 'local:debian', cores: 1, memory: 512, disk: 8, net0: lan, ip: 10.0.0.%d/24}\n", n, i+10)
	}
	return text
}

func tree(files map[string]string) projects.Tree {
	t := projects.Tree{"campus.yaml": {Data: []byte(campusYAML)}}
	for name, text := range files {
		t[name] = projects.File{Data: []byte(text)}
	}
	return t
}

// house is a reconciler over a small campus that is all in memory.
type house struct {
	*Reconciler
	repo     *repo
	rules    *rules
	cri, dns *memory
}

func newHouse(files map[string]string) *house {
	h := &house{
		repo: &repo{tree: tree(files)}, rules: &rules{},
		cri: &memory{things: map[inventory.Key]inventory.Resource{}}, dns: &memory{things: map[inventory.Key]inventory.Resource{}},
	}
	h.Reconciler = &Reconciler{
		Source: h.repo, Policy: h.rules, Guard: plan.DefaultLimits, Log: slog.New(slog.DiscardHandler),
		PublicURL: "https://provost.example/",
		Systems: map[string]Managed{
			"cri": {System: h.cri, Apply: ApplyAuto, Prune: true},
			"dns": {System: h.dns, Apply: ApplyAuto, Prune: true},
		},
	}
	return h
}

func (h *house) pass(t *testing.T) *Pass {
	t.Helper()
	p, err := h.RunOnce(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// expect compares the newest statuses: "validate success 2 files" and so on.
func (h *house) expect(t *testing.T, commit string, want ...string) {
	t.Helper()
	last := h.repo.last(commit)
	for _, w := range want {
		words := strings.SplitN(w, " ", 3)
		s := last["provost/"+words[0]]
		if string(s.State) != words[1] || len(words) > 2 && !strings.Contains(s.Description, words[2]) {
			t.Errorf("status %s is %s %q, want %s", words[0], s.State, s.Description, w)
		}
	}
}

const head = "c0ffee00c0ffee00"

func TestAPassMakesItTrueAndTheNextFindsNothing(t *testing.T) {
	h := newHouse(map[string]string{"projects/web.yaml": project("a", "b")})
	p := h.pass(t)
	if !p.Converged() || p.Changed() == 0 {
		t.Fatalf("first pass: changed %d, %+v", p.Changed(), p.Results)
	}
	h.expect(t, head, "validate success 2 files, 2 machines", "plan success create 2 guests", "policy success", "apply success 2 guests, 2 records: applied")
	if url := h.repo.last(head)[ContextApply].TargetURL; url != "https://provost.example/passes/c0ffee00c0ff" {
		t.Errorf("target URL %s", url)
	}
	second := h.pass(t)
	if len(second.Plan.Steps) > 0 || !second.Converged() {
		t.Errorf("second pass: %v", second.Plan.Steps)
	}
	h.expect(t, head, "plan success in sync", "apply success applied")
}

func TestABrokenFileHoldsBackOnlyItself(t *testing.T) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a")})
	h.pass(t)
	h.repo.tree = tree(map[string]string{"projects/a.yaml": "cluster: [", "projects/c.yaml": strings.ReplaceAll(project("c"), "10.0.0.10", "10.0.0.30")})
	p := h.pass(t)
	if _, ok := h.cri.things["cri/guest/a.isima.fr"]; !ok {
		t.Error("the machine of the broken file is gone")
	}
	if _, ok := h.cri.things["cri/guest/c.isima.fr"]; !ok {
		t.Errorf("the new machine of another file was not made: %v", p.Problems)
	}
	h.expect(t, head, "validate failed 1 error: projects/a.yaml:1:1")
}

func TestASystemThatIsDownFreezesItselfAndWhatNeedsIt(t *testing.T) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a")})
	h.dns.down = errors.New("connection refused")
	p := h.pass(t)
	if _, ok := h.cri.things["cri/guest/a.isima.fr"]; !ok {
		t.Error("the guest was not made")
	}
	if _, ok := h.cri.things["cri/power/a.isima.fr"]; ok {
		t.Error("it was started without its record")
	}
	if p.Converged() {
		t.Error("it claims to have converged")
	}
	h.expect(t, head, "plan failed connection refused", "apply failed")
	h.dns.down = nil
	if !h.pass(t).Converged() {
		t.Error("it does not converge when the system is back")
	}
}

func TestAPolicyErrorDeniesEverything(t *testing.T) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a")})
	h.rules.err = errors.New("policies/x.rego:3:1: no such function")
	p := h.pass(t)
	if len(h.cri.things)+len(h.dns.things) > 0 {
		t.Error("something was made")
	}
	if p.Changed() != 0 {
		t.Errorf("%d changes", p.Changed())
	}
	h.expect(t, head, "policy failed policies/x.rego:3:1")
}

func TestADeniedChangeBlocksWhatNeedsItOnly(t *testing.T) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a", "b")})
	h.rules.deny = func(c inventory.Change) string {
		if c.Key == "cri/guest/a.isima.fr" {
			return "quota: too much"
		}
		return ""
	}
	h.pass(t)
	for key, want := range map[inventory.Key]bool{"cri/guest/a.isima.fr": false, "cri/power/a.isima.fr": false, "cri/guest/b.isima.fr": true, "cri/power/b.isima.fr": true} {
		if _, ok := h.cri.things[key]; ok != want {
			t.Errorf("%s exists: %v, want %v", key, ok, want)
		}
	}
	h.expect(t, head, "policy failed quota: too much")
}

func TestProposalsArePlannedAndNeverApplied(t *testing.T) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a")})
	h.repo.proposals = []Proposal{
		{ID: "!1", Commit: "1111111111111111", Tree: tree(map[string]string{"projects/a.yaml": project("a", "b")})},
		{ID: "!2", Commit: "2222222222222222", Problem: "rebase: projects/a.yaml changed on both sides"},
		{ID: "!3", Commit: "3333333333333333", Tree: tree(map[string]string{"projects/a.yaml": "cluster: nope\n"})},
	}
	p := h.pass(t)
	if _, ok := h.cri.things["cri/guest/b.isima.fr"]; ok {
		t.Error("a proposal was applied")
	}
	h.expect(t, "1111111111111111", "validate success", "plan success create 1 guest, 1 power, 1 record", "policy success")
	h.expect(t, "2222222222222222", "validate failed rebase")
	h.expect(t, "3333333333333333", "validate failed projects/a.yaml:1:10")
	if _, applied := h.repo.last("1111111111111111")[ContextApply]; applied {
		t.Error("a proposal carries an apply status")
	}
	if len(p.Proposals) != 3 || len(p.Proposals[0].Plan.Steps) != 3 {
		t.Errorf("proposals: %+v", p.Proposals)
	}
	for _, in := range h.rules.seen {
		if string(in.Rules["projects/a.yaml"].Data) != project("a") {
			t.Error("rules were read from the proposal, not from the branch")
		}
	}
}

func TestModes(t *testing.T) {
	files := map[string]string{"projects/a.yaml": project("a")}
	for name, c := range map[string]struct {
		mode         ApplyMode
		manual, made bool
	}{
		"off":              {ApplyOff, true, false},
		"manual, unasked":  {ApplyManual, false, false},
		"manual, asked":    {ApplyManual, true, true},
		"auto":             {ApplyAuto, false, true},
		"unset is as good": {"", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(files)
			h.Manual = c.manual
			h.Systems["cri"] = Managed{System: h.cri, Apply: c.mode}
			h.pass(t)
			if made := len(h.cri.things) > 0; made != c.made {
				t.Errorf("made: %v, want %v", made, c.made)
			}
		})
	}
}

func TestPruneIsAsked(t *testing.T) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a", "b")})
	h.pass(t)
	h.repo.tree = tree(map[string]string{"projects/a.yaml": project("a")})
	h.Systems["cri"] = Managed{System: h.cri, Apply: ApplyAuto}
	h.pass(t)
	if h.cri.things["cri/guest/b.isima.fr"].Attrs["retired"] != "" {
		t.Error("retired though prune is off")
	}
	h.Systems["cri"] = Managed{System: h.cri, Apply: ApplyAuto, Prune: true}
	h.pass(t)
	if h.cri.things["cri/guest/b.isima.fr"].Attrs["retired"] == "" {
		t.Error("not retired though prune is on")
	}
	h.Now = func() time.Time { return time.Now().AddDate(0, 0, 31) }
	h.Systems["cri"] = Managed{System: h.cri, Apply: ApplyAuto}
	h.pass(t)
	if _, ok := h.cri.things["cri/guest/b.isima.fr"]; !ok {
		t.Error("purged though prune is off")
	}
	h.Systems["cri"] = Managed{System: h.cri, Apply: ApplyAuto, Prune: true}
	h.pass(t)
	if _, ok := h.cri.things["cri/guest/b.isima.fr"]; ok {
		t.Error("not purged though prune is on")
	}
}

func TestDryRunSaysAndDoesNothing(t *testing.T) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a")})
	h.DryRun = true
	p := h.pass(t)
	if len(p.Plan.Steps) == 0 || len(h.cri.things) > 0 || len(h.repo.statuses) > 0 {
		t.Errorf("%d steps, %d made, statuses %v", len(p.Plan.Steps), len(h.cri.things), h.repo.statuses)
	}
}

func TestNoRepositoryNoPass(t *testing.T) {
	h := newHouse(nil)
	h.repo.down = errors.New("no route to host")
	if _, err := h.RunOnce(t.Context()); err == nil || !strings.Contains(err.Error(), "no route to host") {
		t.Errorf("error %v", err)
	}
}

// What an unread cluster owns must not look as if it had gone, to anyone.
func TestNothingIsDeletedOnTheStrengthOfAFailedListing(t *testing.T) {
	h := newHouse(map[string]string{"projects/a.yaml": project("a", "b", "c")})
	h.pass(t)
	h.cri.down = errors.New("timeout")
	p := h.pass(t)
	for _, s := range p.Plan.Steps {
		if !s.Blocked() {
			t.Errorf("%s %s goes on", s.Action, s.Key)
		}
	}
}
