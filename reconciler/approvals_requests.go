package reconciler

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/provost-dev/provost/reconciler/plan"
)

// shown is what is remembered of an open merge request of which something is
// held back: an approval of the request is one of the plan only
// where its giver can have seen the plan. So those that stood when the plan was
// first shown are too early, and a new head or another plan begins anew.
type shown struct {
	Commit string   `json:"commit"` // the head on which the hash was shown
	Hash   string   `json:"hash"`
	Early  []string `json:"early,omitempty"` // the approvals that stood then
}

// requestsFile is a name that no approval has.
const requestsFile = "requests"

// requests are those of which something was shown. A file that cannot be understood is
// as good as lost: what was shown is shown anew, and approved anew.
func (a *Approvals) requests() (map[string]shown, error) {
	all := map[string]shown{}
	data, err := os.ReadFile(filepath.Join(a.dir, requestsFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return all, nil
	case err != nil:
		return nil, fmt.Errorf("cannot read what approvals were asked for: %w", err)
	}
	if json.Unmarshal(data, &all) != nil || all == nil {
		return map[string]shown{}, nil
	}
	return all, nil
}

// onRequest is the consent to what a merge request would do. A fork's plan gets none,
// whatever its hash: what it was made from is not what is live, and whoever wrote it
// could make it look like one that somebody has approved.
func (r *Reconciler) onRequest(ctx context.Context, p Proposal) consent {
	if p.Fork {
		return func(*plan.Held) string { return "" }
	}
	return func(held *plan.Held) string {
		r.hear(ctx, p, held)
		return r.given(held)
	}
}

// hear takes a merge request's approvals for approvals of its plan, where they
// are.
func (r *Reconciler) hear(ctx context.Context, p Proposal, held *plan.Held) {
	witness, ok := r.Source.(Witness)
	if r.DryRun || r.Approvals == nil || !ok {
		return
	}
	var given []Approval
	var err error
	if held != nil {
		given, err = witness.Approvals(ctx, p)
	}
	if err == nil {
		err = r.Approvals.hear(p, given, held, r.Approvers)
	}
	if err != nil {
		r.Log.Warn("approvals of a merge request not taken", "request", p.ID, "error", err)
	}
}

func (r *Reconciler) forgetRequests(open []Proposal) {
	if r.DryRun || r.Approvals == nil {
		return
	}
	if err := r.Approvals.forget(open); err != nil {
		r.Log.Warn("closed merge requests not forgotten", "error", err)
	}
}

// hear looks at who has given his approval of a merge request. held is what is held back
// of the plan that merging it would make, nil where nothing is; approvers are the
// logins that count. The request's own author never does.
//
// While the request is open the approval stands and falls with it: withdrawn
// there, it is withdrawn here. After the merge nobody can withdraw it there.
func (a *Approvals) hear(p Proposal, given []Approval, held *plan.Held, approvers []string) error {
	requests, err := a.requests()
	if err != nil {
		return err
	}
	now := shown{Commit: p.Commit}
	if held != nil {
		now.Hash = held.Hash
	}
	was, known := requests[p.ID]
	if was.Commit != now.Commit || was.Hash != now.Hash {
		if held == nil && !known {
			return nil
		}
		for _, early := range given {
			now.Early = append(now.Early, early.id())
		}
		if requests[p.ID] = now; held == nil {
			delete(requests, p.ID)
		}
		return errors.Join(a.withdraw(p.ID, ""), a.put(filepath.Join(a.dir, requestsFile), requests))
	}
	for _, one := range given {
		if held != nil && one.counts(p, was, approvers) {
			return a.agree(approval{Hash: held.Hash, By: one.User + " on " + p.ID, Request: p.ID})
		}
	}
	return a.withdraw(p.ID, "")
}

// counts reports whether it is of the head on which the plan was shown, by an
// approver who is not the author, and given after the plan was shown.
func (given Approval) counts(p Proposal, was shown, approvers []string) bool {
	is := func(login string) bool { return strings.EqualFold(login, given.User) } // no forge tells ada from Ada
	return given.Commit == p.Commit && !is(p.Author) && slices.ContainsFunc(approvers, is) &&
		!slices.Contains(was.Early, given.id())
}

// id tells one approval from another that the same person gives later.
func (given Approval) id() string {
	return given.User + " " + given.Commit + " " + given.At.UTC().Format(time.RFC3339Nano)
}

// agree keeps the approval of a request, and anew each day while it is open.
func (a *Approvals) agree(one approval) error {
	for _, old := range a.all() {
		if old.Hash == one.Hash && old.Request == one.Request && old.By == one.By && a.now().Sub(old.At) < 24*time.Hour {
			return nil
		}
	}
	return cmp.Or(a.withdraw(one.Request, one.Hash), a.give(one))
}

// withdraw drops what was approved on a request, but for one hash.
func (a *Approvals) withdraw(request, but string) error {
	var errs []error
	for _, one := range a.all() {
		if one.Request == request && one.Hash != but {
			errs = append(errs, a.drop(one))
		}
	}
	return errors.Join(errs...)
}

// forget lets go of requests that are no longer open. What was approved on them
// stays: they may have been merged.
func (a *Approvals) forget(open []Proposal) error {
	requests, err := a.requests()
	if err != nil {
		return err
	}
	before := len(requests)
	for id := range requests {
		if !slices.ContainsFunc(open, func(p Proposal) bool { return p.ID == id }) {
			delete(requests, id)
		}
	}
	if len(requests) == before {
		return nil
	}
	return a.put(filepath.Join(a.dir, requestsFile), requests)
}
