package github

import (
	"context"
	"fmt"
	"strings"

	api "github.com/google/go-github/v75/github"

	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge"
)

var _ sources.Directory = (*Forge)(nil)

// Members are those of a team, written organisation/team, and of the teams below
// it. The token needs the organisation's permission "Members: read".
func (f *Forge) Members(ctx context.Context, group string) ([]string, error) {
	org, team, ok := strings.Cut(group, "/")
	if !ok || strings.Contains(team, "/") {
		return nil, fmt.Errorf("cannot list the members of %q: a team is written organisation/team", group)
	}
	options := api.TeamListTeamMembersOptions{ListOptions: api.ListOptions{PerPage: 100}}
	var logins []string
	for {
		list, answer, err := f.api.Teams.ListTeamMembersBySlug(ctx, org, team, &options)
		if err != nil {
			return nil, f.failed(ctx, "list the members of "+group, answer, err)
		}
		for _, u := range list {
			logins = append(logins, u.GetLogin())
		}
		if answer.NextPage == 0 {
			return logins, nil
		}
		options.Page = answer.NextPage
	}
}

// Pusher is the actor of the activity that moved the branch to the commit: a
// push, or a merge.
func (f *Forge) Pusher(ctx context.Context, branch, commit string) (string, error) {
	options := api.ListRepositoryActivityOptions{Ref: "refs/heads/" + branch, PerPage: 100}
	for range forge.MostPushPages {
		list, answer, err := f.api.Repositories.ListRepositoryActivities(ctx, f.owner, f.repo, &options)
		if err != nil {
			return "", f.failed(ctx, "list the pushes to "+f.owner+"/"+f.repo, answer, err)
		}
		for _, a := range list {
			if a.After == commit && a.Actor != nil && a.Actor.Login != nil {
				return *a.Actor.Login, nil
			}
		}
		if answer.After == "" {
			break
		}
		options.After = answer.After
	}
	return "", nil
}
