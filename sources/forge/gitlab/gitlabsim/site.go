package gitlabsim

import (
	_ "embed"
	"html/template"
	"net/http"
	"strings"
)

//go:embed site.html
var siteHTML string

// sitePage is what the one page template shows.
type sitePage struct {
	Title    string
	Project  string
	Branch   string
	Projects []string
	Commits  []siteCommit
	Requests []siteRequest
}

type siteCommit struct {
	commitInfo
	Short    string
	Statuses []Status
}

type siteRequest struct {
	IID                      int
	Title, State, From, Into string
	Author                   string
	Commit                   siteCommit
}

// servePage shows the commits or the merge requests of a project to people. It
// asks for no token: the server listens on loopback only.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request, path string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	projectPath, rest, _ := strings.Cut(path, "/-/")
	kind, name, _ := strings.Cut(rest, "/")
	shown := sitePage{Title: "Projects"}
	s.mu.Lock()
	p := s.projectNamed(projectPath)
	for _, each := range s.projects {
		shown.Projects = append(shown.Projects, each.path)
	}
	s.mu.Unlock()
	switch {
	case path == "":
	case p == nil:
		http.NotFound(w, r)
		return
	case kind == "merge_requests":
		shown.Title, shown.Project, shown.Branch = "Merge requests", p.path, p.branch
		shown.Requests = s.siteRequests(p)
	default:
		if name == "" {
			name = p.branch
		}
		shown.Title, shown.Project, shown.Branch = "Commits on "+name, p.path, p.branch
		shown.Commits = s.siteCommits(p, name, kind)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := site.Execute(w, shown); err != nil {
		s.log.Error("gitlabsim cannot show a page", "error", err)
	}
}

var site = template.Must(template.New("site").Parse(siteHTML))

// siteCommits are the newest commits of a branch, or the one of /-/commit/.
func (s *Server) siteCommits(p *project, revision, kind string) []siteCommit {
	sha := s.resolve(p, revision)
	if sha == "" {
		return nil
	}
	n := 40
	if kind == "commit" {
		n = 1
	}
	var list []siteCommit
	for _, info := range s.commits(p, n, sha) {
		list = append(list, siteCommit{commitInfo: info, Short: info.SHA[:8], Statuses: s.Statuses(p.path, info.SHA)})
	}
	return list
}

func (s *Server) siteRequests(p *project) []siteRequest {
	s.mu.Lock()
	var list []siteRequest
	for _, m := range p.requests {
		list = append([]siteRequest{{
			IID: m.iid, Title: m.title, State: m.state, From: m.from, Into: m.into, Author: m.author.name,
			Commit: siteCommit{commitInfo: commitInfo{SHA: m.sha}, Short: m.sha[:8]},
		}}, list...)
	}
	s.mu.Unlock()
	for i := range list {
		list[i].Commit.Statuses = s.Statuses(p.path, list[i].Commit.SHA)
	}
	return list
}
