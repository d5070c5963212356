package gitlabsim

import (
	"strconv"
	"strings"
)

type badgeJSON struct {
	ID               int    `json:"id"`
	Name             string `json:"name"`
	LinkURL          string `json:"link_url"`
	ImageURL         string `json:"image_url"`
	RenderedLinkURL  string `json:"rendered_link_url"`
	RenderedImageURL string `json:"rendered_image_url"`
	Kind             string `json:"kind"`
}

func (p *project) showBadge(b *badge) badgeJSON {
	fill := strings.NewReplacer("%{project_path}", p.path, "%{default_branch}", p.branch)
	return badgeJSON{
		ID: b.id, Name: b.name, LinkURL: b.link, ImageURL: b.image, Kind: "project",
		RenderedLinkURL: fill.Replace(b.link), RenderedImageURL: fill.Replace(b.image),
	}
}

func (s *Server) listBadges(c *call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []badgeJSON
	for _, b := range c.project.badges {
		if c.params["name"] == "" || c.params["name"] == b.name {
			list = append(list, c.project.showBadge(b))
		}
	}
	return page(c, list)
}

func (s *Server) postBadge(c *call) (any, error) {
	for _, field := range []string{"link_url", "image_url"} {
		if c.params[field] == "" {
			return nil, invalid(field + " is missing")
		}
	}
	if c.user.role < Maintainer {
		return nil, errForbidden
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &badge{id: s.id(), name: c.params["name"], link: c.params["link_url"], image: c.params["image_url"]}
	c.project.badges = append(c.project.badges, b)
	return c.project.showBadge(b), nil
}

func (s *Server) putBadge(c *call) (any, error) {
	if c.user.role < Maintainer {
		return nil, errForbidden
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range c.project.badges {
		if strconv.Itoa(b.id) != c.r.PathValue("badge") {
			continue
		}
		for field, value := range map[string]*string{"name": &b.name, "link_url": &b.link, "image_url": &b.image} {
			if text := c.params[field]; text != "" {
				*value = text
			}
		}
		return c.project.showBadge(b), nil
	}
	return nil, notFound("Badge")
}
