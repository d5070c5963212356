package reconciler

import "context"

// answers are the contexts that every pass ends with a verdict on, in the order
// in which it comes to them. The one on applying is none of them: it may stay
// pending, with a reason, and GitLab lets nobody change the text of what is.
var answers = []string{ContextValidate, ContextPlan, ContextPolicy}

// seen says on a commit that has no verdict yet that there will be one, before
// anything is read or asked: whoever pushed looks at the commit now. Where
// nobody knows what was answered last it says nothing: most likely it was this very
// commit, whose verdict must not be hidden; nor where a desk has answered on it.
func (r *Reconciler) seen(ctx context.Context, pass *Pass) {
	if r.Answered == "" || r.foretold == pass.Commit {
		return
	}
	for _, name := range answers {
		r.early(ctx, pass, Status{Context: name, State: StatusPending, Description: msgSeen})
	}
}

// seenRequest says the same on the head of a merge request.
func (r *Reconciler) seenRequest(ctx context.Context, p Proposal) {
	for _, name := range answers {
		r.write(ctx, p.Commit, Status{Context: name, State: StatusPending, Description: msgSeen})
	}
}
