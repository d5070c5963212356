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
func (f *Forge) Members(ctx context.Context, group string) (_ []string, err error) {
	defer forge.Shield("read the members of a group", &err)
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

// Pushers are the actors of the branch's activity: pushes, and merges.
func (f *Forge) Pushers(ctx context.Context, branch, since string) (_ map[string]string, err error) {
	defer forge.Shield("read who pushed", &err)
	options := api.ListRepositoryActivityOptions{Ref: "refs/heads/" + branch, PerPage: 100}
	pushers := forge.Pushers{}
	for range forge.MostPushPages {
		list, answer, err := f.api.Repositories.ListRepositoryActivities(ctx, f.owner, f.repo, &options)
		if err != nil {
			return nil, f.failed(ctx, "list the pushes to "+f.owner+"/"+f.repo, answer, err)
		}
		for _, a := range list {
			if a.Actor != nil && a.Actor.Login != nil {
				pushers.Note(a.After, *a.Actor.Login)
			}
		}
		if _, enough := pushers[since]; enough || answer.After == "" {
			break
		}
		options.After = answer.After
	}
	return pushers, nil
}
