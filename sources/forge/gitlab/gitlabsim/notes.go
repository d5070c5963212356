package gitlabsim

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const longestNote = 1_000_000 // characters

type noteJSON struct {
	ID        int       `json:"id"`
	Body      string    `json:"body"`
	Author    userJSON  `json:"author"`
	System    bool      `json:"system"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func (s *Server) showNote(n *note) noteJSON {
	return noteJSON{ID: n.id, Body: n.body, Author: s.showUser(n.author), CreatedAt: n.created, UpdatedAt: n.updated}
}

func (s *Server) listNotes(c *call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := requestOf(c)
	if err != nil {
		return nil, err
	}
	var list []noteJSON
	for _, n := range m.notes {
		list = append(list, s.showNote(n))
	}
	if c.params["sort"] != "asc" {
		slices.Reverse(list)
	}
	return page(c, list)
}

func checkNote(params map[string]string) error {
	switch body := params["body"]; {
	case strings.TrimSpace(body) == "":
		return invalid("body is missing")
	case utf8.RuneCountInString(body) > longestNote:
		return faulty("note", "is too long (maximum is 1000000 characters)")
	}
	return nil
}

func (s *Server) postNote(c *call) (any, error) {
	if err := checkNote(c.params); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := requestOf(c)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	n := &note{id: s.id(), body: c.params["body"], author: c.user, created: now, updated: now}
	m.notes = append(m.notes, n)
	return s.showNote(n), nil
}

func (s *Server) putNote(c *call) (any, error) {
	if err := checkNote(c.params); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := requestOf(c)
	if err != nil {
		return nil, err
	}
	for _, n := range m.notes {
		if strconv.Itoa(n.id) != c.r.PathValue("note") {
			continue
		}
		if n.author != c.user && c.user.role < Maintainer {
			return nil, errForbidden
		}
		n.body, n.updated = c.params["body"], time.Now()
		return s.showNote(n), nil
	}
	return nil, message(http.StatusNotFound, "404 Note Not Found")
}
