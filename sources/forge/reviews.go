package forge

import (
	"slices"

	"github.com/provost-dev/provost/reconciler"
)

// Reviews are what people said on a pull request, one after the other: the last
// word of each counts. A mere comment is no word.
type Reviews struct {
	order []string // logins
	last  map[string]reconciler.Approval
}

// Approve notes that somebody approved.
func (r *Reviews) Approve(a reconciler.Approval) {
	if r.last == nil {
		r.last = map[string]reconciler.Approval{}
	}
	if !slices.Contains(r.order, a.User) {
		r.order = append(r.order, a.User)
	}
	r.last[a.User] = a
}

// Object notes that somebody asked for changes, or that his approval was dismissed.
func (r *Reviews) Object(a reconciler.Approval) { delete(r.last, a.User) }

// Standing are the approvals that nothing followed, in the order of those who gave them.
func (r *Reviews) Standing() []reconciler.Approval {
	var list []reconciler.Approval
	for _, user := range r.order {
		if a, stands := r.last[user]; stands {
			list = append(list, a)
		}
	}
	return list
}
