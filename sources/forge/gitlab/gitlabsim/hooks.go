package gitlabsim

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

type hook struct {
	url, token string
	key        []byte
}

const (
	noCommit     = "0000000000000000000000000000000000000000"
	hookPatience = 10 * time.Second // GitLab's own
	mostCommits  = 20               // that a push event lists
)

// AddHook registers a webhook for pushes and merge requests of all projects.
// The token is sent as X-Gitlab-Token.
func (s *Server) AddHook(url, token string) { s.AddSignedHook(url, token, nil) }

// AddSignedHook registers a webhook that is also signed, as newer GitLabs do:
// webhook-signature is "v1," and the base64 HMAC-SHA256 of "id.timestamp.body".
func (s *Server) AddSignedHook(url, token string, key []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks = append(s.hooks, hook{url: url, token: token, key: key})
}

type hookProject struct {
	ID                int    `json:"id"`
	Name              string `json:"name"`
	PathWithNamespace string `json:"path_with_namespace"`
	DefaultBranch     string `json:"default_branch"`
	WebURL            string `json:"web_url"`
	HTTPURL           string `json:"git_http_url"`
}

func (s *Server) hookProject(p *project) hookProject {
	return hookProject{
		ID: p.id, Name: path.Base(p.path), PathWithNamespace: p.path, DefaultBranch: p.branch,
		WebURL: s.url + "/" + p.path, HTTPURL: s.url + "/" + p.path + ".git",
	}
}

type hookCommit struct {
	ID        string            `json:"id"`
	Message   string            `json:"message"`
	Title     string            `json:"title"`
	Timestamp string            `json:"timestamp"`
	URL       string            `json:"url"`
	Author    map[string]string `json:"author"`
}

type pushEvent struct {
	ObjectKind        string       `json:"object_kind"`
	EventName         string       `json:"event_name"`
	Before            string       `json:"before"`
	After             string       `json:"after"`
	Ref               string       `json:"ref"`
	CheckoutSHA       *string      `json:"checkout_sha"`
	UserID            int          `json:"user_id"`
	UserName          string       `json:"user_name"`
	UserUsername      string       `json:"user_username"`
	ProjectID         int          `json:"project_id"`
	Project           hookProject  `json:"project"`
	Commits           []hookCommit `json:"commits"`
	TotalCommitsCount int          `json:"total_commits_count"`
}

// tellOfPush sends the push event of one branch.
func (s *Server) tellOfPush(p *project, by *user, ref, before, after string) {
	if !s.hasHooks() {
		return
	}
	e := pushEvent{
		ObjectKind: "push", EventName: "push", Before: before, After: after, Ref: ref,
		UserID: by.id, UserName: by.name, UserUsername: by.name,
		ProjectID: p.id, Project: s.hookProject(p), Commits: []hookCommit{},
	}
	if before == "" {
		e.Before = noCommit
	}
	if after == "" {
		e.After = noCommit
		s.deliver("Push Hook", e)
		return
	}
	e.CheckoutSHA = &after
	revisions := []string{after}
	if before != "" {
		revisions = append(revisions, "^"+before)
	}
	for _, info := range s.commits(p, mostCommits, revisions...) {
		e.Commits = append(e.Commits, hookCommit{
			ID: info.SHA, Message: info.Message, Title: info.Subject, Timestamp: info.Date,
			URL:    s.url + "/" + p.path + "/-/commit/" + info.SHA,
			Author: map[string]string{"name": info.Author, "email": info.Email},
		})
	}
	e.TotalCommitsCount = len(e.Commits)
	if out, err := s.git(p.dir, nil, append([]string{"rev-list", "--count"}, revisions...)...); err == nil {
		e.TotalCommitsCount, _ = strconv.Atoi(out)
	}
	s.deliver("Push Hook", e)
}

type requestEvent struct {
	ObjectKind string            `json:"object_kind"`
	EventType  string            `json:"event_type"`
	User       userJSON          `json:"user"`
	Project    hookProject       `json:"project"`
	Attributes requestAttributes `json:"object_attributes"`
}

type requestAttributes struct {
	ID           int               `json:"id"`
	IID          int               `json:"iid"`
	Title        string            `json:"title"`
	State        string            `json:"state"`
	Action       string            `json:"action"`
	SourceBranch string            `json:"source_branch"`
	TargetBranch string            `json:"target_branch"`
	LastCommit   map[string]string `json:"last_commit"`
	URL          string            `json:"url"`
}

// tellOfRequest sends a merge request event: open, update, merge or close.
func (s *Server) tellOfRequest(p *project, m *mergeRequest, action string, by *user) {
	if !s.hasHooks() {
		return
	}
	s.mu.Lock()
	e := requestEvent{
		ObjectKind: "merge_request", EventType: "merge_request", User: s.showUser(by), Project: s.hookProject(p),
		Attributes: requestAttributes{
			ID: m.id, IID: m.iid, Title: m.title, State: m.state, Action: action,
			SourceBranch: m.from, TargetBranch: m.into, LastCommit: map[string]string{"id": m.sha}, URL: s.requestURL(p, m),
		},
	}
	s.mu.Unlock()
	s.deliver("Merge Request Hook", e)
}

func (s *Server) hasHooks() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.hooks) > 0
}

// deliver sends an event to every hook, in the background and once: what a
// receiver misses it must find by polling.
func (s *Server) deliver(event string, payload any) {
	body, err := json.Marshal(payload)
	if err != nil {
		s.log.Error("gitlabsim cannot encode an event", "error", err)
		return
	}
	s.mu.Lock()
	hooks := s.hooks[:len(s.hooks):len(s.hooks)]
	s.mu.Unlock()
	for _, h := range hooks {
		s.hooked.Go(func() { s.send(h, event, body) })
	}
}

func (s *Server) send(h hook, event string, body []byte) {
	r, err := http.NewRequestWithContext(s.ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		s.log.Error("gitlabsim cannot send an event", "error", err)
		return
	}
	id, stamp := newUUID(), strconv.FormatInt(time.Now().Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "GitLab/18.6.0")
	r.Header.Set("X-Gitlab-Event", event)
	r.Header.Set("X-Gitlab-Event-UUID", newUUID())
	r.Header.Set("X-Gitlab-Instance", s.url)
	r.Header.Set("Idempotency-Key", id)
	r.Header["webhook-id"] = []string{id}
	r.Header["webhook-timestamp"] = []string{stamp}
	if h.token != "" {
		r.Header.Set("X-Gitlab-Token", h.token)
	}
	if len(h.key) > 0 {
		mac := hmac.New(sha256.New, h.key)
		mac.Write([]byte(strings.Join([]string{id, stamp, string(body)}, ".")))
		r.Header["webhook-signature"] = []string{"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))}
	}
	client := http.Client{Timeout: hookPatience, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		s.log.Info("gitlabsim could not deliver an event", "event", event, "error", err)
		return
	}
	answer.Body.Close()
	s.log.Debug("gitlabsim delivered an event", "event", event, "status", answer.StatusCode)
}

func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
