// Package gitea reads pull requests from Gitea or Forgejo and shows commit
// statuses there.
//
// It needs a token with the scopes read:repository and write:repository (to
// write a status takes the latter) of a user who may write to the repository.
//
// Gitea knows no running, only pending; besides error and failure it has
// warning and, in newer versions, skipped, which provost never writes and reads
// as what they are: different from what it wants.
//
// The package refuses to ask the server for its version: what it uses is in all
// versions since 1.14, and a server that is down must not stop a start.
package gitea

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	api "code.gitea.io/sdk/gitea"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge"
)

// Config says where the server is and as whom to speak to it.
type Config = forge.Config

const (
	longest     = 255  // characters of a description
	longestLink = 2048 // of an address: what browsers follow
	perPage     = 50   // what servers allow unless configured otherwise
)

// Forge is a repository on a Gitea or Forgejo server.
type Forge struct {
	owner, repo string
	branch      string
	log         *slog.Logger
	client      *forge.Client
	journal     *forge.Journal
}

var _ sources.Forge = (*Forge)(nil)

// New prepares a forge. It sends nothing.
func New(c Config, log *slog.Logger) (*Forge, error) {
	client, err := forge.NewClient(c, "Authorization", "token ")
	if err != nil {
		return nil, err
	}
	f := &Forge{branch: c.Branch, log: log, client: client}
	f.owner, f.repo, _ = strings.Cut(c.Project, "/")
	f.journal = forge.NewJournal(f.put)
	return f, nil
}

// Close lets go of idle connections.
func (f *Forge) Close() error { return f.client.Close() }

// api is the library's client for one call: it holds its context for all calls.
func (f *Forge) api(ctx context.Context) (*api.Client, error) {
	c, err := api.NewClient(f.client.URL.String(),
		api.SetHTTPClient(f.client.HTTP),
		api.SetContext(ctx),
		api.SetGiteaVersion(""),
		api.SetUserAgent("provost"),
	)
	if err != nil {
		return nil, fmt.Errorf("cannot use the forge's url: %v", err)
	}
	return c, nil
}

// Requests are the open pull requests into the branch, oldest first.
func (f *Forge) Requests(ctx context.Context) (_ []sources.Request, err error) {
	defer forge.Shield("list requests", &err)
	c, err := f.api(ctx)
	if err != nil {
		return nil, err
	}
	options := api.ListPullRequestsOptions{
		State: api.StateOpen, Sort: "oldest",
		ListOptions: api.ListOptions{Page: 1, PageSize: perPage},
	}
	var requests []sources.Request
	for {
		list, answer, err := c.ListRepoPullRequests(f.owner, f.repo, options)
		if err != nil {
			return nil, f.failed(ctx, "list pull requests of "+f.owner+"/"+f.repo, answer, err)
		}
		for _, p := range list {
			r, ok := request(p)
			if !ok {
				f.log.Debug("pull request has no head or no base", "number", p.Index)
				continue
			}
			// The server has no filter for the branch in its older versions.
			if f.branch == "" || r.TargetBranch == f.branch {
				requests = append(requests, r)
			}
		}
		if answer.NextPage == 0 {
			return requests, nil
		}
		options.Page = answer.NextPage
	}
}

// request tells of a pull request; one whose branches the server does not name
// is broken, and not told of.
func request(p *api.PullRequest) (sources.Request, bool) {
	if p.Head == nil || p.Base == nil || p.Head.Sha == "" {
		return sources.Request{}, false
	}
	r := sources.Request{
		ID:           fmt.Sprintf("#%d", p.Index),
		Title:        p.Title,
		URL:          p.HTMLURL,
		Ref:          fmt.Sprintf("refs/pull/%d/head", p.Index),
		Head:         p.Head.Sha,
		SourceBranch: p.Head.Ref,
		TargetBranch: p.Base.Ref,
		Fork:         p.Head.RepoID != p.Base.RepoID,
	}
	if p.Poster != nil {
		r.Author = p.Poster.UserName
	}
	return r, true
}

// SetStatus writes one status on a commit. Gitea does not ask for the branch.
func (f *Forge) SetStatus(ctx context.Context, commit, branch string, s reconciler.Status) error {
	return f.journal.Set(ctx, commit, branch, fit(s))
}

// fit makes a status what Gitea will give back when it is read.
func fit(s reconciler.Status) reconciler.Status {
	s.Description = forge.Shorten(s.Description, longest)
	s.TargetURL = forge.Link(s.TargetURL, longestLink)
	if s.State == reconciler.StatusRunning {
		s.State = reconciler.StatusPending
	}
	return s
}

// stateCanceled stands for what was given up: no verdict, and nothing that anybody has to
// wait for.
const stateCanceled = api.StatusError

// put writes a status where another stands.
func (f *Forge) put(ctx context.Context, commit, _ string, s reconciler.Status) (err error) {
	defer forge.Shield("write a status", &err)
	c, err := f.api(ctx)
	if err != nil {
		return err
	}
	current, err := f.standing(ctx, c, commit, s.Context)
	if err != nil {
		return err
	}
	if sources.Stands(current, s) {
		return nil
	}
	state := api.StatusState(s.State)
	switch s.State {
	case reconciler.StatusFailed:
		state = api.StatusFailure
	case reconciler.StatusCanceled:
		state = stateCanceled
	}
	_, answer, err := c.CreateStatus(f.owner, f.repo, commit, api.CreateStatusOption{
		State: state, Context: s.Context, Description: s.Description, TargetURL: s.TargetURL,
	})
	if err != nil {
		return f.failed(ctx, "write status "+s.Context+" on commit "+commit, answer, err)
	}
	return nil
}

// standing is the status that stands for a context; zero when there is none.
// Gitea sorts by the second in which a status was made, so the highest number
// decides. Its combined status would be shorter, but older servers cut it off.
func (f *Forge) standing(ctx context.Context, c *api.Client, commit, name string) (reconciler.Status, error) {
	options := api.ListStatusesOption{ListOptions: api.ListOptions{Page: 1, PageSize: perPage}}
	var newest *api.Status
	for {
		list, answer, err := c.ListStatuses(f.owner, f.repo, commit, options)
		if err != nil {
			return reconciler.Status{}, f.failed(ctx, "read the statuses of commit "+commit, answer, err)
		}
		for _, row := range list {
			if row.Context == name && (newest == nil || row.ID > newest.ID) {
				newest = row
			}
		}
		if answer.NextPage == 0 {
			return read(newest), nil
		}
		options.Page = answer.NextPage
	}
}

func read(row *api.Status) reconciler.Status {
	if row == nil {
		return reconciler.Status{}
	}
	s := reconciler.Status{
		Context:     row.Context,
		State:       reconciler.StatusState(row.State),
		Description: row.Description,
		TargetURL:   row.TargetURL,
	}
	switch row.State {
	case api.StatusFailure:
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
	return f.client.Fail(ctx, "cannot "+doing, plain, err)
}
