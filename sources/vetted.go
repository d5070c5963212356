package sources

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/provost-dev/provost/policies/trust"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
)

// Vetting says from where on, and by whose word, a branch is believed.
type Vetting struct {
	Since string  // a commit that is believed as it is; "" for the first one
	File  string  // where the last believed commit is remembered
	Push  *People // who pushed what; nil: nobody knows
	Log   *slog.Logger
}

// Vetted is a repository whose newest commit is the newest that can be believed.
// Each commit on the branch's way is judged by the rules of the last one that was
// believed before it (see package policies/trust), by everything in which it differs from that one:
// so a commit cannot admit itself, what one brings in by stealth the next does
// not carry further, and what takes a bad commit back is good.
//
// The way is looked at anew from Since wherever File is lost. Signatures can be
// judged at any time; who pushed cannot, because forges forget: that is asked
// for what comes after the commit in File, or else after the newest.
//
// A branch that was rewritten so that it lacks what was believed is not followed
// where there are rules: whoever may rewrite would go back to before them.
type Vetted struct {
	History
	vetting Vetting
	turn    chan struct{} // holds one token while Latest is at work
	good    *believed     // nil until it is known
	stands  reconciler.Snapshot
}

var _ Repository = (*Vetted)(nil)

// Vet wraps a repository.
func Vet(repo History, v Vetting) *Vetted {
	if v.Push == nil {
		v.Push = &People{}
	}
	return &Vetted{History: repo, vetting: v, turn: make(chan struct{}, 1)}
}

// believed is a commit that is believed, and the rules for what follows it.
type believed struct {
	commit string
	folder string // hash of its rules
	when   time.Time
	rules  trust.Rules
}

func (b *believed) ruled() bool { return b.rules.Owners != nil || b.rules.Signers != nil }

// Latest is the newest commit that is believed, with what came after it in Refused.
func (v *Vetted) Latest(ctx context.Context) (reconciler.Snapshot, error) {
	head, err := v.History.Latest(ctx)
	if err != nil {
		return reconciler.Snapshot{}, err
	}
	select {
	case v.turn <- struct{}{}:
		defer func() { <-v.turn }()
	case <-ctx.Done():
		return reconciler.Snapshot{}, ctx.Err()
	}
	if v.good != nil && v.good.commit == head.Commit {
		return head, nil
	}
	refused, err := v.follow(ctx, head)
	if err != nil {
		return reconciler.Snapshot{}, fmt.Errorf("cannot tell whether the branch is to be believed: %w", err)
	}
	if len(refused) == 0 {
		return head, nil
	}
	if v.stands.Commit != v.good.commit {
		if v.stands, err = v.At(ctx, v.good.commit); err != nil {
			return reconciler.Snapshot{}, err
		}
	}
	stands := v.stands
	stands.Refused = refused
	return stands, nil
}

// follow goes along the branch to its head and moves good as far as it can. What
// is left after that is refused.
func (v *Vetted) follow(ctx context.Context, head reconciler.Snapshot) ([]reconciler.Refusal, error) {
	known, err := v.begin(ctx)
	if err != nil {
		return nil, err
	}
	way, err := v.Commits(ctx, v.from(), head.Commit)
	if errors.Is(err, ErrNoDescent) && known && !v.good.ruled() {
		known = false // the branch was rewritten, and nothing bound anybody
		if err = v.anchor(ctx); err == nil {
			way, err = v.Commits(ctx, v.from(), head.Commit)
		}
	}
	switch {
	case errors.Is(err, ErrNoDescent) && known:
		return []reconciler.Refusal{{Commit: head.Commit, Reason: fmt.Sprintf(
			"the branch was rewritten and lacks %.12s: push what it had, or set since: to a commit of the new branch", v.from())}}, nil
	case errors.Is(err, ErrNoDescent):
		return nil, fmt.Errorf("%.12s does not descend from since: %s", head.Commit, v.from())
	case err != nil:
		return nil, err
	}
	if v.good == nil { // the beginning itself: somebody has to be believed
		if v.good, err = v.believe(ctx, nil, way[0]); err != nil {
			return nil, err
		}
		way = way[1:]
	}
	refused, err := v.judge(ctx, head.Branch, way, known)
	if err == nil {
		v.remember()
	}
	return refused, err
}

// from is where the way begins.
func (v *Vetted) from() string {
	if v.good == nil {
		return ""
	}
	return v.good.commit
}

// judge moves good along the way. known says that the forge is expected to know
// who pushed it.
func (v *Vetted) judge(ctx context.Context, branch string, way []Commit, known bool) (refused []reconciler.Refusal, err error) {
	j := jury{Vetted: v, branch: branch, way: way, asks: known}
	for i, c := range way {
		next, reason, err := j.object(ctx, i)
		if err != nil {
			return nil, err
		}
		if reason == "" {
			v.good, refused = next, nil
			continue
		}
		refused = append(refused, reconciler.Refusal{Commit: c.Hash, Reason: reason})
	}
	return last(refused), nil
}

// mostRefused is on how many commits is told that they are not believed.
const mostRefused = 20

func last(refused []reconciler.Refusal) []reconciler.Refusal {
	return refused[max(0, len(refused)-mostRefused):]
}

// believe reads the rules of a commit; the error is a [*brokenRules] where they
// cannot be read. What is unlike before is read anew.
func (v *Vetted) believe(ctx context.Context, before *believed, c Commit) (*believed, error) {
	b := &believed{commit: c.Hash, folder: c.Rules, when: c.When}
	if before != nil && before.folder == c.Rules {
		b.rules = before.rules
		return b, nil
	}
	tree, err := v.Folder(ctx, c.Hash, trust.Folder)
	if err != nil {
		return nil, err
	}
	var problems []projects.Problem
	if b.rules, problems = trust.Read(tree); len(problems) > 0 {
		return nil, &brokenRules{commit: c.Hash, problem: problems[0]}
	}
	return b, nil
}

// brokenRules says that the rules of a commit cannot be read.
type brokenRules struct {
	commit  string
	problem projects.Problem
}

func (b *brokenRules) Error() string {
	return fmt.Sprintf("the rules of %.12s cannot be read: %s; set since: to a commit that mends them", b.commit, b.problem)
}
