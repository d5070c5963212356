package gitlabsim

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// pipeline groups the statuses of a commit on a ref. One that statuses made
// for themselves has the source "external".
type pipeline struct {
	id               int
	sha, ref, source string
}

// StartCI makes a pipeline of GitLab's own CI with running jobs, as a push
// would, and gives its ID. ref is a branch or refs/merge-requests/N/head.
func (s *Server) StartCI(project, sha, ref string, jobs ...string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.projectNamed(project)
	if p == nil {
		return 0, fmt.Errorf("cannot start CI: no project %q", project)
	}
	l := &pipeline{id: s.id(), sha: sha, ref: ref, source: "push"}
	p.pipelines = append(p.pipelines, l)
	now := time.Now()
	for _, name := range jobs {
		p.statuses = append(p.statuses, &status{
			id: s.id(), pipeline: l, name: name, state: "running", author: s.users[0], job: true, created: now, started: &now,
		})
	}
	return l.id, nil
}

// pipelineFor finds the pipeline that a status belongs to, and makes an
// external one where there is none. The caller holds s.mu.
func (s *Server) pipelineFor(c *call, sha, branch string) (*pipeline, error) {
	ref := c.params["ref"]
	l := c.project.newest(sha, ref)
	if id := c.params["pipeline_id"]; id != "" {
		l = nil
		for _, candidate := range c.project.pipelines {
			if strconv.Itoa(candidate.id) == id && candidate.sha == sha && (ref == "" || ref == candidate.ref) {
				l = candidate
			}
		}
		if l == nil {
			return nil, notFound("Pipeline for pipeline_id, sha and ref")
		}
	}
	if ref == "" && l == nil {
		ref = branch
	}
	if ref == "" && l == nil {
		return nil, notFound("References for commit")
	}
	if l != nil {
		ref = l.ref
	}
	if ref == c.project.branch && c.user.role < Maintainer || c.user.role < Developer {
		return nil, errForbidden
	}
	if l == nil {
		l = &pipeline{id: s.id(), sha: sha, ref: ref, source: "external"}
		c.project.pipelines = append(c.project.pipelines, l)
	}
	return l, nil
}

// newest is the newest pipeline of a commit, on a ref when one is given.
func (p *project) newest(sha, ref string) *pipeline {
	for _, l := range slices.Backward(p.pipelines) {
		if l.sha == sha && (ref == "" || ref == l.ref) {
			return l
		}
	}
	return nil
}

// pipelineStatus sums a pipeline up.
func (p *project) pipelineStatus(l *pipeline) string {
	seen := map[string]bool{}
	for _, st := range p.statuses {
		if st.pipeline == l && !st.retried {
			seen[st.state] = true
		}
	}
	for _, state := range []string{"running", "pending", "failed", "canceled", "success", "skipped"} {
		if seen[state] {
			return state
		}
	}
	return "pending"
}
