package gitlabsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// call is a request to the API that came with a good token.
type call struct {
	r       *http.Request
	header  http.Header // of the answer
	user    *user
	project *project
	params  map[string]string // query, form or JSON body
}

// handler answers a call: with a value to show as JSON, or with a refusal.
type handler func(*call) (any, error)

// handler is the whole server.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range map[string]handler{
		"GET /api/v4/user":     s.getUser,
		"GET /api/v4/version":  s.getVersion,
		"GET /api/v4/projects": s.listProjects,

		"GET /api/v4/groups/{id}/members/all": s.listMembers,
	} {
		mux.Handle(pattern, s.api(h))
	}
	for pattern, h := range map[string]handler{
		"GET /{$}":                               s.getProject,
		"GET /repository/commits/{sha}":          s.getCommit,
		"GET /repository/commits/{sha}/statuses": s.listStatuses,
		"POST /statuses/{sha}":                   s.postStatus,
		"GET /merge_requests":                    s.listRequests,
		"POST /merge_requests":                   s.postRequest,
		"GET /merge_requests/{iid}":              s.getRequest,
		"PUT /merge_requests/{iid}/merge":        s.putMerge,
		"GET /merge_requests/{iid}/approvals":    s.getApprovals,
		"GET /merge_requests/{iid}/notes":        s.listNotes,
		"POST /merge_requests/{iid}/notes":       s.postNote,
		"PUT /merge_requests/{iid}/notes/{note}": s.putNote,
		"GET /events":                            s.listEvents,
		"GET /badges":                            s.listBadges,
		"POST /badges":                           s.postBadge,
		"PUT /badges/{badge}":                    s.putBadge,
	} {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" /api/v4/projects/{id}"+strings.TrimSuffix(path, "/{$}"), s.api(s.inProject(h)))
	}
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusNotFound, map[string]string{"error": "404 Not Found"})
	})
	mux.HandleFunc("/", s.serveSite)
	return s.misbehave(mux)
}

// serveSite answers everything outside the API: repositories and pages.
func (s *Server) serveSite(w http.ResponseWriter, r *http.Request) {
	path := strings.Trim(r.URL.Path, "/")
	if project, service, ok := strings.Cut(path, ".git/"); ok {
		s.serveGit(w, r, project, service)
		return
	}
	s.servePage(w, r, path)
}

// api checks the token and its scope, and reads the parameters.
func (s *Server) api(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, status, err := s.answer(w.Header(), r, h)
		if refused, ok := err.(refusal); ok {
			body, status = refused.body, refused.status
		} else if err != nil {
			body, status = map[string]string{"message": "500 Internal Server Error"}, http.StatusInternalServerError
			s.log.Error("gitlabsim cannot answer", "path", r.URL.Path, "error", err)
		}
		writeJSON(w, status, body)
	})
}

func (s *Server) answer(header http.Header, r *http.Request, h handler) (any, int, error) {
	u, err := s.authenticate(r)
	if err != nil {
		return nil, 0, err
	}
	params, err := parameters(r)
	if err != nil {
		return nil, 0, err
	}
	body, err := h(&call{r: r, header: header, user: u, params: params})
	status := http.StatusOK
	if r.Method == http.MethodPost {
		status = http.StatusCreated
	}
	return body, status, err
}

func (s *Server) authenticate(r *http.Request) (*user, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.userWithToken(tokenOf(r))
	if u == nil {
		return nil, message(http.StatusUnauthorized, "401 Unauthorized")
	}
	need := []string{"api"}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		need = append(need, "read_api")
		if r.URL.Path == "/api/v4/user" {
			need = append(need, "read_user")
		}
	}
	if !u.may(need...) {
		return nil, refusal{http.StatusForbidden, map[string]string{
			"error":             "insufficient_scope",
			"error_description": "The request requires higher privileges than provided by the access token.",
			"scope":             strings.Join(need, " "),
		}}
	}
	return u, nil
}

// tokenOf is the token that came with a request, however it came.
func tokenOf(r *http.Request) string {
	if t := r.Header.Get("PRIVATE-TOKEN"); t != "" {
		return t
	}
	if t, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return t
	}
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	return r.URL.Query().Get("private_token")
}

// inProject finds the project that the path names by number or by its path.
func (s *Server) inProject(h handler) handler {
	return func(c *call) (any, error) {
		s.mu.Lock()
		c.project = s.projectNamed(c.r.PathValue("id"))
		if number, err := strconv.Atoi(c.r.PathValue("id")); err == nil {
			for _, p := range s.projects {
				if p.id == number {
					c.project = p
				}
			}
		}
		s.mu.Unlock()
		if c.project == nil {
			return nil, notFound("Project")
		}
		return h(c)
	}
}

// parameters merges the query with a form or JSON body.
func parameters(r *http.Request) (map[string]string, error) {
	params := map[string]string{}
	for name, values := range r.URL.Query() {
		params[name] = values[0]
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 4<<20))
	if err != nil || len(bytes.TrimSpace(body)) == 0 {
		return params, nil
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/json" {
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ParseForm()
		for name, values := range r.PostForm {
			params[name] = values[0]
		}
		return params, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, invalid("Problems parsing JSON")
	}
	for name, raw := range fields {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		if text != "null" {
			params[name] = text
		}
	}
	return params, nil
}

// refusal is an answer that is not what was asked for.
type refusal struct {
	status int
	body   any
}

func (r refusal) Error() string { return fmt.Sprint(r.status, " ", r.body) }

func message(status int, text string) error {
	return refusal{status, map[string]string{"message": text}}
}

func notFound(what string) error {
	return message(http.StatusNotFound, "404 "+what+" Not Found")
}

// invalid is how Grape refuses a parameter, before GitLab's own code sees it.
func invalid(text string) error {
	return refusal{http.StatusBadRequest, map[string]string{"error": text}}
}

// faulty is how a model refuses a field.
func faulty(field, text string) error {
	return refusal{http.StatusBadRequest, map[string]map[string][]string{"message": {field: {text}}}}
}

var errForbidden = message(http.StatusForbidden, "403 Forbidden")

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}
