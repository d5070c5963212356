package gitea

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	api "code.gitea.io/sdk/gitea"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge"
)

var _ sources.Approving = (*Forge)(nil)

// Approvals are the approving reviews of a pull request.
func (f *Forge) Approvals(ctx context.Context, id, _ string) (_ []reconciler.Approval, err error) {
	defer forge.Shield("read approvals", &err)
	number, err := strconv.ParseInt(strings.TrimPrefix(id, "#"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("cannot read the reviews of %q: it is no pull request", id)
	}
	c, err := f.api(ctx)
	if err != nil {
		return nil, err
	}
	var reviews forge.Reviews
	options := api.ListPullReviewsOptions{ListOptions: api.ListOptions{Page: 1, PageSize: perPage}}
	for {
		list, answer, err := c.ListPullReviews(f.owner, f.repo, number, options)
		if err != nil {
			return nil, f.failed(ctx, "read the reviews of "+id, answer, err)
		}
		for _, r := range list {
			if r.Reviewer == nil {
				continue // a team was asked
			}
			approval := reconciler.Approval{User: r.Reviewer.UserName, Commit: r.CommitID, At: r.Submitted}
			switch {
			case r.State == api.ReviewStateApproved && !r.Dismissed:
				reviews.Approve(approval)
			case r.State == api.ReviewStateApproved || r.State == api.ReviewStateRequestChanges:
				reviews.Object(approval)
			}
		}
		if answer.NextPage == 0 {
			return reviews.Standing(), nil
		}
		options.Page = answer.NextPage
	}
}
