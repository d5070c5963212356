package reconciler

import (
	"context"
	"reflect"
	"slices"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler/plan"
)

// answerProposals plans every open merge request against the same live state
// and answers on its head commit. Nothing of a request is ever applied, and its
// rules are those of the target branch: a request cannot admit itself.
func (r *Reconciler) answerProposals(ctx context.Context, pass *Pass, base Snapshot, live inventory.Listing, ours plan.Plan) {
	proposals, ok := r.proposals(ctx, base)
	if !ok {
		return
	}
	b := r.bench(base, live, ours, pass.Problems)
	for _, p := range answerable(proposals, base.Commit, pass.Refused) {
		pass.Proposals = append(pass.Proposals, r.answerProposal(ctx, p, b))
	}
	r.forgetRequests(proposals)
	r.breakPromises(ctx, base.Commit, heads(proposals)...)
	if len(proposals) > 0 {
		r.publish(pass)
	}
}

// proposals are the open merge requests; false where nobody can tell.
func (r *Reconciler) proposals(ctx context.Context, base Snapshot) ([]Proposal, bool) {
	proposals, err := r.Source.Proposals(ctx, base)
	if err != nil {
		r.Log.Warn("merge requests unread", "error", err)
	}
	return proposals, err == nil
}

// answerable are the requests that are answered. Statuses are of commits, and on each
// there is one to answer: on the branch's own, which a request has as head when it was
// merged and its forge has yet to notice, the pass itself; on one that is not believed,
// who said so; and where several requests have one head, the first of them.
func answerable(proposals []Proposal, newest string, refused []Refusal) []Proposal {
	taken := map[string]bool{newest: true}
	for _, r := range refused {
		taken[r.Commit] = true
	}
	var list []Proposal
	for _, p := range proposals {
		if !p.Unread && !taken[p.Commit] {
			taken[p.Commit] = true
			list = append(list, p)
		}
	}
	return list
}

// bench is what merge requests are held against.
type bench struct {
	base  Snapshot
	live  inventory.Listing
	ours  plan.Plan          // what the branch itself changes
	known []projects.Problem // and what is wrong with it
	judge hand
}

func (r *Reconciler) bench(base Snapshot, live inventory.Listing, ours plan.Plan, known []projects.Problem) bench {
	return bench{base, live, ours, known, r.owners(base)}
}

// answerProposal answers on the head of a request. One that provost breaks over is told
// so, and keeps nobody else from being answered, nor the branch from being applied.
func (r *Reconciler) answerProposal(ctx context.Context, p Proposal, b bench) (answer ProposalPass) {
	if fault := r.guarded("request "+p.ID, func() { answer = r.judgeProposal(ctx, p, b) }); fault != nil {
		p.Problem = fault.Error()
		answer = r.judgeProposal(ctx, p, b)
	}
	return answer
}

func (r *Reconciler) judgeProposal(ctx context.Context, p Proposal, b bench) ProposalPass {
	live, ours := b.live, b.ours
	answer := ProposalPass{ID: p.ID, Title: p.Title, URL: p.URL, Commit: p.Commit, Problem: p.Problem}
	write := func(s Status) { answer.Statuses = setStatus(answer.Statuses, r.write(ctx, p.Commit, s)) }
	if p.Problem != "" {
		write(requestStatus(p.Problem))
		for _, name := range r.Promises.given[p.Commit] { // there is no plan to judge
			write(Status{Context: name, State: StatusCanceled, Description: p.Problem})
		}
		return answer
	}
	if p.Fork {
		live, ours = r.asDeclared(b.base), plan.Plan{}
	}
	campus := projects.LoadAt(p.Tree, r.now())
	desired := campus.Desired(live.Items)
	problems := slices.Concat(rulesProblems(p), desired.Problems)
	answer.Problems = slices.DeleteFunc(problems, func(q projects.Problem) bool { return slices.Contains(b.known, q) })
	write(validateStatus(answer.Problems, len(desired.Files), countKinds(desired)[inventory.KindGuest]))

	whole := r.plan(campus, desired, live)
	judged := b.base // the branch's rules, and the request's author
	judged.Author = p.Author
	verdict := r.judgeWith(ctx, judged, whole, desired, live, r.onRequest(ctx, p))
	if p.Fork {
		verdict.Plan.Held = nil
	}
	answer.Plan = without(verdict.Plan, ours)
	write(requestPlanStatus(answer.Plan, p.Fork))
	answer.Violations = slices.Concat(b.judge(ctx, p), about(verdict.Violations, answer.Plan))
	write(policyStatus(Verdict{Plan: answer.Plan, Violations: answer.Violations, Error: verdict.Error}))
	return answer
}

// without is what p does that base does not: the steps that a request itself causes.
func without(p, base plan.Plan) plan.Plan {
	known := make(map[inventory.Key]plan.Step, len(base.Steps))
	for _, s := range base.Steps {
		known[s.Key] = s
	}
	var own plan.Plan
	for _, s := range p.Steps {
		if old, ok := known[s.Key]; !ok || !reflect.DeepEqual(old.Change, s.Change) {
			own.Steps = append(own.Steps, s)
			if p.Held != nil && p.Held.Has(s.Change) {
				own.Held = p.Held
			}
		}
	}
	return own
}

// about keeps the violations that deny, or warn of, a step of the plan.
func about(violations []Violation, p plan.Plan) []Violation {
	mine := map[inventory.Key]bool{}
	for _, s := range p.Steps {
		mine[s.Key] = true
	}
	var own []Violation
	for _, v := range violations {
		if slices.ContainsFunc(v.Keys, func(k inventory.Key) bool { return mine[k] }) {
			own = append(own, v)
		}
	}
	return own
}

func countKinds(d projects.Desired) map[string]int {
	counts := map[string]int{}
	for _, r := range d.Resources {
		counts[r.Key.Kind()]++
	}
	return counts
}
