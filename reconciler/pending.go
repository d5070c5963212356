package reconciler

import "context"

// contexts are all that provost writes, in the order in which a pass comes to them.
var contexts = []string{ContextValidate, ContextPlan, ContextPolicy, ContextApply}

// seen says on a commit that has no verdict yet that there will be one, before
// anything is read or asked: whoever pushed looks at the commit now.
func (r *Reconciler) seen(ctx context.Context, pass *Pass) {
	for _, name := range contexts {
		r.early(ctx, pass, Status{Context: name, State: StatusPending, Description: msgSeen})
	}
}
