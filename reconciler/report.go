package reconciler

import (
	"context"
	"strconv"
	"strings"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler/plan"
)

// begin opens the record of a pass over a commit.
func (r *Reconciler) begin(s Snapshot) *Pass {
	started := r.now()
	pass := &Pass{
		ID: strconv.FormatInt(started.UnixMilli(), 36), Commit: s.Commit, Branch: s.Branch,
		Author: s.Author, Subject: s.Subject, Stage: StageReading, Started: started,
		Totals: map[string]int{}, Units: map[string]int{}, // never filled in place: the pass is published
	}
	r.Log.Info("pass begins", "pass", pass.ID, "commit", short(s.Commit), "branch", s.Branch)
	r.publish(pass)
	return pass
}

// validated answers whether the declarations can be read at all. What only the
// live state shows is added when the plan stands.
func (r *Reconciler) validated(ctx context.Context, pass *Pass, campus *projects.Campus) {
	pass.Problems = campus.Problems()
	if len(pass.Errors()) > 0 {
		// Told at once: the author of a broken file should not wait for a slow cluster.
		r.early(ctx, pass, validateStatus(pass.Problems, 0, 0))
	}
}

// planned shows the plan and closes the validation. What of it waits for an approval
// the rules have to say first.
func (r *Reconciler) planned(ctx context.Context, pass *Pass, d projects.Desired, live inventory.Listing, p plan.Plan) {
	pass.Stage, pass.Plan, pass.Unknown, pass.Units = StagePlanned, p.BlockDependants(), live.Unknown, d.Units
	pass.Problems, pass.Totals = d.Problems, countKinds(d)
	pass.Machines = pass.Totals[inventory.KindGuest]
	r.status(ctx, pass, validateStatus(pass.Problems, len(d.Files), pass.Machines))
	r.publish(pass)
}

// judged answers with what the rules said, and says that the work begins; but not
// where some of it will wait, for GitLab takes nothing that runs back to pending.
func (r *Reconciler) judged(ctx context.Context, pass *Pass, v Verdict, desired projects.Desired) {
	pass.Wakes = wakes(v.Plan, desired)
	pass.Stage, pass.Plan, pass.Violations, pass.Error = StageApplying, v.Plan, v.Violations, v.Error
	r.status(ctx, pass, planStatus(v.Plan, pass.Totals, pass.Unknown))
	r.status(ctx, pass, policyStatus(v))
	if ready := len(v.Plan.Ready()); ready > 0 && r.paused() == "" && len(waiting(v.Plan)) == 0 {
		r.early(ctx, pass, applyingStatus(ready))
	}
	r.publish(pass)
}

// applied closes the pass. One that was stopped while it applied says how far it
// came; what one that was stopped earlier has read and judged is worth nothing.
func (r *Reconciler) applied(ctx context.Context, pass *Pass, results []Result) {
	pass.Stage, pass.Results, pass.Finished = StageDone, results, r.now()
	if r.DryRun {
		r.publish(pass)
		return
	}
	left := pass.Changed() < len(pass.Plan.Ready())
	switch {
	case !left:
		pass.Superseded = ""
	case pass.Superseded != "":
		pass.Stopped = true
	}
	if pass.Changed()+pass.Failed() > 0 {
		pass.Stopped = pass.Stopped || left && ctx.Err() != nil
		ctx = context.WithoutCancel(ctx)
	}
	r.status(ctx, pass, applyStatus(pass, r.paused()))
	r.Answered = pass.Commit
	r.publish(pass)
	r.Log.Info("pass ends", "pass", pass.ID, "commit", short(pass.Commit), "changed", pass.Changed(), "failed", pass.Failed(),
		"blocked", len(pass.Plan.BlockedSteps()), "problems", len(pass.Errors()), "unread", len(pass.Unknown),
		"took", pass.Finished.Sub(pass.Started).Round(1e6).String())
}

// early writes what the end of the pass will write over. It is news only on a
// commit that has no verdict yet.
func (r *Reconciler) early(ctx context.Context, pass *Pass, s Status) {
	if r.Answered != pass.Commit {
		r.status(ctx, pass, s)
	}
}

// status writes one verdict on the pass's commit. A forge that does not answer
// never stops a pass, and what a stop cut short is no verdict.
func (r *Reconciler) status(ctx context.Context, pass *Pass, s Status) {
	pass.Statuses = setStatus(pass.Statuses, r.write(ctx, pass.Commit, s))
}

func (r *Reconciler) write(ctx context.Context, commit string, s Status) Status {
	if r.PublicURL != "" {
		s.TargetURL = strings.TrimSuffix(r.PublicURL, "/") + "/passes/" + short(commit)
	}
	s.Description = clip(s.Description)
	if r.DryRun || ctx.Err() != nil {
		return s
	}
	r.Promises.make(commit, s)
	if err := r.Source.SetStatus(ctx, commit, s); err != nil {
		r.Log.Warn("status not written", "commit", short(commit), "context", s.Context, "error", err)
		return s
	}
	r.Promises.keep(commit, s)
	return s
}

func setStatus(list []Status, s Status) []Status {
	out := make([]Status, 0, len(list)+1)
	for _, old := range list {
		if old.Context != s.Context {
			out = append(out, old)
		}
	}
	return append(out, s)
}

// publish hands a copy of the pass to whoever watches.
func (r *Reconciler) publish(pass *Pass) {
	if r.History != nil {
		copied := *pass
		r.History(&copied)
	}
}

// paused is why nothing may be applied now, or "".
func (r *Reconciler) paused() string {
	if r.barred != "" || r.Paused == nil {
		return r.barred
	}
	return r.Paused()
}

func short(commit string) string {
	if len(commit) > 12 {
		return commit[:12]
	}
	return commit
}
