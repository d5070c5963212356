package reconciler

import (
	"context"
	"reflect"
	"slices"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler/plan"
)

// desk answers whoever comes while a pass applies, which may take hours. It looks
// at the repository when it is called and after every interval. On merge requests
// that are new it answers as the pass did on those that were open. On a newer commit
// of the branch it answers too, and asks the walk to wind down for it: what runs is
// finished, nothing is begun, and the next pass makes of the rest what the newer
// commit wants of it. So what mends a wrong commit takes effect within the length of
// a task. A commit that plans the very same asks for nothing.
//
// It plans against what the pass has read, as its changes have made it since (see
// [made]), and reads no system again. What the pass has yet to make is then no
// request's own, because the branch wants it too; what it has made already would be
// deleted where a newer commit lacks it, and is told so. What runs just now, and what
// somebody else did meanwhile, shows in the next pass, which answers on all of it anew.
//
// Between opening and closing, the pass and its commit's statuses are the desk's
// own; of the walk it learns only what was made. It applies nothing.
type desk struct {
	r      *Reconciler
	pass   *Pass
	base   Snapshot          // what requests are held against: the newest commit
	campus *projects.Campus  // as base declares it
	live   inventory.Listing // as the pass read it
	made   made              // since
	stands map[string]ProposalPass
	end    context.CancelFunc
	ended  chan struct{}

	earliest time.Time     // at which the walk may be asked to wind down
	yield    chan struct{} // closed when it is
	asks     *time.Timer   // closes it
	asked    time.Time
}

// desk is nil where nobody comes: in a pass that a person asked for, and in one
// that has nothing to apply.
func (r *Reconciler) desk(pass *Pass, base Snapshot, campus *projects.Campus, live inventory.Listing) *desk {
	if r.interval == 0 || r.DryRun || len(pass.Plan.Ready()) == 0 {
		return nil
	}
	d := &desk{
		r: r, pass: pass, base: base, campus: campus, live: live, stands: map[string]ProposalPass{},
		ended: make(chan struct{}), yield: make(chan struct{}),
	}
	for _, answer := range pass.Proposals {
		d.stands[answer.Commit] = answer
	}
	return d
}

// open begins to answer. Who has pushed while the pass was reading is heard before
// anything of it begins.
func (d *desk) open(ctx context.Context) {
	if d == nil {
		return
	}
	ctx, d.end = context.WithCancel(ctx)
	d.earliest = time.Now().Add(d.r.wound)
	d.guarded(func() {
		reading, done := context.WithTimeout(ctx, glance)
		newest, ok := d.read(reading)
		if done(); ok {
			d.follow(ctx, newest)
		}
	})
	go d.attend(ctx)
}

// glance is how long the work waits for a repository that does not answer.
const glance = 5 * time.Second

// close ends it, and returns when nothing of it is left. What it was about to say
// the next pass says, which then comes at once.
func (d *desk) close() {
	if d == nil {
		return
	}
	d.end()
	<-d.ended
	if d.asks != nil {
		d.asks.Stop()
	}
	d.r.wound = 0
	if d.yields() {
		d.r.wound = max(time.Since(d.asked), oneRound)
	}
}

// oneRound is time enough for all that may begin at once to begin.
const oneRound = time.Second

// note tells of a change that was made.
func (d *desk) note(c *inventory.Change) {
	if d != nil {
		d.made.add(c)
	}
}

// yielding is closed when the walk is to wind down.
func (d *desk) yielding() <-chan struct{} {
	if d == nil {
		return nil
	}
	return d.yield
}

// yields reports whether it is.
func (d *desk) yields() bool {
	select {
	case <-d.yielding():
		return true
	default:
		return false
	}
}

func (d *desk) attend(ctx context.Context) {
	defer close(d.ended)
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.r.calls:
			d.r.called = true
		case <-time.After(d.r.interval):
		}
		d.guarded(func() { d.look(ctx) })
	}
}

// guarded survives what it breaks over: that is logged, and the next look may do better.
func (d *desk) guarded(look func()) {
	_ = d.r.guarded("answering while a pass applies", look)
}

// look reads the repository and answers on what is new there.
func (d *desk) look(ctx context.Context) {
	if newest, ok := d.read(ctx); ok {
		d.follow(ctx, newest)
		d.answer(ctx)
	}
}

// read is the newest commit of the branch; false where nobody can tell.
func (d *desk) read(ctx context.Context) (Snapshot, bool) {
	newest, err := d.r.Source.Latest(ctx)
	if err != nil && ctx.Err() == nil {
		d.r.Log.Warn("repository unread while a pass applies", "error", err)
	}
	return newest, err == nil && ctx.Err() == nil
}

// follow answers on what is new on the branch.
func (d *desk) follow(ctx context.Context, newest Snapshot) {
	if !slices.Equal(newest.Refused, d.pass.Refused) {
		d.r.refuse(ctx, d.pass, newest)
	}
	switch newest.Commit {
	case d.base.Commit:
	case d.pass.Commit:
		d.turnBack(newest)
	default:
		d.turnTo(ctx, newest)
	}
}

// turnTo answers on a newer commit of the branch, and lets the walk wind down where
// that wants something else.
func (d *desk) turnTo(ctx context.Context, newest Snapshot) {
	r := d.r
	r.called = true
	r.Log.Info("a newer commit while a pass applies", "commit", short(newest.Commit), "pass", d.pass.ID)
	answer := &ProposalPass{ID: newest.Branch, Title: newest.Subject, Commit: newest.Commit}
	write := func(s Status) { answer.Statuses = setStatus(answer.Statuses, r.write(ctx, newest.Commit, s)) }
	for _, name := range answers {
		write(Status{Context: name, State: StatusPending, Description: msgSeen})
	}
	live := d.made.on(d.live)
	_, before := d.judge(ctx, live)
	d.base, d.campus = newest, r.memory.LoadAt(newest.Tree, r.now())
	desired, verdict := d.judge(ctx, live)
	answer.Problems, answer.Plan, answer.Violations = desired.Problems, verdict.Plan, verdict.Violations

	totals := countKinds(desired)
	write(validateStatus(answer.Problems, len(desired.Files), totals[inventory.KindGuest]))
	write(soFar(planStatus(verdict.Plan, totals, live.Unknown), d.pass.Commit))
	write(policyStatus(verdict))
	if ctx.Err() != nil {
		return
	}
	r.foretold = newest.Commit
	clear(d.stands)
	d.pass.Newer = answer
	r.publish(d.pass)
	if !slices.EqualFunc(before.Plan.Steps, verdict.Plan.Steps, func(a, b plan.Step) bool { return reflect.DeepEqual(a, b) }) {
		d.supersede(newest.Commit)
	}
}

// turnBack takes note that the branch was moved back to what is being applied. The pass
// itself answers on that; where it winds down already, the next one does.
func (d *desk) turnBack(own Snapshot) {
	d.r.called = true
	d.r.Log.Info("the branch is moved back to what is applied", "commit", short(own.Commit), "pass", d.pass.ID)
	d.base, d.campus = own, d.r.memory.LoadAt(own.Tree, d.r.now())
	clear(d.stands)
	d.pass.Newer = nil
	if d.asks != nil && d.asks.Stop() {
		d.asks, d.pass.Superseded = nil, ""
	}
	d.r.publish(d.pass)
}

// judge says what the newest commit would do now.
func (d *desk) judge(ctx context.Context, live inventory.Listing) (projects.Desired, Verdict) {
	desired := d.campus.Desired(live.Items)
	proposal := d.r.planOnly(d.r.plan(d.campus, desired, live), desired)
	return desired, d.r.judge(ctx, d.base, proposal, desired, live)
}

// supersede asks the walk to wind down: at once, but after a pass that was wound down
// only when as long has passed as that took. So a storm of pushes takes half of the
// time at most, and some of the work goes out between any two of them.
func (d *desk) supersede(commit string) {
	d.pass.Superseded = commit
	wait := time.Until(d.earliest)
	switch ask := func() { d.asked = time.Now(); close(d.yield) }; {
	case d.asks != nil || d.yields():
	case wait <= 0:
		ask() // before the walk begins, too
	default:
		d.asks = time.AfterFunc(wait, ask)
	}
}

// answer looks at the open merge requests. An answer stands until the base is
// another; but where the guard holds something back, an approval may have come.
func (d *desk) answer(ctx context.Context) {
	proposals, ok := d.r.proposals(ctx, d.base)
	if !ok {
		return
	}
	d.r.breakPromises(ctx, d.base.Commit, append(heads(proposals), d.pass.Commit)...)
	open := answerable(proposals, d.base.Commit, d.pass.Refused)
	fresh := slices.DeleteFunc(slices.Clone(open), func(p Proposal) bool {
		answer, stands := d.stands[p.Commit]
		return stands && answer.Plan.Held == nil
	})
	if len(fresh) == 0 {
		return
	}
	for _, p := range fresh {
		if _, known := d.stands[p.Commit]; !known && p.Problem == "" {
			d.r.seenRequest(ctx, p)
		}
	}
	live := d.made.on(d.live)
	desired, ours := d.judge(ctx, live)
	b := d.r.bench(d.base, live, ours.Plan, desired.Problems)
	for _, p := range fresh {
		d.stands[p.Commit] = d.r.answerProposal(ctx, p, b)
	}
	if ctx.Err() != nil {
		return
	}
	d.pass.Proposals = nil // a published list is never changed
	for _, p := range open {
		if answer, answered := d.stands[p.Commit]; answered {
			d.pass.Proposals = append(d.pass.Proposals, answer)
		}
	}
	d.r.forgetRequests(proposals)
	d.r.publish(d.pass)
}
