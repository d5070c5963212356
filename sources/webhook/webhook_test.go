package webhook

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const secret = "correct horse battery staple"

var now = time.Unix(1_800_000_000, 0)

// desk is a handler with everything around it.
type desk struct {
	t       *testing.T
	handler *Handler
	file    string
	polls   int
	log     bytes.Buffer
}

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, file: filepath.Join(t.TempDir(), "secret")}
	d.write(secret + "\n")
	d.handler = New(d.file, func() { d.polls++ }, slog.New(slog.NewTextHandler(&d.log, nil)))
	d.handler.now = func() time.Time { return now }
	return d
}

func (d *desk) write(secret string) {
	d.t.Helper()
	if err := os.WriteFile(d.file, []byte(secret), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// send gives the answer's status and body.
func (d *desk) send(method, body string, headers map[string]string) (int, string) {
	r := httptest.NewRequest(method, "/webhook", strings.NewReader(body))
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func hexSum(key, body string) string { return hex.EncodeToString(sum([]byte(key), []byte(body))) }

// standardHeaders are those of a signed hook of GitLab.
func standardHeaders(key []byte, id string, at time.Time, body string) map[string]string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	return map[string]string{
		"X-Gitlab-Event":    "Push Hook",
		"Webhook-Id":        id,
		"Webhook-Timestamp": stamp,
		"Webhook-Signature": "v1," + base64.StdEncoding.EncodeToString(sum(key, []byte(id+"."+stamp+"."+body))),
	}
}

func with(headers map[string]string, name, value string) map[string]string {
	headers[name] = value
	return headers
}

func TestAuthentication(t *testing.T) {
	const body = `{"ref":"refs/heads/main"}`
	good := func() map[string]string { return standardHeaders([]byte(secret), "msg_1", now, body) }
	tests := []struct {
		name    string
		headers map[string]string
		want    int
	}{
		{"GitLab token", map[string]string{"X-Gitlab-Token": secret}, 202},
		{"GitLab wrong token", map[string]string{"X-Gitlab-Token": "guess"}, 401},
		{"GitLab token cut short", map[string]string{"X-Gitlab-Token": secret[:5]}, 401},
		{"GitLab signature", good(), 202},
		{"GitLab signature with its token beside it", with(good(), "X-Gitlab-Token", "another"), 202},
		{"GitLab signature among others", with(good(), "Webhook-Signature", "v1a,x v1,AAAA "+good()["Webhook-Signature"]), 202},
		{"GitLab signature by another secret", standardHeaders([]byte("guess"), "msg_1", now, body), 401},
		{"GitLab wrong signature beside a right token", with(standardHeaders([]byte("guess"), "msg_1", now, body), "X-Gitlab-Token", secret), 401},
		{"GitLab signature of another body", standardHeaders([]byte(secret), "msg_1", now, body+" "), 401},
		{"GitLab signature under another ID", with(good(), "Webhook-Id", "msg_2"), 401},
		{"GitLab signature without an ID", with(good(), "Webhook-Id", ""), 401},
		{"GitLab signature of an hour ago", standardHeaders([]byte(secret), "msg_1", now.Add(-time.Hour), body), 401},
		{"GitLab signature of tomorrow", standardHeaders([]byte(secret), "msg_1", now.Add(24*time.Hour), body), 401},
		{"GitLab signature with a fresher timestamp", with(standardHeaders([]byte(secret), "msg_1", now.Add(-time.Hour), body), "Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10)), 401},
		{"GitLab timestamp that is none", with(good(), "Webhook-Timestamp", "today"), 401},
		{"GitHub", map[string]string{"X-Hub-Signature-256": "sha256=" + hexSum(secret, body)}, 202},
		{"GitHub wrong", map[string]string{"X-Hub-Signature-256": "sha256=" + hexSum("guess", body)}, 401},
		{"GitHub bare", map[string]string{"X-Hub-Signature-256": hexSum(secret, body)}, 401},
		{"GitHub's old SHA-1", map[string]string{"X-Hub-Signature": "sha1=0123"}, 401},
		{"Gitea", map[string]string{"X-Gitea-Signature": hexSum(secret, body)}, 202},
		{"Gitea wrong", map[string]string{"X-Gitea-Signature": hexSum(secret, body+"x")}, 401},
		{"Gitea not hexadecimal", map[string]string{"X-Gitea-Signature": "zz"}, 401},
		{"Forgejo", map[string]string{"X-Forgejo-Signature": hexSum(secret, body)}, 202},
		{"nothing", nil, 401},
		{"empty token", map[string]string{"X-Gitlab-Token": ""}, 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t)
			code, answer := d.send(http.MethodPost, body, test.headers)
			if code != test.want {
				t.Errorf("answer %d %q, want %d", code, answer, test.want)
			}
			if want := map[bool]int{true: 1}[test.want == 202]; d.polls != want {
				t.Errorf("%d polls, want %d", d.polls, want)
			}
			if strings.Contains(answer+d.log.String(), secret) {
				t.Error("the secret is shown")
			}
		})
	}
}

func TestBase64Secret(t *testing.T) {
	d := newDesk(t)
	raw := []byte{1, 2, 3, 0xff}
	d.write("whsec_" + base64.StdEncoding.EncodeToString(raw))
	if code, answer := d.send(http.MethodPost, "{}", standardHeaders(raw, "msg_1", now, "{}")); code != 202 {
		t.Errorf("answer %d %q", code, answer)
	}
}

func TestAnswers(t *testing.T) {
	d := newDesk(t)
	token := map[string]string{"X-Gitlab-Token": secret}
	if code, answer := d.send(http.MethodGet, "", token); code != 405 || !strings.Contains(answer, "POST") {
		t.Errorf("answer to a GET: %d %q", code, answer)
	}
	if code, answer := d.send(http.MethodPost, strings.Repeat("x", maxBody+1), token); code != 413 || !strings.Contains(answer, "1 MiB") {
		t.Errorf("answer to a long one: %d %q", code, answer)
	}
	if code, answer := d.send(http.MethodPost, "{}", nil); code != 401 || !strings.Contains(answer, "secret_file") {
		t.Errorf("answer to an unknown: %d %q", code, answer)
	}
	if d.polls != 0 {
		t.Fatalf("%d polls by hooks that were refused", d.polls)
	}
	// An authentic hook is worth a poll whatever it says.
	if code, _ := d.send(http.MethodPost, "not JSON", token); code != 202 || d.polls != 1 {
		t.Errorf("answer %d, %d polls", code, d.polls)
	}
}

func TestSecretIsReadAnew(t *testing.T) {
	d := newDesk(t)
	d.write("renewed")
	if code, _ := d.send(http.MethodPost, "{}", map[string]string{"X-Gitlab-Token": secret}); code != 401 {
		t.Errorf("the old secret: %d", code)
	}
	if code, _ := d.send(http.MethodPost, "{}", map[string]string{"X-Gitlab-Token": "renewed"}); code != 202 {
		t.Errorf("the new secret: %d", code)
	}
	// An empty or missing file is no secret at all, not one that all know.
	for _, spoil := range []func(){func() { d.write("\n") }, func() { os.Remove(d.file) }} {
		spoil()
		for _, headers := range []map[string]string{nil, {"X-Gitlab-Token": ""}, {"X-Hub-Signature-256": "sha256=" + hexSum("", "{}")}} {
			if code, _ := d.send(http.MethodPost, "{}", headers); code != 503 {
				t.Errorf("without a secret: %d", code)
			}
		}
	}
	if d.polls != 1 {
		t.Errorf("%d polls, want 1", d.polls)
	}
}

func TestRepetitions(t *testing.T) {
	d := newDesk(t)
	headers := standardHeaders([]byte(secret), "msg_1", now, "{}")
	for range 3 {
		if code, _ := d.send(http.MethodPost, "{}", headers); code != 202 {
			t.Fatalf("answer %d", code)
		}
	}
	if d.polls != 1 {
		t.Errorf("%d polls, want 1", d.polls)
	}
	d.send(http.MethodPost, "{}", standardHeaders([]byte(secret), "msg_2", now, "{}"))
	if d.polls != 2 {
		t.Errorf("%d polls, want 2", d.polls)
	}
	// What is forgotten is too old to be accepted.
	d.handler.now = func() time.Time { return now.Add(3 * tolerance) }
	if code, _ := d.send(http.MethodPost, "{}", headers); code != 401 {
		t.Errorf("answer %d to an old one", code)
	}
	d.send(http.MethodPost, "{}", standardHeaders([]byte(secret), "msg_3", now.Add(3*tolerance), "{}"))
	if len(d.handler.seen) != 1 {
		t.Errorf("%d IDs are remembered, want 1", len(d.handler.seen))
	}
}

func TestEvents(t *testing.T) {
	tests := []struct {
		header, name, body string
		want               event
		polls              int
	}{
		{"X-Gitlab-Event", "Push Hook", `{"ref":"refs/heads/main","commits":[]}`, event{"push", "refs/heads/main"}, 1},
		{"X-Gitlab-Event", "Merge Request Hook", `{"object_attributes":{"iid":12}}`, event{"merge_request", "!12"}, 1},
		{"X-Gitlab-Event", "Pipeline Hook", `{"object_attributes":{"iid":12}}`, event{"other", ""}, 1},
		{"X-GitHub-Event", "push", `{"ref":"refs/heads/main"}`, event{"push", "refs/heads/main"}, 1},
		{"X-GitHub-Event", "pull_request", `{"number":7,"pull_request":{"number":7}}`, event{"merge_request", "!7"}, 1},
		{"X-GitHub-Event", "ping", `{"zen":"Keep it logically awesome."}`, event{"ping", ""}, 0},
		{"X-Gitea-Event", "pull_request", `{"number":9}`, event{"merge_request", "!9"}, 1},
		{"X-Gitea-Event", "push", `{"ref":5}`, event{"push", ""}, 1},
		{"X-Gitea-Event", "push", "{\"ref\":\"a\\n\\u001b[31mb\"}", event{"push", "a[31mb"}, 1},
		{"X-Unknown", "push", `{"ref":"refs/heads/main"}`, event{"other", ""}, 1},
	}
	for _, test := range tests {
		h := http.Header{}
		h.Set(test.header, test.name)
		if got := decode(h, []byte(test.body)); got != test.want {
			t.Errorf("%s %s: %+v, want %+v", test.name, test.body, got, test.want)
		}
		d := newDesk(t)
		d.send(http.MethodPost, test.body, map[string]string{test.header: test.name, "X-Gitlab-Token": secret})
		if d.polls != test.polls || !strings.Contains(d.log.String(), "event="+test.want.kind) {
			t.Errorf("%s: %d polls, log %s", test.name, d.polls, &d.log)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("X-Gitlab-Event", "Push Hook", []byte(`{"ref":"refs/heads/main"}`))
	f.Add("X-GitHub-Event", "pull_request", []byte(`{"number":7,"pull_request":{"number":-7}}`))
	f.Add("X-Gitea-Event", "push", []byte("{\"ref\":\"\\u0000\xff\"}"))
	f.Add("X-Gitlab-Event", "Merge Request Hook", []byte(`{"object_attributes":[]}`))
	f.Fuzz(func(t *testing.T, header, name string, body []byte) {
		h := http.Header{}
		h.Set(header, name)
		e := decode(h, body)
		if len(e.ref) > 200 || strings.ContainsAny(e.ref, "\n\r\x00\x1b") {
			t.Errorf("ref %q", e.ref)
		}
	})
}

// Nobody gets in without the secret, whatever the headers say.
func FuzzAuthentic(f *testing.F) {
	f.Add("X-Gitlab-Token", "guess", []byte("{}"), "msg_1", "1800000000")
	f.Add("X-Hub-Signature-256", "sha256="+hexSum("guess", "{}"), []byte("{}"), "", "")
	f.Add("Webhook-Signature", "v1,AAAA v1,", []byte(""), "msg_1", "1800000000")
	f.Fuzz(func(t *testing.T, header, value string, body []byte, id, stamp string) {
		h := http.Header{}
		h.Set("Webhook-Id", id)
		h.Set("Webhook-Timestamp", stamp)
		h.Set(header, value)
		if authentic(h, body, []byte(secret), now) && value != secret {
			t.Errorf("%s: %q is authentic", header, value)
		}
	})
}
