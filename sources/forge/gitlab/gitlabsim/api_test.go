package gitlabsim

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// withCommit starts a server whose project has one commit on main.
func withCommit(t *testing.T) (*Server, work, string) {
	t.Helper()
	s := start(t, Options{})
	w := clone(t, s, "campus/infra", "alice")
	sha := w.commit("a.yaml", "a: 1\n", "first")
	w.git("push", "-q", "origin", "main")
	return s, w, sha
}

func TestStatusStateMachine(t *testing.T) {
	s, _, sha := withCommit(t)
	const refused = `400 {"message":"Cannot transition status via :%s from :%s (Reason(s): Status cannot transition via \"%s\")"}`
	refuse := func(event, from string) string { return fmt.Sprintf(refused, event, from, event) }
	for i, c := range []struct {
		states string // each posted in turn
		last   string // answer to the last: "201" or status and body
		rows   int    // statuses ever made
	}{
		{"pending", "201", 1},
		{"running", "201", 1},
		{"success", "201", 1},
		{"pending running", "201", 1},
		{"pending running success", "201", 1},
		{"pending skipped", "201", 1},
		{"success success", "201", 2},
		{"success pending", "201", 2},
		{"failed running", "201", 2},
		{"pending pending", refuse("enqueue", "pending"), 1},
		{"running pending", refuse("enqueue", "running"), 1},
		{"running running", refuse("run", "running"), 1},
		{"running skipped", refuse("skip", "running"), 1},
		{"blue", `400 {"error":"state does not have a valid value"}`, 0},
		{"", `400 {"error":"state is missing"}`, 0},
	} {
		t.Run(c.states, func(t *testing.T) {
			name := fmt.Sprint("provost/", i)
			var got reply
			for state := range strings.SplitSeq(c.states, " ") {
				got = ask(t, s, "glpat-bot", "POST", "/api/v4/projects/campus%2Finfra/statuses/"+sha, "name="+name+"&state="+state)
			}
			answer := fmt.Sprint(got.status)
			if got.status != http.StatusCreated {
				answer += " " + got.text
			}
			if answer != c.last {
				t.Errorf("last answer is\n%s, want\n%s", answer, c.last)
			}
			var rows []statusJSON
			ask(t, s, "glpat-bot", "GET", "/api/v4/projects/campus%2Finfra/repository/commits/"+sha+"/statuses?all=true&name="+name, "").decode(t, &rows)
			if len(rows) != c.rows {
				t.Errorf("%d statuses were made, want %d: %+v", len(rows), c.rows, rows)
			}
		})
	}
}

func TestRefusedTransitionKeepsNothing(t *testing.T) {
	s, _, sha := withCommit(t)
	path := "/api/v4/projects/campus%2Finfra/statuses/" + sha
	ask(t, s, "glpat-bot", "POST", path, "name=a&state=pending&description=one")
	ask(t, s, "glpat-bot", "POST", path, "name=a&state=pending&description=two")
	if got := s.Statuses("campus/infra", sha); len(got) != 1 || got[0].Description != "one" {
		t.Errorf("statuses are %+v, want the first description", got)
	}
}

func TestStatusesOfTwoUsersAndPipelines(t *testing.T) {
	s, _, sha := withCommit(t)
	s.AddUser("other", "glpat-other", "api")
	path := "/api/v4/projects/campus%2Finfra/statuses/" + sha
	ask(t, s, "glpat-bot", "POST", path, `{"name":"a","state":"pending"}`)
	if got := ask(t, s, "glpat-other", "POST", path, `{"name":"a","state":"pending"}`); got.status != http.StatusCreated {
		t.Errorf("another user's status was answered %d %s, want a new one", got.status, got.text)
	}
	ci, err := s.StartCI("campus/infra", sha, "refs/merge-requests/1/head", "build")
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, s, "glpat-bot", "POST", path, `{"name":"build","state":"success"}`); got.text != `{"message":{"name":["has already been taken"]}}` {
		t.Errorf("a CI job's name gave %d %s", got.status, got.text)
	}
	var st statusJSON
	ask(t, s, "glpat-bot", "POST", path, `{"name":"b","state":"success"}`).decode(t, &st)
	if st.PipelineID != ci {
		t.Errorf("status went to pipeline %d, want the newest, %d", st.PipelineID, ci)
	}
	ask(t, s, "glpat-bot", "POST", path, `{"name":"b","state":"success","ref":"main"}`).decode(t, &st)
	if st.PipelineID == ci || st.Ref != "main" {
		t.Errorf("status with a ref went to pipeline %d on %s", st.PipelineID, st.Ref)
	}
	ask(t, s, "glpat-bot", "POST", path, fmt.Sprintf(`{"name":"c","state":"success","pipeline_id":%d}`, ci)).decode(t, &st)
	if st.PipelineID != ci {
		t.Errorf("status with a pipeline went to %d, want %d", st.PipelineID, ci)
	}
	if got := ask(t, s, "glpat-bot", "POST", path, `{"name":"c","state":"success","pipeline_id":9999}`); got.status != http.StatusNotFound {
		t.Errorf("an unknown pipeline gave %d %s", got.status, got.text)
	}
}

func TestRefusals(t *testing.T) {
	s, _, sha := withCommit(t)
	s.AddUser("dev", "glpat-dev", "api")
	s.SetRole("dev", Developer)
	status := "/api/v4/projects/campus%2Finfra/statuses/"
	long := strings.Repeat("é", 256)
	for _, c := range []struct{ name, token, method, path, body, want string }{
		{"no token", "", "GET", "/api/v4/projects/campus%2Finfra", "", `401 {"message":"401 Unauthorized"}`},
		{"wrong token", "x", "GET", "/api/v4/user", "", `401 {"message":"401 Unauthorized"}`},
		{"scope", "glpat-alice", "POST", status + sha, "state=success", `403 {"error":"insufficient_scope","error_description":"The request requires higher privileges than provided by the access token.","scope":"api"}`},
		{"protected branch", "glpat-dev", "POST", status + sha, "state=success", `403 {"message":"403 Forbidden"}`},
		{"project", "glpat-bot", "GET", "/api/v4/projects/campus%2Fother", "", `404 {"message":"404 Project Not Found"}`},
		{"slash not escaped", "glpat-bot", "GET", "/api/v4/projects/campus/infra", "", `404 {"error":"404 Not Found"}`},
		{"commit", "glpat-bot", "POST", status + strings.Repeat("0", 40), "state=success", `404 {"message":"404 Commit Not Found"}`},
		{"description", "glpat-bot", "POST", status + sha, "state=success&description=" + long, `400 {"message":{"description":["is too long (maximum is 255 characters)"]}}`},
		{"target", "glpat-bot", "POST", status + sha, "state=success&target_url=javascript:x", `400 {"message":{"target_url":["is blocked: Only allowed schemes are http, https"]}}`},
		{"JSON", "glpat-bot", "POST", status + sha, "{", `400 {"error":"Problems parsing JSON"}`},
		{"per_page", "glpat-bot", "GET", "/api/v4/projects/campus%2Finfra/merge_requests?per_page=0", "", `400 {"error":"per_page does not have a valid value"}`},
		{"merge request", "glpat-bot", "GET", "/api/v4/projects/campus%2Finfra/merge_requests/9", "", `404 {"message":"404 Not found"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ask(t, s, c.token, c.method, c.path, c.body)
			if answer := fmt.Sprint(got.status, " ", got.text); answer != c.want {
				t.Errorf("answer is\n%s, want\n%s", answer, c.want)
			}
		})
	}
}

func TestTwoStatusesOfOneCommitAtATime(t *testing.T) {
	s, _, sha := withCommit(t)
	key := "campus/infra " + sha
	if !s.beginWriting(key) {
		t.Fatal("the commit is being written to before the test")
	}
	got := ask(t, s, "glpat-bot", "POST", "/api/v4/projects/campus%2Finfra/statuses/"+sha, "state=success")
	if got.status != http.StatusConflict || got.text != `{"message":"Another update to this commit status is in progress"}` {
		t.Errorf("answer is %d %s, want 409", got.status, got.text)
	}
}

func TestMergeRequestsNotesAndBadges(t *testing.T) {
	s, w, _ := withCommit(t)
	w.git("checkout", "-q", "-b", "course")
	head := w.commit("b.yaml", "b: 1\n", "a course")
	w.git("push", "-q", "origin", "course")
	for i := range 24 {
		if _, err := s.OpenMR("campus/infra", "course", "main", fmt.Sprint("request ", i)); err != nil {
			t.Fatal(err)
		}
	}
	w.git("checkout", "-q", "-b", "other", "main")
	w.commit("c.yaml", "c: 1\n", "another course")
	w.git("push", "-q", "origin", "other")
	if _, err := s.OpenMR("campus/infra", "other", "main", "request 24"); err != nil {
		t.Fatal(err)
	}
	if err := s.MergeMR("campus/infra", 25); err != nil {
		t.Fatal(err)
	}
	base := "/api/v4/projects/campus%2Finfra"
	var got []requestJSON
	first := ask(t, s, "glpat-alice", "GET", base+"/merge_requests?state=opened&target_branch=main", "")
	first.decode(t, &got)
	if len(got) != 20 || got[0].IID != 24 || got[0].SHA != head || got[0].Author.Username != "alice" {
		t.Errorf("first page has %d requests and begins with %+v", len(got), got[0])
	}
	if h := first.header; h.Get("X-Next-Page") != "2" || h.Get("X-Total") != "24" ||
		!strings.Contains(h.Get("Link"), `merge_requests?page=2&per_page=20&state=opened&target_branch=main>; rel="next"`) {
		t.Errorf("headers are %v", h)
	}
	last := ask(t, s, "glpat-alice", "GET", base+"/merge_requests?state=opened&page=2", "")
	last.decode(t, &got)
	if len(got) != 4 || strings.Contains(last.header.Get("Link"), `rel="next"`) {
		t.Errorf("last page has %d requests, links %s", len(got), last.header.Get("Link"))
	}

	var n noteJSON
	ask(t, s, "glpat-bot", "POST", base+"/merge_requests/1/notes", "body=plan").decode(t, &n)
	if got := ask(t, s, "glpat-bot", "PUT", fmt.Sprint(base, "/merge_requests/1/notes/", n.ID), "body=better+plan"); got.status != 200 {
		t.Errorf("editing a note gave %d %s", got.status, got.text)
	}
	var notes []noteJSON
	ask(t, s, "glpat-bot", "GET", base+"/merge_requests/1/notes", "").decode(t, &notes)
	if len(notes) != 1 || notes[0].Body != "better plan" {
		t.Errorf("notes are %+v", notes)
	}

	var b badgeJSON
	ask(t, s, "glpat-bot", "POST", base+"/badges", `{"name":"provost","link_url":"http://x/%{project_path}","image_url":"http://x/%{default_branch}.svg"}`).decode(t, &b)
	if b.RenderedLinkURL != "http://x/campus/infra" || b.RenderedImageURL != "http://x/main.svg" {
		t.Errorf("badge is %+v", b)
	}
}

func TestPageShowsStatuses(t *testing.T) {
	s, _, sha := withCommit(t)
	ask(t, s, "glpat-bot", "POST", "/api/v4/projects/campus%2Finfra/statuses/"+sha, "name=provost/plan&state=success&description=<62+guests>&target_url=http://127.0.0.1/passes/1")
	got := ask(t, s, "", "GET", "/campus/infra/-/commits/main", "")
	for _, want := range []string{"first", sha[:8], "provost/plan", "&lt;62 guests&gt;", `href="http://127.0.0.1/passes/1"`} {
		if !strings.Contains(got.text, want) {
			t.Errorf("page does not show %q:\n%s", want, got.text)
		}
	}
	if got := ask(t, s, "", "GET", "/", ""); !strings.Contains(got.text, "campus/infra") {
		t.Errorf("front page does not name the project:\n%s", got.text)
	}
	if got := ask(t, s, "", "GET", "/no/such/-/commits/main", ""); got.status != http.StatusNotFound {
		t.Errorf("an unknown project's page gave %d", got.status)
	}
}
