// Package github reads pull requests from GitHub and shows commit statuses there.
//
// It needs a fine-grained token for the repository with the permissions "Commit
// statuses: write" and "Pull requests: read", or a classic one with the scope
// repo:status and, for a private repository, repo.
//
// GitHub knows no running, only pending; says error besides failure; holds a
// context to be the same in capitals; and says "too many" by 403.
//
// The package refuses to write a status that stands: GitHub keeps each one, and
// takes no more than 1,000 of a context on a commit.
package github

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	api "github.com/google/go-github/v75/github"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge"
)

// Config says where GitHub is and as whom to speak to it. The url is
// https://github.com when empty, or that of a GitHub Enterprise Server.
type Config = forge.Config

const (
	longest     = 140  // characters of a description
	longestLink = 2048 // of an address: what browsers follow
)

// Forge is a repository on GitHub.
type Forge struct {
	owner, repo string
	branch      string
	client      *forge.Client
	api         *api.Client
	journal     *forge.Journal
}

var _ sources.Forge = (*Forge)(nil)

// New prepares a forge. It sends nothing, and has nothing to log.
func New(c Config, _ *slog.Logger) (*Forge, error) {
	if c.URL == "" {
		c.URL = "https://github.com"
	}
	client, err := forge.NewClient(c, "Authorization", "Bearer ")
	if err != nil {
		return nil, err
	}
	library := api.NewClient(client.HTTP)
	if host := client.URL.Hostname(); host != "github.com" && host != "api.github.com" {
		if library, err = library.WithEnterpriseURLs(client.URL.String(), client.URL.String()); err != nil {
			return nil, fmt.Errorf("cannot use the forge's url: %v", err)
		}
	}
	library.UserAgent = "provost"
	// The library would answer in GitHub's place; the journal waits instead.
	library.DisableRateLimitCheck = true
	f := &Forge{branch: c.Branch, client: client, api: library}
	f.owner, f.repo, _ = strings.Cut(c.Project, "/")
	f.journal = forge.NewJournal(f.put)
	return f, nil
}

// Close lets go of idle connections.
func (f *Forge) Close() error { return f.client.Close() }

// Requests are the open pull requests into the branch, oldest first.
func (f *Forge) Requests(ctx context.Context) (_ []sources.Request, err error) {
	defer forge.Shield("list requests", &err)
	options := api.PullRequestListOptions{
		State: "open", Base: f.branch, Sort: "created", Direction: "asc",
		ListOptions: api.ListOptions{PerPage: 100},
	}
	var requests []sources.Request
	for {
		list, answer, err := f.api.PullRequests.List(ctx, f.owner, f.repo, &options)
		if err != nil {
			return nil, f.failed(ctx, "list pull requests of "+f.owner+"/"+f.repo, answer, err)
		}
		for _, p := range list {
			requests = append(requests, request(p))
		}
		if answer.NextPage == 0 {
			return requests, nil
		}
		options.Page = answer.NextPage
	}
}

func request(p *api.PullRequest) sources.Request {
	return sources.Request{
		ID:           fmt.Sprintf("#%d", p.GetNumber()),
		Title:        p.GetTitle(),
		Author:       p.GetUser().GetLogin(),
		URL:          p.GetHTMLURL(),
		Ref:          fmt.Sprintf("refs/pull/%d/head", p.GetNumber()),
		Head:         p.GetHead().GetSHA(),
		SourceBranch: p.GetHead().GetRef(),
		TargetBranch: p.GetBase().GetRef(),
		// The repository of a head is null once the fork is deleted.
		Fork: p.GetHead().GetRepo().GetID() != p.GetBase().GetRepo().GetID(),
	}
}

// SetStatus writes one status on a commit. GitHub does not ask for the branch.
func (f *Forge) SetStatus(ctx context.Context, commit, branch string, s reconciler.Status) error {
	return f.journal.Set(ctx, commit, branch, fit(s))
}

// fit makes a status what GitHub will give back when it is read.
func fit(s reconciler.Status) reconciler.Status {
	s.Context = strings.ToLower(s.Context)
	s.Description = forge.Shorten(s.Description, longest)
	s.TargetURL = forge.Link(s.TargetURL, longestLink)
	if s.State == reconciler.StatusRunning {
		s.State = reconciler.StatusPending
	}
	return s
}

// stateCanceled stands for what was given up: no verdict, and nothing that anybody has to
// wait for.
const stateCanceled = "error"

// put writes a status where another stands.
func (f *Forge) put(ctx context.Context, commit, _ string, s reconciler.Status) (err error) {
	defer forge.Shield("write a status", &err)
	current, err := f.standing(ctx, commit, s.Context)
	if err != nil {
		return err
	}
	if sources.Stands(current, s) {
		return nil
	}
	state := string(s.State)
	switch s.State {
	case reconciler.StatusFailed:
		state = "failure"
	case reconciler.StatusCanceled:
		state = stateCanceled
	}
	write := api.RepoStatus{State: &state, Context: &s.Context, Description: &s.Description}
	if s.TargetURL != "" {
		write.TargetURL = &s.TargetURL
	}
	_, answer, err := f.api.Repositories.CreateStatus(ctx, f.owner, f.repo, commit, &write)
	if err != nil {
		return f.failed(ctx, "write status "+s.Context+" on commit "+commit, answer, err)
	}
	return nil
}

// standing is the status that stands for a context; zero when there is none.
// GitHub's combined status holds the newest of each context.
func (f *Forge) standing(ctx context.Context, commit, name string) (reconciler.Status, error) {
	options := api.ListOptions{PerPage: 100}
	for {
		combined, answer, err := f.api.Repositories.GetCombinedStatus(ctx, f.owner, f.repo, commit, &options)
		if err != nil {
			return reconciler.Status{}, f.failed(ctx, "read the statuses of commit "+commit, answer, err)
		}
		for _, row := range combined.Statuses {
			if strings.EqualFold(row.GetContext(), name) {
				return read(row), nil
			}
		}
		if answer.NextPage == 0 {
			return reconciler.Status{}, nil
		}
		options.Page = answer.NextPage
	}
}

func read(row *api.RepoStatus) reconciler.Status {
	s := reconciler.Status{
		Context:     strings.ToLower(row.GetContext()),
		State:       reconciler.StatusState(row.GetState()),
		Description: row.GetDescription(),
		TargetURL:   row.GetTargetURL(),
	}
	switch s.State {
	case "failure":
		s.State = reconciler.StatusFailed
	case stateCanceled:
		s.State = reconciler.StatusCanceled
	}
	return s
}

// failed makes the error of a call.
func (f *Forge) failed(ctx context.Context, doing string, answer *api.Response, err error) error {
	var plain *http.Response
	if answer != nil {
		plain = answer.Response
	}
	// GitHub does not always say how long its second limit lasts; its
	// documentation says a minute at least.
	var limited *api.AbuseRateLimitError
	if errors.As(err, &limited) && limited.RetryAfter == nil && plain != nil {
		plain.Header.Set("Retry-After", "60")
	}
	return f.client.Fail(ctx, "cannot "+doing, plain, err)
}
