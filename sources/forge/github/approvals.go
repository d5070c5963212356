package github

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	api "github.com/google/go-github/v75/github"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge"
)

var _ sources.Approving = (*Forge)(nil)

// Approvals are the approving reviews of a pull request.
func (f *Forge) Approvals(ctx context.Context, id, _ string) (_ []reconciler.Approval, err error) {
	defer forge.Shield("read approvals", &err)
	number, err := strconv.Atoi(strings.TrimPrefix(id, "#"))
	if err != nil {
		return nil, fmt.Errorf("cannot read the reviews of %q: it is no pull request", id)
	}
	var reviews forge.Reviews
	options := api.ListOptions{PerPage: 100}
	for {
		list, answer, err := f.api.PullRequests.ListReviews(ctx, f.owner, f.repo, number, &options)
		if err != nil {
			return nil, f.failed(ctx, "read the reviews of "+id, answer, err)
		}
		for _, r := range list {
			approval := reconciler.Approval{User: r.GetUser().GetLogin(), Commit: r.GetCommitID(), At: r.GetSubmittedAt().Time}
			switch r.GetState() {
			case "APPROVED":
				reviews.Approve(approval)
			case "CHANGES_REQUESTED", "DISMISSED":
				reviews.Object(approval)
			}
		}
		if answer.NextPage == 0 {
			return reviews.Standing(), nil
		}
		options.Page = answer.NextPage
	}
}
