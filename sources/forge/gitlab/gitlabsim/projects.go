package gitlabsim

import (
	"path"
	"strings"
)

type userJSON struct {
	ID       int    `json:"id"`
	Username string `json:"username"`
	Name     string `json:"name"`
	State    string `json:"state"`
	WebURL   string `json:"web_url"`
}

func (s *Server) showUser(u *user) userJSON {
	return userJSON{ID: u.id, Username: u.name, Name: u.name, State: "active", WebURL: s.url + "/" + u.name}
}

func (s *Server) getUser(c *call) (any, error) { return s.showUser(c.user), nil }

func (s *Server) getVersion(*call) (any, error) {
	return map[string]string{"version": "18.6.0", "revision": "gitlabsim"}, nil
}

type projectJSON struct {
	ID                int          `json:"id"`
	Name              string       `json:"name"`
	Path              string       `json:"path"`
	PathWithNamespace string       `json:"path_with_namespace"`
	DefaultBranch     string       `json:"default_branch"`
	Visibility        string       `json:"visibility"`
	WebURL            string       `json:"web_url"`
	HTTPURL           string       `json:"http_url_to_repo"`
	ForkedFrom        *projectJSON `json:"forked_from_project,omitempty"`
}

func (s *Server) showProject(p *project) projectJSON {
	show := projectJSON{
		ID:                p.id,
		Name:              path.Base(p.path),
		Path:              path.Base(p.path),
		PathWithNamespace: p.path,
		DefaultBranch:     p.branch,
		Visibility:        "private",
		WebURL:            s.url + "/" + p.path,
		HTTPURL:           s.url + "/" + p.path + ".git",
	}
	if p.source != nil {
		from := s.showProject(p.source)
		show.ForkedFrom = &from
	}
	return show
}

func (s *Server) getProject(c *call) (any, error) { return s.showProject(c.project), nil }

func (s *Server) listProjects(c *call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []projectJSON
	for _, p := range s.projects {
		if strings.Contains(p.path, c.params["search"]) {
			all = append(all, s.showProject(p))
		}
	}
	return page(c, all)
}

type pipelineJSON struct {
	ID     int    `json:"id"`
	SHA    string `json:"sha"`
	Ref    string `json:"ref"`
	Source string `json:"source"`
	Status string `json:"status"`
}

type commitJSON struct {
	ID           string        `json:"id"`
	ShortID      string        `json:"short_id"`
	Title        string        `json:"title"`
	Message      string        `json:"message"`
	AuthorName   string        `json:"author_name"`
	AuthorEmail  string        `json:"author_email"`
	AuthoredDate string        `json:"authored_date"`
	ParentIDs    []string      `json:"parent_ids"`
	LastPipeline *pipelineJSON `json:"last_pipeline"`
	WebURL       string        `json:"web_url"`
}

func (s *Server) getCommit(c *call) (any, error) {
	sha := s.resolve(c.project, c.r.PathValue("sha"))
	if sha == "" {
		return nil, notFound("Commit")
	}
	info := s.commits(c.project, 1, sha)[0]
	show := commitJSON{
		ID: sha, ShortID: sha[:8], Title: info.Subject, Message: info.Message,
		AuthorName: info.Author, AuthorEmail: info.Email, AuthoredDate: info.Date, ParentIDs: info.Parents,
		WebURL: s.url + "/" + c.project.path + "/-/commit/" + sha,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := c.project.newest(sha, ""); l != nil {
		show.LastPipeline = &pipelineJSON{ID: l.id, SHA: l.sha, Ref: l.ref, Source: l.source, Status: c.project.pipelineStatus(l)}
	}
	return show, nil
}
