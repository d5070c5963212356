package gitlabsim

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// OpenMR opens a merge request between branches of a project and gives its
// number in the project. Its author is who pushed the source branch.
func (s *Server) OpenMR(project, sourceBranch, targetBranch, title string) (int, error) {
	return s.OpenForkMR(project, project, sourceBranch, targetBranch, title)
}

// OpenForkMR opens a merge request from a branch of a fork.
func (s *Server) OpenForkMR(project, fork, sourceBranch, targetBranch, title string) (int, error) {
	s.mu.Lock()
	p, source := s.projectNamed(project), s.projectNamed(fork)
	var author *user
	if source != nil {
		author = source.pushers[sourceBranch]
	}
	s.mu.Unlock()
	if p == nil || source == nil {
		return 0, fmt.Errorf("cannot open a merge request: no project %q or %q", project, fork)
	}
	m, err := s.openRequest(p, source, sourceBranch, targetBranch, title, author)
	if err != nil {
		return 0, err
	}
	return m.iid, nil
}

func (s *Server) openRequest(p, source *project, from, into, title string, author *user) (*mergeRequest, error) {
	sha := s.resolve(source, "refs/heads/"+from)
	if sha == "" || s.resolve(p, "refs/heads/"+into) == "" {
		return nil, fmt.Errorf("cannot open a merge request: no branch %q or %q", from, into)
	}
	s.mu.Lock()
	if author == nil {
		author = s.users[0]
	}
	now := time.Now()
	m := &mergeRequest{
		id: s.id(), iid: len(p.requests) + 1, title: title, source: source, from: from, into: into,
		sha: sha, state: "opened", author: author, created: now, updated: now,
	}
	p.requests = append(p.requests, m)
	s.mu.Unlock()
	if err := s.keepHead(p, m, sha); err != nil {
		return nil, err
	}
	s.tellOfRequest(p, m, "open", author)
	return m, nil
}

// keepHead makes refs/merge-requests/N/head point to the newest commit of the
// source branch.
func (s *Server) keepHead(p *project, m *mergeRequest, sha string) error {
	ref := fmt.Sprintf("refs/merge-requests/%d/head", m.iid)
	var err error
	if m.source == p {
		_, err = s.git(p.dir, nil, "update-ref", ref, sha)
	} else {
		_, err = s.git(p.dir, nil, "fetch", "-q", m.source.dir, "+refs/heads/"+m.from+":"+ref)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m.sha, m.updated = sha, time.Now()
	return nil
}

// MergeMR merges a merge request by a merge commit, as its button does.
func (s *Server) MergeMR(project string, iid int) error {
	s.mu.Lock()
	p := s.projectNamed(project)
	var m *mergeRequest
	if p != nil {
		m = p.request(iid)
	}
	by := s.users[0]
	s.mu.Unlock()
	if m == nil {
		return fmt.Errorf("cannot merge %s!%d: no such merge request", project, iid)
	}
	return s.merge(p, m, by)
}

func (s *Server) merge(p *project, m *mergeRequest, by *user) error {
	p.git.Lock()
	defer p.git.Unlock()
	s.mu.Lock()
	state, head := m.state, m.sha
	s.mu.Unlock()
	if state != "opened" {
		return fmt.Errorf("cannot merge %s!%d: it is %s", p.path, m.iid, state)
	}
	ref := "refs/heads/" + m.into
	target := s.resolve(p, ref)
	tree, err := s.git(p.dir, nil, "merge-tree", "--write-tree", target, head)
	if err != nil {
		return fmt.Errorf("cannot merge %s!%d: there are conflicts", p.path, m.iid)
	}
	text := fmt.Sprintf("Merge branch '%s' into '%s'\n\n%s\n\nSee merge request %s!%d", m.from, m.into, m.title, p.path, m.iid)
	commit, err := s.git(p.dir, identity(by), "commit-tree", tree, "-p", target, "-p", head, "-m", text)
	if err != nil {
		return err
	}
	if _, err := s.git(p.dir, nil, "update-ref", ref, commit, target); err != nil {
		return err
	}
	s.mu.Lock()
	m.state, m.mergeCommit, m.updated = "merged", commit, time.Now()
	s.mu.Unlock()
	s.pushed(p, by, map[string]string{ref: target}, map[string]string{ref: commit})
	s.tellOfRequest(p, m, "merge", by)
	return nil
}

// CloseMR closes a merge request without merging it.
func (s *Server) CloseMR(project string, iid int) error {
	s.mu.Lock()
	p := s.projectNamed(project)
	if p == nil || p.request(iid) == nil || p.request(iid).state != "opened" {
		s.mu.Unlock()
		return fmt.Errorf("cannot close %s!%d: it is not open", project, iid)
	}
	m, by := p.request(iid), s.users[0]
	m.state, m.updated = "closed", time.Now()
	s.mu.Unlock()
	s.tellOfRequest(p, m, "close", by)
	return nil
}

// Push moves a branch to a commit that the repository has, as a push of the first
// user does: requests from that branch follow, those that it holds now are merged.
func (s *Server) Push(project, branch, sha string) error {
	s.mu.Lock()
	p, by := s.projectNamed(project), s.users[0]
	s.mu.Unlock()
	if p == nil {
		return fmt.Errorf("cannot push: no project %q", project)
	}
	p.git.Lock()
	defer p.git.Unlock()
	ref := "refs/heads/" + branch
	before := s.resolve(p, ref)
	if _, err := s.git(p.dir, nil, "update-ref", ref, sha); err != nil {
		return err
	}
	s.branchMoved(p, by, ref, before, sha)
	return nil
}

func identity(u *user) []string {
	mail := u.name + "@gitlabsim.invalid"
	return []string{
		"GIT_AUTHOR_NAME=" + u.name, "GIT_AUTHOR_EMAIL=" + mail,
		"GIT_COMMITTER_NAME=" + u.name, "GIT_COMMITTER_EMAIL=" + mail,
	}
}

func (s *Server) listRequests(c *call) (any, error) {
	if state := c.params["state"]; state != "" && !slices.Contains([]string{"opened", "closed", "locked", "merged", "all"}, state) {
		return nil, invalid("state does not have a valid value")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	is := func(name, value string) bool { return c.params[name] == "" || c.params[name] == value }
	var list []requestJSON
	for _, m := range slices.Backward(c.project.requests) { // newest first, as GitLab does
		if (c.params["state"] == "all" || is("state", m.state)) && is("target_branch", m.into) && is("source_branch", m.from) {
			list = append(list, s.showRequest(c.project, m))
		}
	}
	if c.params["sort"] == "asc" {
		slices.Reverse(list)
	}
	return page(c, list)
}

// requestOf finds the merge request that the path names. The caller holds s.mu.
func requestOf(c *call) (*mergeRequest, error) {
	iid, err := strconv.Atoi(c.r.PathValue("iid"))
	if err != nil {
		return nil, invalid("merge_request_iid is invalid")
	}
	if m := c.project.request(iid); m != nil {
		return m, nil
	}
	return nil, message(http.StatusNotFound, "404 Not found")
}

func (s *Server) getRequest(c *call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := requestOf(c)
	if err != nil {
		return nil, err
	}
	return s.showRequest(c.project, m), nil
}

func (s *Server) postRequest(c *call) (any, error) {
	for _, field := range []string{"source_branch", "target_branch", "title"} {
		if c.params[field] == "" {
			return nil, invalid(field + " is missing")
		}
	}
	if c.user.role < Developer {
		return nil, errForbidden
	}
	into := c.project
	if id := c.params["target_project_id"]; id != "" && id != strconv.Itoa(c.project.id) {
		if into = c.project.source; into == nil || strconv.Itoa(into.id) != id {
			return nil, notFound("Project")
		}
	}
	m, err := s.openRequest(into, c.project, c.params["source_branch"], c.params["target_branch"], c.params["title"], c.user)
	if err != nil {
		return nil, message(http.StatusBadRequest, err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.showRequest(into, m), nil
}

func (s *Server) putMerge(c *call) (any, error) {
	s.mu.Lock()
	m, err := requestOf(c)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if c.user.role < Maintainer && m.into == c.project.branch {
		return nil, message(http.StatusUnauthorized, "401 Unauthorized")
	}
	if err := s.merge(c.project, m, c.user); err != nil {
		s.log.Info("gitlabsim does not merge", "error", err)
		return nil, message(http.StatusMethodNotAllowed, "405 Method Not Allowed")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.showRequest(c.project, m), nil
}

type requestJSON struct {
	ID              int               `json:"id"`
	IID             int               `json:"iid"`
	ProjectID       int               `json:"project_id"`
	SourceProjectID int               `json:"source_project_id"`
	TargetProjectID int               `json:"target_project_id"`
	Title           string            `json:"title"`
	Description     string            `json:"description"`
	State           string            `json:"state"`
	SourceBranch    string            `json:"source_branch"`
	TargetBranch    string            `json:"target_branch"`
	Author          userJSON          `json:"author"`
	SHA             string            `json:"sha"`
	MergeCommitSHA  *string           `json:"merge_commit_sha"`
	WebURL          string            `json:"web_url"`
	Draft           bool              `json:"draft"`
	References      map[string]string `json:"references"`
	UserNotesCount  int               `json:"user_notes_count"`
	CreatedAt       time.Time         `json:"created_at"`
	UpdatedAt       time.Time         `json:"updated_at"`
}

func (s *Server) showRequest(p *project, m *mergeRequest) requestJSON {
	show := requestJSON{
		ID: m.id, IID: m.iid, ProjectID: p.id, SourceProjectID: m.source.id, TargetProjectID: p.id,
		Title: m.title, State: m.state, SourceBranch: m.from, TargetBranch: m.into,
		Author: s.showUser(m.author), SHA: m.sha, WebURL: s.requestURL(p, m),
		Draft: strings.HasPrefix(m.title, "Draft:"), UserNotesCount: len(m.notes),
		References: map[string]string{"short": fmt.Sprintf("!%d", m.iid), "full": fmt.Sprintf("%s!%d", p.path, m.iid)},
		CreatedAt:  m.created, UpdatedAt: m.updated,
	}
	if m.mergeCommit != "" {
		show.MergeCommitSHA = &m.mergeCommit
	}
	return show
}

func (s *Server) requestURL(p *project, m *mergeRequest) string {
	return fmt.Sprintf("%s/%s/-/merge_requests/%d", s.url, p.path, m.iid)
}
