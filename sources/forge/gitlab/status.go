package gitlab

import (
	"context"
	"errors"
	"net/http"
	"strings"

	api "gitlab.com/gitlab-org/api/client-go"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge"
)

const longest = 255 // characters of a status's description, name, ref and address

// fit makes a status what GitLab will give back when it is read.
func fit(s reconciler.Status) reconciler.Status {
	s.Description = forge.Shorten(s.Description, longest)
	s.TargetURL = forge.Link(s.TargetURL, longest)
	return s
}

// put reads the statuses that stand on a commit and writes what differs. It reads
// each time because GitLab's pipelines come and go by themselves.
func (f *Forge) put(ctx context.Context, commit, branch string, s reconciler.Status) (err error) {
	defer forge.Shield("write a status", &err)
	id, err := f.project(ctx)
	if err != nil {
		return err
	}
	rows, err := f.standing(ctx, id, commit)
	if err != nil {
		return err
	}
	ref := f.refFor(branch, rows)
	pipeline := int64(0)
	if current := newest(rows, ref, s.Context); current != nil && sources.Stands(read(current), s) {
		pipeline = current.PipelineID
	} else if pipeline, err = f.post(ctx, id, commit, s, ref, 0); err != nil {
		return err
	}
	if !settled(string(s.State)) {
		return nil
	}
	// A status that is left open in another pipeline of the commit would block the
	// merge for ever; so the verdict goes there too.
	for _, row := range rows {
		if row.Name != s.Context || settled(row.Status) || row.PipelineID == pipeline {
			continue
		}
		if _, err := f.post(ctx, id, commit, s, "", row.PipelineID); err != nil {
			return err
		}
	}
	return nil
}

// standing lists the statuses of a commit, the newest of each name in each of
// its pipelines. Jobs of GitLab's own CI are among them.
func (f *Forge) standing(ctx context.Context, id int64, commit string) ([]*api.CommitStatus, error) {
	options := api.GetCommitStatusesOptions{ListOptions: api.ListOptions{PerPage: 100}}
	return api.ScanAndCollect(func(page api.PaginationOptionFunc) ([]*api.CommitStatus, *api.Response, error) {
		list, answer, err := f.api.Commits.GetCommitStatuses(id, commit, &options, f.with(ctx, page)...)
		return list, answer, f.failed(ctx, "read the statuses of commit "+commit, answer, err)
	})
}

// refFor says on which ref a status of the commit belongs. Left to itself GitLab
// takes the newest pipeline of the commit, which may be another branch's; told
// a ref without a pipeline it makes one, and that would become the head pipeline
// of a merge request whose own pipelines run on refs/merge-requests/N/head.
func (f *Forge) refFor(branch string, rows []*api.CommitStatus) string {
	if branch == "" || branch == f.config.Branch {
		return branch
	}
	ref, pipeline := branch, int64(0)
	for _, row := range rows {
		if row.Ref == branch {
			return branch
		}
		ofRequest := strings.HasPrefix(row.Ref, "refs/merge-requests/") && strings.HasSuffix(row.Ref, "/head")
		if ofRequest && row.PipelineID > pipeline {
			ref, pipeline = row.Ref, row.PipelineID
		}
	}
	return ref
}

// newest is the newest status of a name on a ref, or on any when ref is "".
func newest(rows []*api.CommitStatus, ref, name string) *api.CommitStatus {
	var last *api.CommitStatus
	for _, row := range rows {
		if row.Name == name && (ref == "" || row.Ref == ref) && (last == nil || row.ID > last.ID) {
			last = row
		}
	}
	return last
}

// settled says whether a state is an end.
func settled(state string) bool { return state != "pending" && state != "running" }

func read(row *api.CommitStatus) reconciler.Status {
	return reconciler.Status{Context: row.Name, State: reconciler.StatusState(row.Status), Description: row.Description, TargetURL: row.TargetURL}
}

// post writes a status and gives the pipeline that it went to: 0 where GitLab
// has it already. ref and pipeline, if given, narrow down where it goes.
func (f *Forge) post(ctx context.Context, id int64, commit string, s reconciler.Status, ref string, pipeline int64) (int64, error) {
	options := api.SetCommitStatusOptions{
		State:       api.BuildStateValue(s.State),
		Name:        &s.Context,
		Description: &s.Description,
	}
	if s.TargetURL != "" {
		options.TargetURL = &s.TargetURL
	}
	if ref != "" {
		options.Ref = &ref
	}
	if pipeline != 0 {
		options.PipelineID = &pipeline
	}
	row, answer, err := f.api.Commits.SetCommitStatus(id, commit, &options, f.with(ctx)...)
	if already(answer, err) {
		f.log.Debug("status is open already", "commit", commit, "context", s.Context, "state", s.State)
		return 0, nil
	}
	if err != nil {
		return 0, f.failed(ctx, "write status "+s.Context+" on commit "+commit, answer, err)
	}
	return row.PipelineID, nil
}

// already says whether GitLab refused a status because it stands so, or is
// further on. GitLab has no transition from a state to itself nor from running
// back to pending; the text of a status that stays open cannot be changed.
func already(answer *api.Response, err error) bool {
	var refused *api.ErrorResponse
	if answer == nil || answer.StatusCode != http.StatusBadRequest || !errors.As(err, &refused) {
		return false
	}
	for _, transition := range []string{":enqueue from :pending", ":enqueue from :running", ":run from :running"} {
		if strings.Contains(refused.Message, "Cannot transition status via "+transition) {
			return true
		}
	}
	return false
}
