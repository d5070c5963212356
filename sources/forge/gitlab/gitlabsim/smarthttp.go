package gitlabsim

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// serveGit answers git's smart HTTP protocol by running the git binary's own
// services, as git-http-backend would.
func (s *Server) serveGit(w http.ResponseWriter, r *http.Request, path, endpoint string) {
	service := endpoint
	if endpoint == "info/refs" {
		service = r.URL.Query().Get("service")
	}
	if service != "git-upload-pack" && service != "git-receive-pack" {
		http.Error(w, "Git over HTTP needs a git-upload-pack or git-receive-pack service", http.StatusForbidden)
		return
	}
	p, u, ok := s.admit(w, r, path, service)
	if !ok {
		return
	}
	w.Header().Set("Cache-Control", "no-cache, max-age=0, must-revalidate")
	switch {
	case endpoint == "info/refs" && r.Method == http.MethodGet:
		s.advertise(w, r, p, service)
	case endpoint == "info/refs" || r.Method != http.MethodPost:
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
	case r.Header.Get("Content-Type") != "application/x-"+service+"-request":
		http.Error(w, "Unsupported Media Type", http.StatusUnsupportedMediaType)
	default:
		s.exchange(w, r, p, u, service)
	}
}

// admit lets in who may read, or push to, the project's repository.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, path, service string) (*project, *user, bool) {
	s.mu.Lock()
	p, u := s.projectNamed(path), s.userWithToken(tokenOf(r))
	s.mu.Unlock()
	scopes := []string{"api", "write_repository"}
	if service == "git-upload-pack" {
		scopes = append(scopes, "read_repository")
	}
	switch {
	case u == nil || !u.may(scopes...):
		w.Header().Set("WWW-Authenticate", `Basic realm="GitLab"`)
		http.Error(w, "HTTP Basic: Access denied. If a password was provided for Git authentication, the password was incorrect or you're required to use a token instead of a password.", http.StatusUnauthorized)
	case p == nil:
		http.Error(w, "The project you were looking for could not be found or you don't have permission to view it.", http.StatusNotFound)
	case service == "git-receive-pack" && u.role < Developer:
		http.Error(w, "You are not allowed to push code to this project.", http.StatusForbidden)
	default:
		return p, u, true
	}
	return nil, nil, false
}

func (s *Server) advertise(w http.ResponseWriter, r *http.Request, p *project, service string) {
	cmd := s.command(strings.TrimPrefix(service, "git-"), "--stateless-rpc", "--http-backend-info-refs", p.dir)
	version := r.Header.Get("Git-Protocol")
	cmd.Env = append(cmd.Env, "GIT_PROTOCOL="+version)
	out, err := cmd.Output()
	if err != nil {
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-"+service+"-advertisement")
	if !strings.Contains(version, "version=2") {
		line := "# service=" + service + "\n"
		fmt.Fprintf(w, "%04x%s0000", len(line)+4, line)
	}
	w.Write(out)
}

func (s *Server) exchange(w http.ResponseWriter, r *http.Request, p *project, u *user, service string) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, "Bad Request", http.StatusBadRequest)
			return
		}
		defer unpacked.Close()
		body = unpacked
	}
	w.Header().Set("Content-Type", "application/x-"+service+"-result")
	if service == "git-receive-pack" {
		s.receive(w, body, p, u)
		return
	}
	cmd := s.command("upload-pack", "--stateless-rpc", p.dir)
	cmd.Env = append(cmd.Env, "GIT_PROTOCOL="+r.Header.Get("Git-Protocol"))
	cmd.Stdin, cmd.Stdout = body, w
	if err := cmd.Run(); err != nil {
		s.log.Debug("gitlabsim upload-pack ended badly", "project", p.path, "error", err)
	}
}

// receive takes a push. The answer is kept back until all that follows from the
// push is done, so that who has pushed finds everything in place.
func (s *Server) receive(w http.ResponseWriter, body io.Reader, p *project, u *user) {
	p.git.Lock()
	defer p.git.Unlock()
	options, opening, err := pushOptions(body)
	if err != nil {
		http.Error(w, "Bad Request", http.StatusBadRequest)
		return
	}
	before := s.refs(p, "refs/heads/")
	cmd := s.command("receive-pack", "--stateless-rpc", p.dir)
	if u.role < Maintainer {
		cmd.Env = append(cmd.Env, "GITLABSIM_PROTECTED=refs/heads/"+p.branch)
	}
	var answer bytes.Buffer
	cmd.Stdin, cmd.Stdout = io.MultiReader(bytes.NewReader(opening), body), &answer
	if err := cmd.Run(); err != nil {
		s.log.Debug("gitlabsim receive-pack ended badly", "project", p.path, "error", err)
	}
	s.pushed(p, u, before, s.refs(p, "refs/heads/"))
	s.openAsked(p, u, options, before)
	w.Write(answer.Bytes())
}

// pushOptions reads the beginning of a push: the commands and, where the client
// speaks of them, the options. It gives back the bytes that it read.
func pushOptions(body io.Reader) (options []string, read []byte, err error) {
	commands, read, err := readPackets(body)
	if err != nil || len(commands) == 0 {
		return nil, read, err
	}
	_, capabilities, _ := strings.Cut(commands[0], "\x00")
	if !strings.Contains(" "+capabilities+" ", " push-options ") {
		return nil, read, nil
	}
	options, more, err := readPackets(body)
	return options, append(read, more...), err
}

// openAsked opens the merge request that "git push -o merge_request.create" asks
// for, for each branch that the push made or moved.
func (s *Server) openAsked(p *project, u *user, options []string, before map[string]string) {
	asked, title, into := false, "", p.branch
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		switch name {
		case "merge_request.create":
			asked = true
		case "merge_request.title":
			title = value
		case "merge_request.target":
			into = value
		}
	}
	if !asked {
		return
	}
	for ref, sha := range s.refs(p, "refs/heads/") {
		branch := strings.TrimPrefix(ref, "refs/heads/")
		if before[ref] == sha || branch == into || s.hasOpen(p, branch, into) {
			continue
		}
		if title == "" {
			title = s.commits(p, 1, sha)[0].Subject
		}
		if _, err := s.openRequest(p, p, branch, into, title, u); err != nil {
			s.log.Info("gitlabsim cannot open what a push asked for", "error", err)
		}
	}
}

func (s *Server) hasOpen(p *project, from, into string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range p.requests {
		if m.state == "opened" && m.source == p && m.from == from && m.into == into {
			return true
		}
	}
	return false
}

// pushed makes everything follow that follows from moved branches.
func (s *Server) pushed(p *project, by *user, before, after map[string]string) {
	for ref, sha := range after {
		if before[ref] != sha {
			s.branchMoved(p, by, ref, before[ref], sha)
		}
	}
	for ref, sha := range before {
		if after[ref] == "" {
			s.branchMoved(p, by, ref, sha, "")
		}
	}
}

func (s *Server) branchMoved(p *project, by *user, ref, before, after string) {
	branch := strings.TrimPrefix(ref, "refs/heads/")
	// As GitLab does, the event is there before anybody is told of the push.
	s.mu.Lock()
	s.notePush(p, by, branch, before, after)
	s.mu.Unlock()
	s.tellOfPush(p, by, ref, before, after)
	if after == "" {
		return
	}
	s.noticeMerges(p, by, branch, after)
	type open struct {
		target *project
		m      *mergeRequest
	}
	var moved []open
	s.mu.Lock()
	p.pushers[branch] = by
	for _, target := range s.projects {
		for _, m := range target.requests {
			if m.state == "opened" && m.source == p && m.from == branch {
				moved = append(moved, open{target, m})
			}
		}
	}
	s.mu.Unlock()
	for _, o := range moved {
		if err := s.keepHead(o.target, o.m, after); err != nil {
			s.log.Error("gitlabsim cannot keep a merge request's head", "error", err)
			continue
		}
		s.tellOfRequest(o.target, o.m, "update", by)
	}
}

// noticeMerges closes the requests that somebody has merged by hand: those whose
// head the moved branch holds now.
func (s *Server) noticeMerges(p *project, by *user, branch, tip string) {
	var merged []*mergeRequest
	s.mu.Lock()
	for _, m := range p.requests {
		if m.state == "opened" && m.into == branch {
			merged = append(merged, m)
		}
	}
	s.mu.Unlock()
	for _, m := range merged {
		if _, err := s.git(p.dir, nil, "merge-base", "--is-ancestor", m.sha, tip); err != nil {
			continue
		}
		s.mu.Lock()
		m.state, m.mergeCommit, m.updated = "merged", tip, time.Now()
		s.mu.Unlock()
		s.tellOfRequest(p, m, "merge", by)
	}
}
