package gitlab

import (
	"context"

	api "gitlab.com/gitlab-org/api/client-go"

	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge"
)

var _ sources.Directory = (*Forge)(nil)

// Members are the active members of a group, those that it has from groups above
// it or was shared with included. The bot must be a member of a private group.
func (f *Forge) Members(ctx context.Context, group string) (_ []string, err error) {
	defer forge.Shield("read the members of a group", &err)
	options := api.ListGroupMembersOptions{ListOptions: api.ListOptions{PerPage: 100}}
	found, err := api.ScanAndCollect(func(page api.PaginationOptionFunc) ([]*api.GroupMember, *api.Response, error) {
		list, answer, err := f.api.Groups.ListAllGroupMembers(group, &options, f.with(ctx, page)...)
		if err != nil {
			err = f.client.Fail(ctx, "cannot list the members of "+group, plainly(answer), err)
		}
		return list, answer, err
	})
	var logins []string
	for _, m := range found {
		if m.State == "active" {
			logins = append(logins, m.Username)
		}
	}
	return logins, err
}

// Pushers are told by push events. GitLab makes one for the merge button, too,
// and none where one push moves more than three branches.
func (f *Forge) Pushers(ctx context.Context, branch, since string) (_ map[string]string, err error) {
	defer forge.Shield("read who pushed", &err)
	id, err := f.project(ctx)
	if err != nil {
		return nil, err
	}
	options := api.ListProjectVisibleEventsOptions{
		ListOptions: api.ListOptions{PerPage: 100, Page: 1},
		Action:      api.Ptr(api.PushedEventType),
	}
	pushers := forge.Pushers{}
	for range forge.MostPushPages {
		list, answer, err := f.api.Events.ListProjectVisibleEvents(id, &options, f.with(ctx)...)
		if err := f.failed(ctx, "list the pushes to "+f.config.Project, answer, err); err != nil {
			return nil, err
		}
		for _, e := range list {
			if p := e.PushData; p.RefType == "branch" && p.Ref == branch {
				pushers.Note(p.CommitTo, e.AuthorUsername)
			}
		}
		if _, enough := pushers[since]; enough || answer.NextPage == 0 {
			break
		}
		options.Page = answer.NextPage
	}
	return pushers, nil
}
