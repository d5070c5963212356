package sources

import (
	"context"

	"github.com/provost-dev/provost/reconciler"
)

// Approving is a [Forge] that knows who has approved a request.
type Approving interface {
	// Approvals are those that stand on a request now; what was withdrawn,
	// dismissed or followed by an objection of the same person is none. id is
	// the request's, head the commit that the forge shows as its head.
	Approvals(ctx context.Context, id, head string) ([]reconciler.Approval, error)
}

var _ reconciler.Witness = (*Composite)(nil)

// Approvals are those that stand on a request now, none where the forge does not
// know approvals.
func (c *Composite) Approvals(ctx context.Context, p reconciler.Proposal) ([]reconciler.Approval, error) {
	forge, ok := c.forge.(Approving)
	if !ok {
		return nil, nil
	}
	reading, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	return forge.Approvals(reading, p.ID, p.Commit)
}
