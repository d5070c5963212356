package gitlabsim

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Role is what a user may do in every project.
type Role int

// The roles, with GitLab's access levels.
const (
	Guest      Role = 10
	Reporter   Role = 20
	Developer  Role = 30 // writes, but not on the protected default branch
	Maintainer Role = 40
	Owner      Role = 50
)

type user struct {
	id     int
	name   string
	token  string
	scopes []string
	role   Role
}

// may says whether the user's token has one of the scopes.
func (u *user) may(scopes ...string) bool {
	return slices.ContainsFunc(scopes, func(s string) bool { return slices.Contains(u.scopes, s) })
}

type project struct {
	id     int
	path   string // "group/name"
	branch string // the default branch
	dir    string
	source *project // what it is a fork of

	git sync.Mutex // one writer of the repository at a time

	pushers   map[string]*user // branch → who pushed it last
	pushes    []push           // oldest first
	requests  []*mergeRequest
	pipelines []*pipeline
	statuses  []*status
	posted    map[string][]Status // by commit
	badges    []*badge
}

type mergeRequest struct {
	id, iid     int
	title       string
	source      *project
	from, into  string // branches
	sha         string
	mergeCommit string
	state       string // opened | merged | closed
	author      *user
	created     time.Time
	updated     time.Time
	notes       []*note
	approvals   []approval
}

type note struct {
	id               int
	body             string
	author           *user
	created, updated time.Time
}

type badge struct {
	id                int
	name, link, image string
}

// AddUser makes a user who is a maintainer of every project. Scopes are those of
// a personal access token: api, read_api, read_user, read_repository,
// write_repository.
func (s *Server) AddUser(name, token string, scopes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.userNamed(name); u != nil {
		u.token, u.scopes = token, scopes
		return
	}
	s.users = append(s.users, &user{id: s.id(), name: name, token: token, scopes: scopes, role: Maintainer})
}

// SetRole changes what a user may do.
func (s *Server) SetRole(name string, r Role) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.userNamed(name); u != nil {
		u.role = r
	}
}

var projectPath = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+$`)

// CreateProject makes a project "group/name" with an empty repository.
func (s *Server) CreateProject(path, defaultBranch string) error {
	_, err := s.createProject(path, defaultBranch, nil)
	return err
}

// ServeRepository makes a project of a bare repository that stands already. It
// is only read, so that many servers may share it.
func (s *Server) ServeRepository(path, defaultBranch, dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.projects = append(s.projects, &project{id: s.id(), path: path, branch: defaultBranch, dir: dir, pushers: map[string]*user{}})
}

// Fork makes a project that is a copy of another, to open merge requests from.
func (s *Server) Fork(project, path string) error {
	s.mu.Lock()
	source := s.projectNamed(project)
	s.mu.Unlock()
	if source == nil {
		return fmt.Errorf("cannot fork %q: no such project", project)
	}
	p, err := s.createProject(path, source.branch, source)
	if err != nil {
		return err
	}
	_, err = s.git(p.dir, nil, "fetch", "-q", source.dir, "+refs/heads/*:refs/heads/*")
	return err
}

func (s *Server) createProject(path, defaultBranch string, source *project) (*project, error) {
	if !projectPath.MatchString(path) || strings.HasSuffix(path, ".git") {
		return nil, fmt.Errorf("cannot create project %q: want a path such as group/name", path)
	}
	if s.RepoDir(path) != "" {
		return nil, fmt.Errorf("cannot create project %q: it exists", path)
	}
	p := &project{path: path, branch: defaultBranch, dir: s.repoPath(path), source: source, pushers: map[string]*user{}}
	if err := s.initRepository(p); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.id = s.id()
	s.projects = append(s.projects, p)
	return p, nil
}

// initRepository makes the bare repository. Its update hook keeps what a
// developer may not push; people may not write what GitLab keeps itself.
func (s *Server) initRepository(p *project) error {
	if err := os.MkdirAll(filepath.Dir(p.dir), 0o755); err != nil {
		return fmt.Errorf("cannot create project %q: %v", p.path, err)
	}
	steps := [][]string{
		{"init", "-q", "--bare", "--initial-branch=" + p.branch, p.dir},
		{"-C", p.dir, "config", "receive.hideRefs", "refs/merge-requests"},
		{"-C", p.dir, "config", "receive.advertisePushOptions", "true"},
		{"-C", p.dir, "config", "gc.auto", "0"},
		{"-C", p.dir, "config", "uploadpack.allowFilter", "true"},
	}
	for _, args := range steps {
		if _, err := s.git("", nil, args...); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(p.dir, "hooks"), 0o755); err != nil {
		return fmt.Errorf("cannot create project %q: %v", p.path, err)
	}
	return os.WriteFile(filepath.Join(p.dir, "hooks", "update"), []byte(updateHook), 0o755)
}

const updateHook = `#!/bin/sh
if [ "$1" = "$GITLABSIM_PROTECTED" ]; then
	echo "GitLab: You are not allowed to push code to protected branches on this project." >&2
	exit 1
fi
`

func (s *Server) projectNamed(path string) *project {
	i := slices.IndexFunc(s.projects, func(p *project) bool { return strings.EqualFold(p.path, path) })
	if i < 0 {
		return nil
	}
	return s.projects[i]
}

func (s *Server) userNamed(name string) *user {
	i := slices.IndexFunc(s.users, func(u *user) bool { return u.name == name })
	if i < 0 {
		return nil
	}
	return s.users[i]
}

func (s *Server) userWithToken(token string) *user {
	i := slices.IndexFunc(s.users, func(u *user) bool { return u.token != "" && u.token == token })
	if i < 0 {
		return nil
	}
	return s.users[i]
}

func (p *project) request(iid int) *mergeRequest {
	i := slices.IndexFunc(p.requests, func(m *mergeRequest) bool { return m.iid == iid })
	if i < 0 {
		return nil
	}
	return p.requests[i]
}
