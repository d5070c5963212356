package reconciler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
)

// people are groups and their members.
type people map[string][]string

func (p people) Belongs(_ context.Context, login, group string) (bool, error) {
	members, ok := p[group]
	if !ok {
		return false, errors.New("there is no such group")
	}
	return slices.Contains(members, login), nil
}

const ownersYAML = `apiVersion: provost/v1
kind: Owners
unowned: deny
rules:
- {paths: "**", who: group:admins}
- {paths: "projects/{login}.yaml", who: anyone}
`

// over is a house with that source.
func over(src *repo) *house {
	h := newHouse(nil)
	h.repo, h.Source = src, src
	return h
}

// asks makes a request out of the files that it changes.
func asks(login string, base projects.Tree, files map[string]string) Proposal {
	p := Proposal{ID: "!1", Author: login, Commit: "feed", Tree: maps.Clone(base)}
	for name, text := range files {
		p.Tree[name] = projects.File{Data: []byte(text)}
		p.Changed = append(p.Changed, name)
	}
	slices.Sort(p.Changed)
	return p
}

func TestARequestBeyondWhatIsItsAuthorsFails(t *testing.T) {
	base := tree(map[string]string{"projects/web.yaml": project("a"), "policies/owners.yaml": ownersYAML})
	for _, c := range []struct {
		name, login string
		files       map[string]string
		want        string // of the policy status
	}{
		{"his own", "ada", map[string]string{"projects/ada.yaml": project("x")}, "success no rule objects"},
		{"another's", "ada", map[string]string{"projects/web.yaml": project("a", "b")}, "failed projects/web.yaml: not for ada to change, but for admins"},
		{"an administrator", "root", map[string]string{"projects/web.yaml": project("a", "b")}, "success no rule objects"},
		{"rules that let him, brought along", "ada", map[string]string{
			"projects/web.yaml":    project("a", "b"),
			"policies/owners.yaml": strings.ReplaceAll(ownersYAML, "group:admins", "anyone"),
		}, "failed policies/owners.yaml: not for ada to change, but for admins (and 1 more)"},
		{"no rules any more", "ada", map[string]string{"policies/owners.yaml": ""}, "failed policies/owners.yaml: not for ada"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := &repo{tree: base, proposals: []Proposal{asks(c.login, base, c.files)}}
			r := over(src)
			r.People = people{"admins": {"root"}}
			r.pass(t)
			got := src.last("feed")[ContextPolicy]
			if text := fmt.Sprint(got.State, " ", got.Description); !strings.HasPrefix(text, c.want) {
				t.Errorf("%s, want %s", text, c.want)
			}
		})
	}
}

// Rules that cannot be read let nobody change anything, and say where they are broken.
func TestBrokenOwnersLetNobody(t *testing.T) {
	base := tree(map[string]string{"policies/owners.yaml": "rules: ["})
	src := &repo{tree: base, proposals: []Proposal{asks("root", base, map[string]string{"projects/web.yaml": project("a")})}}
	r := over(src)
	r.People = people{"admins": {"root"}}
	r.pass(t)
	if got := src.last("feed")[ContextPolicy]; got.State != StatusFailed || !strings.Contains(got.Description, "policies/owners.yaml:2:1: ") {
		t.Errorf("%+v", got)
	}
}

func TestARequestThatBreaksTheRulesIsInvalid(t *testing.T) {
	base := tree(map[string]string{"policies/owners.yaml": ownersYAML})
	src := &repo{tree: base, proposals: []Proposal{asks("root", base, map[string]string{"policies/owners.yaml": "unowned: perhaps\n"})}}
	r := over(src)
	r.People = people{"admins": {"root"}}
	r.pass(t)
	if got := src.last("feed")[ContextValidate]; got.State != StatusFailed || !strings.Contains(got.Description, "policies/owners.yaml:1:10") {
		t.Errorf("%+v", got)
	}
}

// What the policy is asked with is the branch's, whatever a request brings along.
func TestARequestIsJudgedByTheBranchsRules(t *testing.T) {
	base := tree(map[string]string{"projects/web.yaml": project("a"), "policies/limits.yaml": "of the branch", "policies/x.rego": "of the branch"})
	loose := asks("ada", base, map[string]string{"policies/limits.yaml": "of the request", "policies/x.rego": "of the request", "policies/y.rego": "new"})
	for _, fork := range []bool{false, true} {
		loose.Fork = fork
		src := &repo{tree: base, proposals: []Proposal{loose}}
		policy := &rules{}
		r := over(src)
		r.Policy = policy
		r.pass(t)
		if len(policy.seen) != 2 {
			t.Fatalf("the policy was asked %d times", len(policy.seen))
		}
		asked := policy.seen[1].Rules
		if string(asked["policies/limits.yaml"].Data) != "of the branch" || string(asked["policies/x.rego"].Data) != "of the branch" || asked["policies/y.rego"].Data != nil {
			t.Errorf("fork %v: judged by %v", fork, asked)
		}
	}
}

// Nothing that only the live systems know is in an answer to a fork: not in what
// others see, not in what their rules could repeat. What is secret here is a word
// in every attribute of everything live, and in why something could not be read.
func TestAForkSeesNothingLive(t *testing.T) {
	const canary = "c4nary"
	base := tree(map[string]string{"projects/web.yaml": project("a", "b")})
	request := asks("mallory", base, map[string]string{
		// It takes a machine that somebody else has, another's address, another's
		// name, changes one and does away with one.
		"projects/web.yaml": strings.Replace(project("a"), "memory: 512", "memory: 1024", 1) +
			"- {hostname: taken.isima.fr, base: 'local:debian', cores: 1, memory: 512, disk: 8, net0: lan, ip: 10.0.0.77/24, vmid: 20077}\n" +
			"- {hostname: adopted.isima.fr, adopt: {vmid: 101}, cores: 3}\n",
	})
	for _, fork := range []bool{true, false} {
		request.Fork = fork
		src := &repo{tree: base, proposals: []Proposal{request}}
		r := over(src)
		pve, dns := r.cri, r.dns
		r.pass(t) // as declared
		for key, thing := range pve.things {
			attrs := maps.Clone(thing.Attrs)
			attrs["description"], attrs["tags"] = canary, canary
			attrs["memory"] = canary
			pve.things[key] = inventory.Resource{Key: thing.Key, Attrs: attrs, Owner: thing.Owner, Needs: thing.Needs}
		}
		for _, foreign := range []inventory.Resource{
			{Key: "cri/foreign/101", Attrs: inventory.Attrs{"name": "adopted.isima.fr", "type": "lxc", "vmid": "101", "cores": canary, "nets": "net0", "net0.mac": canary, "why": canary}},
			{Key: "cri/foreign/20077", Attrs: inventory.Attrs{"name": canary, "type": "lxc", "vmid": "20077", "nets": "net0", "net0.ip": "10.0.0.77/24", "net0.mac": "AA:" + canary}},
			{Key: "cri/node/pve1", Attrs: inventory.Attrs{"status": canary, "cores": "1", "memory": "1"}},
		} {
			pve.things[foreign.Key] = foreign
		}
		dns.down = errors.New("no answer from " + canary)
		var last *Pass
		r.History = func(p *Pass) { last = p }
		r.Policy = repeats{}
		r.pass(t)
		if len(last.Proposals) != 1 || len(last.Proposals[0].Plan.Steps) == 0 {
			t.Fatalf("fork %v: it was not planned: %+v", fork, last.Proposals)
		}
		answer, err := json.Marshal(last.Proposals[0])
		if err != nil {
			t.Fatal(err)
		}
		text := string(answer) + fmt.Sprint(src.statuses["feed"])
		if seen := strings.Contains(text, canary); seen == fork {
			t.Errorf("fork %v: the canary is in it: %v\n%s", fork, seen, text)
		}
	}
}

// repeats is a policy that tells all it knows.
type repeats struct{}

func (repeats) Check(_ context.Context, in PolicyInput) ([]Violation, error) {
	var keys []inventory.Key
	for _, s := range in.Plan.Steps {
		keys = append(keys, s.Key)
	}
	return []Violation{{Rule: "test", Level: LevelWarn, Message: fmt.Sprint(in.Live), Keys: keys}}, nil
}

func TestWhatAForkPlans(t *testing.T) {
	base := tree(map[string]string{"projects/web.yaml": project("a")})
	request := asks("mallory", base, map[string]string{"projects/web.yaml": project("a", "b")})
	request.Fork = true
	src := &repo{tree: base, proposals: []Proposal{request}}
	over(src).pass(t)
	got := src.last("feed")[ContextPlan]
	if got.State != StatusSuccess || !strings.HasPrefix(got.Description, "create 1 guest, 1 power") || !strings.Contains(got.Description, "as declared") {
		t.Errorf("%+v", got)
	}
}

// A commit that is not believed is answered, and what was believed before is made true.
func TestWhatIsNotBelievedIsAnswered(t *testing.T) {
	src := &repo{tree: tree(map[string]string{"projects/web.yaml": project("a")}), refused: []Refusal{{"bad1", "not signed"}, {"bad2", "not signed either"}}}
	h := over(src)
	got, pve := h.pass(t), h.cri
	if _, ok := pve.things["cri/guest/a.isima.fr"]; !ok {
		t.Error("what was believed is not made true")
	}
	if got.Converged() || len(got.Refused) != 2 {
		t.Errorf("converged %v, refused %v", got.Converged(), got.Refused)
	}
	for commit, want := range map[string]string{"bad1": "not signed", "bad2": "not signed either"} {
		last := src.last(commit)
		if s := last[ContextPolicy]; s.State != StatusFailed || s.Description != want {
			t.Errorf("%s: %+v", commit, s)
		}
		if s := last[ContextApply]; s.State != StatusFailed || s.Description != "not applied: what c0ffee00c0ff declares stands" {
			t.Errorf("%s: %+v", commit, s)
		}
	}
}
