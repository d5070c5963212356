// Package gitlab reads merge requests from GitLab and shows commit statuses there.
//
// It needs a token with the scope api of one bot user, who is at least a
// developer of the project, and who may push or merge to the branch where that
// is protected. One bot: GitLab changes a status only for the user who made it.
//
// What GitLab does that its documentation does not say is argued where it is
// dealt with, in status.go. Its double is gitlabsim.
//
// The package refuses to wait for GitLab's own pipelines: a pipeline that
// appears after a status was written gets the next status, and what was left
// open in the older one is settled then.
package gitlab

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	api "gitlab.com/gitlab-org/api/client-go"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge"
)

// Config says where GitLab is and as whom to speak to it.
type Config = forge.Config

// Forge is a project on a GitLab server.
type Forge struct {
	config  Config
	log     *slog.Logger
	client  *forge.Client
	api     *api.Client
	journal *forge.Journal

	mu sync.Mutex
	id int64 // the project's number; 0 until it was asked for
}

var _ sources.Forge = (*Forge)(nil)

// New prepares a forge. It sends nothing.
func New(c Config, log *slog.Logger) (*Forge, error) {
	client, err := forge.NewClient(c, "PRIVATE-TOKEN", "")
	if err != nil {
		return nil, err
	}
	// The client logs in, and the journal decides what is tried again.
	library, err := api.NewAuthSourceClient(api.Unauthenticated{},
		api.WithBaseURL(client.URL.String()),
		api.WithHTTPClient(client.HTTP),
		api.WithoutRetries(),
		api.WithCustomLimiter(unlimited{}),
		api.WithURLWarningLogger(log),
		api.WithUserAgent("provost"),
	)
	if err != nil {
		return nil, fmt.Errorf("cannot use the forge's url: %v", err)
	}
	f := &Forge{config: c, log: log, client: client, api: library}
	f.journal = forge.NewJournal(f.put)
	return f, nil
}

// Close lets go of idle connections.
func (f *Forge) Close() error { return f.client.Close() }

// Requests are the open merge requests into the branch, oldest first.
func (f *Forge) Requests(ctx context.Context) (_ []sources.Request, err error) {
	defer forge.Shield("list requests", &err)
	id, err := f.project(ctx)
	if err != nil {
		return nil, err
	}
	options := api.ListProjectMergeRequestsOptions{
		ListOptions: api.ListOptions{PerPage: 100},
		State:       new("opened"),
		// One that is opened while pages are read comes last and shifts nothing.
		OrderBy: new("created_at"),
		Sort:    new("asc"),
	}
	if f.config.Branch != "" {
		options.TargetBranch = &f.config.Branch
	}
	found, err := api.ScanAndCollect(func(page api.PaginationOptionFunc) ([]*api.BasicMergeRequest, *api.Response, error) {
		list, answer, err := f.api.MergeRequests.ListProjectMergeRequests(id, &options, f.with(ctx, page)...)
		return list, answer, f.failed(ctx, "list merge requests of "+f.config.Project, answer, err)
	})
	if err != nil {
		return nil, err
	}
	var requests []sources.Request
	for _, m := range found {
		// GitLab makes a request first and looks for its head afterwards.
		if m.SHA == "" {
			f.log.Debug("merge request has no head yet", "project", f.config.Project, "iid", m.IID)
			continue
		}
		requests = append(requests, request(m))
	}
	return requests, nil
}

func request(m *api.BasicMergeRequest) sources.Request {
	r := sources.Request{
		ID:           fmt.Sprintf("!%d", m.IID),
		Title:        m.Title,
		URL:          m.WebURL,
		Ref:          fmt.Sprintf("refs/merge-requests/%d/head", m.IID),
		Head:         m.SHA,
		SourceBranch: m.SourceBranch,
		TargetBranch: m.TargetBranch,
		Fork:         m.SourceProjectID != m.TargetProjectID,
	}
	if m.Author != nil {
		r.Author = m.Author.Username
	}
	return r
}

// SetStatus writes one status on a commit.
func (f *Forge) SetStatus(ctx context.Context, commit, branch string, s reconciler.Status) error {
	return f.journal.Set(ctx, commit, branch, fit(s))
}

// project is the project's number. It is asked for once, by a request that
// GitLab redirects when the project has moved; writes it would not redirect.
func (f *Forge) project(ctx context.Context) (int64, error) {
	f.mu.Lock()
	id := f.id
	f.mu.Unlock()
	if id != 0 {
		return id, nil
	}
	p, answer, err := f.api.Projects.GetProject(f.config.Project, nil, f.with(ctx)...)
	if err := f.failed(ctx, "find project "+f.config.Project, answer, err); err != nil {
		return 0, err
	}
	if p.PathWithNamespace != f.config.Project {
		f.log.Warn("project goes by another path", "configured", f.config.Project, "path", p.PathWithNamespace)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.id = p.ID
	return p.ID, nil
}

// forget makes the next call ask for the project again: it may have been made anew.
func (f *Forge) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.id = 0
}

// with are the options of a request.
func (f *Forge) with(ctx context.Context, more ...api.RequestOptionFunc) []api.RequestOptionFunc {
	options := []api.RequestOptionFunc{api.WithContext(ctx)}
	for _, o := range more {
		if o != nil {
			options = append(options, o)
		}
	}
	return options
}

// failed makes the error of a call; nil when it did not fail.
func (f *Forge) failed(ctx context.Context, doing string, answer *api.Response, err error) error {
	if err == nil {
		return nil
	}
	if answer != nil && answer.StatusCode == http.StatusNotFound {
		f.forget()
	}
	return f.client.Fail(ctx, "cannot "+doing, plainly(answer), err)
}

// plainly is the answer behind the library's, which may have none.
func plainly(answer *api.Response) *http.Response {
	if answer == nil {
		return nil
	}
	return answer.Response
}

// unlimited stands in for the library's limiter, which would hold requests back
// without saying so. GitLab's 429 is heeded instead.
type unlimited struct{}

func (unlimited) Wait(ctx context.Context) error { return ctx.Err() }
