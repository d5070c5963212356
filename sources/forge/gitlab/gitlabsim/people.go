package gitlabsim

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// group is a group of users, for whoever asks who belongs to what.
type group struct {
	id      int
	path    string
	members []string // names of users
}

// AddGroup makes a group, or changes who belongs to it.
func (s *Server) AddGroup(path string, members ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.groupNamed(path); g != nil {
		g.members = members
		return
	}
	s.groups = append(s.groups, &group{id: s.id(), path: path, members: members})
}

func (s *Server) groupNamed(path string) *group {
	i := slices.IndexFunc(s.groups, func(g *group) bool {
		return strings.EqualFold(g.path, path) || strconv.Itoa(g.id) == path
	})
	if i < 0 {
		return nil
	}
	return s.groups[i]
}

type memberJSON struct {
	userJSON
	AccessLevel     int    `json:"access_level"`
	MembershipState string `json:"membership_state"`
}

// listMembers gives the members of a group, those of groups above it included,
// as GET /groups/:id/members/all does.
func (s *Server) listMembers(c *call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groupNamed(c.r.PathValue("id"))
	if g == nil {
		return nil, notFound("Group")
	}
	var all []memberJSON
	for _, other := range s.groups {
		if other != g && !strings.HasPrefix(g.path, other.path+"/") {
			continue
		}
		for _, name := range other.members {
			if u := s.userNamed(name); u != nil {
				all = append(all, memberJSON{s.showUser(u), int(u.role), "active"})
			}
		}
	}
	return page(c, all)
}

// push is a branch that somebody moved.
type push struct {
	id            int
	by            *user
	branch        string
	before, after string
	at            time.Time
}

// notePush remembers a push for the events. The caller holds s.mu.
func (s *Server) notePush(p *project, by *user, branch, before, after string) {
	p.pushes = append(p.pushes, push{s.id(), by, branch, before, after, time.Now()})
}

type eventJSON struct {
	ID             int       `json:"id"`
	ProjectID      int       `json:"project_id"`
	ActionName     string    `json:"action_name"`
	AuthorID       int       `json:"author_id"`
	Author         userJSON  `json:"author"`
	AuthorUsername string    `json:"author_username"`
	CreatedAt      time.Time `json:"created_at"`
	PushData       pushData  `json:"push_data"`
}

type pushData struct {
	CommitCount int     `json:"commit_count"`
	Action      string  `json:"action"`
	RefType     string  `json:"ref_type"`
	CommitFrom  *string `json:"commit_from"`
	CommitTo    *string `json:"commit_to"`
	Ref         string  `json:"ref"`
}

// listEvents gives a project's pushes, the newest first. Other events are not
// kept, so every other action has none.
func (s *Server) listEvents(c *call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	events := []eventJSON{}
	for _, p := range slices.Backward(c.project.pushes) {
		if action := c.params["action"]; action != "" && action != "pushed" {
			break
		}
		events = append(events, s.showPush(c.project, p))
	}
	return page(c, events)
}

func (s *Server) showPush(p *project, e push) eventJSON {
	data := pushData{CommitCount: 1, Action: "pushed", RefType: "branch", Ref: e.branch, CommitFrom: &e.before, CommitTo: &e.after}
	name := "pushed to"
	switch {
	case e.before == "":
		data.Action, data.CommitFrom, name = "created", nil, "pushed new"
	case e.after == "":
		data.Action, data.CommitTo, data.CommitCount, name = "removed", nil, 0, "deleted"
	}
	return eventJSON{
		ID: e.id, ProjectID: p.id, ActionName: name, AuthorID: e.by.id, Author: s.showUser(e.by),
		AuthorUsername: e.by.name, CreatedAt: e.at, PushData: data,
	}
}
