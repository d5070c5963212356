package gitlabsim

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

type status struct {
	id          int
	pipeline    *pipeline
	name        string
	state       string
	description string
	target      string
	author      *user
	job         bool // a CI job, not written through the API
	retried     bool // a newer one of that name stands in its pipeline
	created     time.Time
	started     *time.Time
	finished    *time.Time
}

// Status is a commit status that stands, as tests look at it.
type Status struct {
	ID          int
	Pipeline    int
	Ref         string
	Name        string
	State       string
	Description string
	TargetURL   string
	Author      string
}

const conflictText = "Another update to this commit status is in progress"

// transitions are the states from which an event may happen, and the state it
// leads to; from app/models/commit_status.rb.
var transitions = map[string]struct {
	from []string
	to   string
}{
	"enqueue": {[]string{"created"}, "pending"},
	"run":     {[]string{"pending"}, "running"},
	"success": {[]string{"created", "pending", "running"}, "success"},
	"drop":    {[]string{"created", "pending", "running"}, "failed"},
	"cancel":  {[]string{"created", "pending", "running"}, "canceled"},
	"skip":    {[]string{"created", "pending"}, "skipped"},
}

// eventOf is the event that GitLab fires for a state that is asked for.
var eventOf = map[string]string{
	"pending": "enqueue", "running": "run", "success": "success", "failed": "drop", "canceled": "cancel", "skipped": "skip",
}

// Statuses are the statuses that stand on a commit, oldest first: the newest
// of each name in each pipeline.
func (s *Server) Statuses(project, sha string) []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.projectNamed(project)
	if p == nil {
		return nil
	}
	var list []Status
	for _, st := range p.statuses {
		if st.pipeline.sha == sha && !st.retried {
			list = append(list, st.look())
		}
	}
	return list
}

func (st *status) look() Status {
	return Status{
		ID: st.id, Pipeline: st.pipeline.id, Ref: st.pipeline.ref, Name: st.name,
		State: st.state, Description: st.description, TargetURL: st.target, Author: st.author.name,
	}
}

// Posted are the statuses of a commit as they were accepted, one after another:
// one that is changed in place is there each time.
func (s *Server) Posted(project, sha string) []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.projectNamed(project); p != nil {
		return slices.Clone(p.posted[sha])
	}
	return nil
}

func (s *Server) postStatus(c *call) (any, error) {
	if err := checkStatus(c.params); err != nil {
		return nil, err
	}
	key := c.project.path + " " + c.r.PathValue("sha")
	if !s.beginWriting(key) {
		return nil, message(http.StatusConflict, conflictText)
	}
	defer s.endWriting(key)

	sha := s.resolve(c.project, c.r.PathValue("sha"))
	if sha == "" {
		return nil, notFound("Commit")
	}
	branch := ""
	if c.params["ref"] == "" {
		branch = s.branchWith(c.project, sha)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.pipelineFor(c, sha, branch)
	if err != nil {
		return nil, err
	}
	st, err := s.writeStatus(c, l)
	if err != nil {
		return nil, err
	}
	if c.project.posted == nil {
		c.project.posted = map[string][]Status{}
	}
	c.project.posted[sha] = append(c.project.posted[sha], st.look())
	return s.showStatus(st), nil
}

// beginWriting takes the lock that GitLab has per project and commit.
func (s *Server) beginWriting(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing[key] {
		return false
	}
	s.writing[key] = true
	return true
}

func (s *Server) endWriting(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.writing, key)
}

func checkStatus(params map[string]string) error {
	state, given := params["state"]
	if !given || state == "" {
		return invalid("state is missing")
	}
	if eventOf[state] == "" {
		return invalid("state does not have a valid value")
	}
	for _, field := range []string{"ref", "target_url", "description"} {
		if utf8.RuneCountInString(params[field]) > 255 {
			return faulty(field, "is too long (maximum is 255 characters)")
		}
	}
	if u := params["target_url"]; u != "" && !strings.HasPrefix(u, "http://") && !strings.HasPrefix(u, "https://") {
		return faulty("target_url", "is blocked: Only allowed schemes are http, https")
	}
	return nil
}

// writeStatus changes the status of that name that is still open and of the
// same user, or makes a new one. The caller holds s.mu.
func (s *Server) writeStatus(c *call, l *pipeline) (*status, error) {
	name := c.params["name"]
	if name == "" {
		name = c.params["context"]
	}
	if name == "" {
		name = "default"
	}
	now := time.Now()
	current := &status{pipeline: l, name: name, state: "created", author: c.user, created: now}
	for _, st := range c.project.statuses {
		if st.pipeline != l || st.name != name {
			continue
		}
		if st.job {
			return nil, faulty("name", "has already been taken")
		}
		if st.author == c.user && (st.state == "pending" || st.state == "running") {
			current = st
		}
	}
	changed := *current
	if err := changed.apply(c.params, now); err != nil {
		return nil, err
	}
	*current = changed
	if current.id == 0 {
		current.id = s.id()
		for _, older := range c.project.statuses {
			older.retried = older.retried || (older.pipeline == l && older.name == name)
		}
		c.project.statuses = append(c.project.statuses, current)
	}
	return current, nil
}

// apply sets the fields and moves the state. When the state cannot move,
// nothing is kept.
func (st *status) apply(params map[string]string, now time.Time) error {
	if text, given := params["description"]; given {
		st.description = text
	}
	if text, given := params["target_url"]; given {
		st.target = text
	}
	if params["state"] == "running" && st.state == "created" {
		st.state = "pending" // GitLab enqueues first and does not mind when it cannot
	}
	event := eventOf[params["state"]]
	if !slices.Contains(transitions[event].from, st.state) {
		return message(http.StatusBadRequest, fmt.Sprintf(
			"Cannot transition status via :%s from :%s (Reason(s): Status cannot transition via %q)", event, st.state, event))
	}
	st.state = transitions[event].to
	switch st.state {
	case "pending":
	case "running":
		st.started = &now
	default:
		st.finished = &now
	}
	return nil
}

func (s *Server) listStatuses(c *call) (any, error) {
	sha := s.resolve(c.project, c.r.PathValue("sha"))
	if sha == "" {
		return nil, notFound("Commit")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []statusJSON
	for _, st := range c.project.statuses {
		if st.pipeline.sha == sha && st.wanted(c.params) {
			list = append(list, s.showStatus(st))
		}
	}
	if c.params["sort"] == "desc" {
		slices.Reverse(list)
	}
	return page(c, list)
}

func (st *status) wanted(params map[string]string) bool {
	is := func(name, value string) bool { return params[name] == "" || params[name] == value }
	return (params["all"] == "true" || !st.retried) &&
		is("ref", st.pipeline.ref) && is("name", st.name) && is("pipeline_id", strconv.Itoa(st.pipeline.id))
}

type statusJSON struct {
	ID           int        `json:"id"`
	SHA          string     `json:"sha"`
	Ref          string     `json:"ref"`
	Status       string     `json:"status"`
	Name         string     `json:"name"`
	TargetURL    *string    `json:"target_url"`
	Description  *string    `json:"description"`
	CreatedAt    time.Time  `json:"created_at"`
	StartedAt    *time.Time `json:"started_at"`
	FinishedAt   *time.Time `json:"finished_at"`
	AllowFailure bool       `json:"allow_failure"`
	Coverage     *float64   `json:"coverage"`
	PipelineID   int        `json:"pipeline_id"`
	Author       userJSON   `json:"author"`
}

func (s *Server) showStatus(st *status) statusJSON {
	orNull := func(text string) *string {
		if text == "" {
			return nil
		}
		return &text
	}
	return statusJSON{
		ID: st.id, SHA: st.pipeline.sha, Ref: st.pipeline.ref, Status: st.state, Name: st.name,
		TargetURL: orNull(st.target), Description: orNull(st.description),
		CreatedAt: st.created, StartedAt: st.started, FinishedAt: st.finished,
		PipelineID: st.pipeline.id, Author: s.showUser(st.author),
	}
}
