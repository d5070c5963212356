package gitlabsim

import (
	"fmt"
	"slices"
	"time"
)

// approval is one that stands on a merge request. A push does not take it away,
// as GitLab has it where nobody has asked for that.
type approval struct {
	by *user
	at time.Time
}

// Approve approves a merge request in a user's name, as the button does.
func (s *Server) Approve(project string, iid int, userName string) error {
	return s.approve(project, iid, userName, true)
}

// Unapprove withdraws an approval.
func (s *Server) Unapprove(project string, iid int, userName string) error {
	return s.approve(project, iid, userName, false)
}

func (s *Server) approve(project string, iid int, userName string, yes bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, u := s.projectNamed(project), s.userNamed(userName)
	if p == nil || u == nil || p.request(iid) == nil {
		return fmt.Errorf("cannot approve %s!%d: no such merge request, or no user %q", project, iid, userName)
	}
	m := p.request(iid)
	m.approvals = slices.DeleteFunc(m.approvals, func(a approval) bool { return a.by == u })
	if yes {
		m.approvals = append(m.approvals, approval{u, time.Now()})
	}
	m.updated = time.Now()
	return nil
}

type approverJSON struct {
	User       userJSON  `json:"user"`
	ApprovedAt time.Time `json:"approved_at"`
}

func (s *Server) getApprovals(c *call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := requestOf(c)
	if err != nil {
		return nil, err
	}
	list := []approverJSON{}
	for _, a := range m.approvals {
		list = append(list, approverJSON{s.showUser(a.by), a.at})
	}
	return map[string]any{"id": m.id, "iid": m.iid, "approved": len(list) > 0, "approved_by": list}, nil
}
