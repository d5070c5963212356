// Package reconciler makes one pass and repeats it: it reads the newest commit
// and every live system, plans the difference, has it judged, applies what may
// be applied, and answers on the commit.
//
// The interfaces it consumes stand in contracts.go with their contracts. To add
// a live system, a source or a policy, implement one of them and wire it in
// cmd/provost; nothing here changes.
//
// The package refuses to keep state of its own about the world: what is live is
// read in every pass, and a pass that is cut off anywhere is finished by the next.
package reconciler

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler/plan"
)

// ApplyMode says what the daemon may do with a system.
type ApplyMode string

// The modes: off observes and reports, manual waits for "provost apply", auto applies.
const (
	ApplyOff    ApplyMode = "off"
	ApplyManual ApplyMode = "manual"
	ApplyAuto   ApplyMode = "auto"
)

// Managed is a live system and what may be done with it.
type Managed struct {
	System System
	Apply  ApplyMode
	Prune  bool // whether things of ours that nothing declares any more are deleted
}

// Reconciler makes passes. Its fields are set once, before the first pass.
type Reconciler struct {
	Source  Source
	Systems map[string]Managed // by the name that keys begin with
	Policy  Policy
	People  Directory // nil: nobody belongs to any group
	Guard   plan.Limits
	// Approvals are of what the guard or a rule holds back; nil: nothing can be approved.
	Approvals *Approvals
	Approvers []string // whose approval of a merge request is one of its plan: logins of the forge
	Notes     *Notes   // for later passes; nil: each pass begins without any
	Promises  Promises // of verdicts
	Log       *slog.Logger

	PublicURL string        // where the pages are reached; "" writes no links
	Manual    bool          // a person asked for this pass: manual systems are applied too
	DryRun    bool          // apply nothing and write no statuses
	Paused    func() string // why nothing may be applied now, or ""
	// Turn waits until this process may make a pass; nil: always. What is said of
	// the context of RunOnce holds for that of the turn.
	Turn    func(context.Context) (Turn, error)
	Grace   time.Duration       // how long running changes may go on after a stop; default 30 s
	Watch   func(Progress)      // told of progress; called from one goroutine at a time
	Now     func() time.Time    // the clock that policies and pages see; default time.Now
	History func(*Pass)         // told of the pass after each stage
	Retry   func(n int) Backoff // default DefaultBackoff

	// Answered is the commit of the last pass, of this process or of one before. What stands on it is its verdict,
	// which the first steps of another pass over it must not hide again.
	Answered string
	barred   string          // why this turn may apply nothing, or ""
	calls    <-chan struct{} // and interval: of the loop, for the desks of its passes
	interval time.Duration
	called   bool            // somebody came while a pass applied: another is due
	foretold string          // the commit on which a desk answered
	wound    time.Duration   // how long the last pass took to wind down; 0 where it did not
	memory   projects.Memory // of what the branch declared in the last pass
	noted    noted           // by earlier passes
	last     standing        // of the last pass
}

// RunOnce makes one pass. The pass says what happened to every change; the
// error is for what kept the pass from happening at all.
func (r *Reconciler) RunOnce(ctx context.Context) (*Pass, error) {
	turn, err := r.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer turn.Done()
	ctx, r.barred = turn.Ctx, turn.Barred

	snapshot, err := r.Source.Latest(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot read the repository: %w", err)
	}
	pass := r.begin(snapshot)
	r.seen(ctx, pass)
	r.refuse(ctx, pass, snapshot)
	r.recall()

	campus := r.memory.LoadAt(snapshot.Tree, r.now())
	r.validated(ctx, pass, campus)

	live := r.observe(ctx)
	desired := campus.Desired(live.Items)
	r.note(desired, live)
	proposal := r.planOnly(r.plan(campus, desired, live), desired)
	r.planned(ctx, pass, desired, live, proposal)

	verdict := r.judge(ctx, snapshot, proposal, desired, live)
	verdict.Plan = r.prepare(verdict.Plan, live)
	r.judged(ctx, pass, verdict, desired)
	r.answerProposals(ctx, pass, snapshot, live, verdict.Plan)

	r.useApprovals(verdict.Plan, live)
	desk := r.desk(pass, snapshot, campus, live)
	results := r.apply(ctx, verdict.Plan, desk) // while the desk answers who comes
	r.applied(ctx, pass, results)
	r.noteDone(desired, verdict.Plan, results)
	r.remember(campus, pass)
	return pass, nil
}

// turn waits for this process's turn.
func (r *Reconciler) turn(ctx context.Context) (Turn, error) {
	if r.Turn == nil {
		return Turn{Ctx: ctx, Done: func() {}}, nil
	}
	turn, err := r.Turn(ctx)
	if err != nil {
		return Turn{}, fmt.Errorf("cannot make a pass: %w", err)
	}
	return turn, nil
}

// plan is the difference with everything blocked that no policy needs to see, but
// for what needs such a step: what the guard holds back may be approved yet.
func (r *Reconciler) plan(campus *projects.Campus, desired projects.Desired, live inventory.Listing) plan.Plan {
	unknown := slices.Concat(live.Unknown, desired.Frozen)
	p := plan.Diff(plan.Input{
		Desired:     desired.Resources,
		Live:        live.Items,
		Unknown:     unknown,
		FrozenFiles: desired.Files,
	})
	p = r.drift(p, campus, desired)
	p = plan.Retain(p, live.Items, r.retention(desired, live))
	p = plan.Reboot(p, live.Items, unknown, func(guest inventory.Key) string { return desired.Reboots[guest] })
	p = p.Block(plan.GateField, r.refusal)
	p = p.Block(plan.GateMode, r.pruning)
	return plan.Guard(p, live.Items, plan.Declared{Files: desired.Files, Units: desired.Units, Ends: r.ends(desired)}, r.Guard)
}

// refusal asks the system whether it can make the change in place.
func (r *Reconciler) refusal(s plan.Step) string {
	managed, ok := r.Systems[s.Key.System()]
	if !ok {
		return say(msgNoSystem, s.Key.System())
	}
	if refuser, ok := managed.System.(Refuser); ok {
		return refuser.Refuse(s.Change)
	}
	return ""
}

// retention is for how long guests are kept that nothing declares any more.
func (r *Reconciler) retention(desired projects.Desired, live inventory.Listing) plan.Retention {
	return plan.Retention{
		Day:    desired.Calendar.Day(r.now()),
		Days:   func(o inventory.Owner) int { return desired.Retention.Days(o.Unit) },
		Unread: live.Unknown,
	}
}

// pruning holds deletions back where they are not switched on.
func (r *Reconciler) pruning(s plan.Step) string {
	if (s.Action == inventory.Delete || plan.Retires(s.Change)) && !r.Systems[s.Key.System()].Prune {
		return say(msgNoPrune, s.Key.System())
	}
	return ""
}

// permission says why a system's changes may not be applied now.
func (r *Reconciler) permission(system string) string {
	switch mode := r.Systems[system].Apply; {
	case mode == ApplyOff:
		return say(msgModeOff, system)
	case mode == ApplyManual && !r.Manual:
		return say(msgModeManual, system)
	}
	return ""
}

func (r *Reconciler) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}
