package gitea

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	api "code.gitea.io/sdk/gitea"

	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge"
)

var _ sources.Directory = (*Forge)(nil)

// Members are those of a team, written organisation/team. The token needs the
// scope read:organization and its user a seat in the organisation.
func (f *Forge) Members(ctx context.Context, group string) (_ []string, err error) {
	defer forge.Shield("read the members of a group", &err)
	org, name, ok := strings.Cut(group, "/")
	if !ok || strings.Contains(name, "/") {
		return nil, fmt.Errorf("cannot list the members of %q: a team is written organisation/team", group)
	}
	c, err := f.api(ctx)
	if err != nil {
		return nil, err
	}
	team, err := f.team(ctx, c, org, name)
	if err != nil {
		return nil, err
	}
	options := api.ListTeamMembersOptions{ListOptions: api.ListOptions{Page: 1, PageSize: perPage}}
	var logins []string
	for {
		list, answer, err := c.ListTeamMembers(team, options)
		if err != nil {
			return nil, f.failed(ctx, "list the members of "+group, answer, err)
		}
		for _, u := range list {
			logins = append(logins, u.UserName)
		}
		if answer.NextPage == 0 {
			return logins, nil
		}
		options.Page = answer.NextPage
	}
}

// team finds a team's number: the search looks for parts of names.
func (f *Forge) team(ctx context.Context, c *api.Client, org, name string) (int64, error) {
	options := api.SearchTeamsOptions{Query: name, ListOptions: api.ListOptions{Page: 1, PageSize: perPage}}
	for {
		teams, answer, err := c.SearchOrgTeams(org, &options)
		if err != nil {
			return 0, f.failed(ctx, "find team "+org+"/"+name, answer, err)
		}
		for _, t := range teams {
			if strings.EqualFold(t.Name, name) {
				return t.ID, nil
			}
		}
		if answer.NextPage == 0 {
			return 0, fmt.Errorf("cannot find team %s/%s: the organisation has none of that name", org, name)
		}
		options.Page = answer.NextPage
	}
}

// pushed is the part that we need of what Gitea keeps of a push, as JSON in a text.
type pushed struct {
	HeadCommit struct{ Sha1 string }
}

// Pushers are told by the repository's activities. Gitea notes one for the merge
// button, too.
func (f *Forge) Pushers(ctx context.Context, branch, since string) (_ map[string]string, err error) {
	defer forge.Shield("read who pushed", &err)
	c, err := f.api(ctx)
	if err != nil {
		return nil, err
	}
	options := api.ListRepoActivityFeedsOptions{ListOptions: api.ListOptions{Page: 1, PageSize: perPage}}
	pushers := forge.Pushers{}
	for range forge.MostPushPages {
		list, answer, err := c.ListRepoActivityFeeds(f.owner, f.repo, options)
		if err != nil {
			return nil, f.failed(ctx, "list the pushes to "+f.owner+"/"+f.repo, answer, err)
		}
		for _, a := range list {
			var p pushed
			if a.OpType == "commit_repo" && strings.TrimPrefix(a.RefName, "refs/heads/") == branch && a.ActUser != nil &&
				json.Unmarshal([]byte(a.Content), &p) == nil {
				pushers.Note(p.HeadCommit.Sha1, a.ActUser.UserName)
			}
		}
		if _, enough := pushers[since]; enough || answer.NextPage == 0 {
			break
		}
		options.Page = answer.NextPage
	}
	return pushers, nil
}
