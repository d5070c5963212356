package gitlab

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge"
)

var _ sources.Approving = (*Forge)(nil)

// approvals is what GitLab tells of them. The library does not know yet when
// each was given, and neither do older servers.
type approvals struct {
	ApprovedBy []struct {
		User struct {
			Username string `json:"username"`
		} `json:"user"`
		ApprovedAt time.Time `json:"approved_at"`
	} `json:"approved_by"`
}

// Approvals are those that stand on a merge request. GitLab does not say for
// which head one was given, and keeps it over a push unless told otherwise: it
// counts as one of the head that stands, and whoever asks must have seen that
// head without it.
func (f *Forge) Approvals(ctx context.Context, id, head string) (_ []reconciler.Approval, err error) {
	defer forge.Shield("read approvals", &err)
	project, err := f.project(ctx)
	if err != nil {
		return nil, err
	}
	doing := "read the approvals of " + id
	path := fmt.Sprintf("projects/%d/merge_requests/%s/approvals", project, strings.TrimPrefix(id, "!"))
	request, err := f.api.NewRequest(http.MethodGet, path, nil, f.with(ctx))
	if err != nil {
		return nil, f.failed(ctx, doing, nil, err)
	}
	var standing approvals
	answer, err := f.api.Do(request, &standing)
	if err := f.failed(ctx, doing, answer, err); err != nil {
		return nil, err
	}
	var list []reconciler.Approval
	for _, a := range standing.ApprovedBy {
		list = append(list, reconciler.Approval{User: a.User.Username, Commit: head, At: a.ApprovedAt})
	}
	return list, nil
}
