package gitlabsim

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestInjectedAnswers(t *testing.T) {
	s := start(t, Options{})
	s.Inject(Fault{Path: "/user", Status: 429, RetryAfter: 7 * time.Second, Times: 2})
	s.Inject(Fault{Method: "GET", Path: "/user", Status: 500})
	for _, want := range []int{429, 429, 500, 200} {
		got := ask(t, s, "glpat-bot", "GET", "/api/v4/user", "")
		if got.status != want {
			t.Fatalf("answered %d, want %d", got.status, want)
		}
		if retry := got.header.Get("Retry-After"); (want == 429) != (retry == "7") {
			t.Errorf("Retry-After of a %d is %q", want, retry)
		}
	}
	if log := s.Requests(); len(log) != 4 || log[3] != (Request{Method: "GET", Path: "/api/v4/user", User: "bot", Status: 200}) {
		t.Errorf("log is %+v", log)
	}
}

func TestCutAnswers(t *testing.T) {
	s, _, sha := withCommit(t)
	post := func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, "POST", s.URL()+"/api/v4/projects/campus%2Finfra/statuses/"+sha+"?state=success", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer glpat-bot")
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			answer.Body.Close()
		}
		return err
	}
	ctx := context.Background()
	s.Inject(Fault{Path: "/statuses/", DropRequest: true})
	if err := post(ctx); err == nil || len(s.Statuses("campus/infra", sha)) != 0 {
		t.Errorf("a dropped request gave %v and %+v", err, s.Statuses("campus/infra", sha))
	}
	s.Inject(Fault{Path: "/statuses/", DropAnswer: true})
	if err := post(ctx); err == nil || len(s.Statuses("campus/infra", sha)) != 1 {
		t.Errorf("a dropped answer gave %v and %+v", err, s.Statuses("campus/infra", sha))
	}
	s.Inject(Fault{Path: "/statuses/", Hang: true})
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if err := post(short); err == nil {
		t.Error("a hanging request was answered")
	}
	s.Down()
	if err := post(ctx); err == nil {
		t.Error("a server that is down answered")
	}
	s.Up()
	if err := post(ctx); err != nil {
		t.Errorf("a server that is up again: %v", err)
	}
}

func TestHooks(t *testing.T) {
	type event struct {
		header http.Header
		body   []byte
	}
	events := make(chan event, 20)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		events <- event{r.Header, body}
	}))
	defer receiver.Close()
	s, w, first := withCommit(t)
	s.AddSignedHook(receiver.URL, "hook-token", []byte("key"))
	second := w.commit("a.yaml", "a: 2\n", "second")
	w.git("push", "-q", "origin", "main")

	got := <-events
	if h := got.header; h.Get("X-Gitlab-Token") != "hook-token" || h.Get("X-Gitlab-Event") != "Push Hook" {
		t.Errorf("headers are %v", h)
	}
	mac := hmac.New(sha256.New, []byte("key"))
	mac.Write([]byte(got.header.Get("webhook-id") + "." + got.header.Get("webhook-timestamp") + "." + string(got.body)))
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); got.header.Get("webhook-signature") != want {
		t.Errorf("signature is %q, want %q", got.header.Get("webhook-signature"), want)
	}
	var push pushEvent
	if err := json.Unmarshal(got.body, &push); err != nil {
		t.Fatal(err)
	}
	if push.Before != first || push.After != second || push.Ref != "refs/heads/main" || push.UserUsername != "alice" ||
		push.TotalCommitsCount != 1 || push.Commits[0].Title != "second" || push.Project.PathWithNamespace != "campus/infra" {
		t.Errorf("push event is %+v", push)
	}

	w.git("checkout", "-q", "-b", "course")
	w.commit("b.yaml", "b: 1\n", "a course")
	w.git("push", "-q", "origin", "course")
	<-events
	if _, err := s.OpenMR("campus/infra", "course", "main", "A course"); err != nil {
		t.Fatal(err)
	}
	var opened requestEvent
	if err := json.Unmarshal((<-events).body, &opened); err != nil {
		t.Fatal(err)
	}
	if a := opened.Attributes; a.Action != "open" || a.IID != 1 || a.TargetBranch != "main" {
		t.Errorf("merge request event is %+v", a)
	}
	w.git("push", "-q", "origin", "--delete", "course")
	if err := json.Unmarshal((<-events).body, &push); err != nil || push.After != noCommit {
		t.Errorf("deleting a branch gave %+v, %v", push, err)
	}
}

func TestListensOnLoopbackOnly(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "nonsense"} {
		if s, err := Start(Options{Listen: address}); err == nil {
			s.Close()
			t.Errorf("it listens on %q", address)
		}
	}
}
