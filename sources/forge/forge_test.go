package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/reconciler"
)

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfigIsChecked(t *testing.T) {
	good := Config{URL: "https://gitlab.example.org", Project: "campus/infra", TokenFile: file(t, "token\n")}
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   string // part of the error; "" for none
	}{
		{"good", func(*Config) {}, ""},
		{"http to this machine", func(c *Config) { c.URL = "http://127.0.0.1:8080" }, ""},
		{"http to another", func(c *Config) { c.URL = "http://gitlab.example.org" }, "want https"},
		{"no url", func(c *Config) { c.URL = "" }, "cannot use the forge's url"},
		{"no scheme", func(c *Config) { c.URL = "gitlab.example.org" }, "cannot use the forge's url"},
		{"password in url", func(c *Config) { c.URL = "https://bot:s3cr3t@gitlab.example.org" }, "holds credentials"},
		{"query", func(c *Config) { c.URL += "/?private_token=s3cr3t" }, "has a query"},
		{"project", func(c *Config) { c.Project = "infra" }, "want group/name"},
		{"no token file", func(c *Config) { c.TokenFile = "" }, "token_file is missing"},
		{"lost token file", func(c *Config) { c.TokenFile = "/no/such/file" }, "no such file"},
		{"empty token", func(c *Config) { c.TokenFile = file(t, " \n") }, "is empty"},
		{"two tokens", func(c *Config) { c.TokenFile = file(t, "s3cr3t\ns3cr3t") }, "does not hold just a token"},
		{"header in token", func(c *Config) { c.TokenFile = file(t, "s3cr3t\r\nX: y") }, "does not hold just a token"},
		{"authority", func(c *Config) { c.CAFile = file(t, "not PEM") }, "holds no PEM certificate"},
		{"timeout", func(c *Config) { c.Timeout = -time.Second }, "cannot use timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := good
			c.change(&config)
			_, err := NewClient(config, "Authorization", "Bearer ")
			switch {
			case c.want == "" && err != nil:
				t.Errorf("NewClient: %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("NewClient gave %v, want %q in it", err, c.want)
			case err != nil && strings.Contains(err.Error(), "s3cr3t"):
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

// client logs in to a server on loopback.
func client(t *testing.T, url string) *Client {
	t.Helper()
	c, err := NewClient(Config{URL: url, Project: "a/b", TokenFile: file(t, "s3cr3t"), Timeout: 5 * time.Second}, "PRIVATE-TOKEN", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestTokenStaysHome(t *testing.T) {
	var leaked []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leaked = append(leaked, r.Header.Get("PRIVATE-TOKEN"))
	}))
	defer other.Close()
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, other.URL, http.StatusMovedPermanently)
		case "/moved":
			http.Redirect(w, r, "/new", http.StatusMovedPermanently)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusTemporaryRedirect)
		default:
			fmt.Fprint(w, r.Method, " with ", r.Header.Get("PRIVATE-TOKEN"))
		}
	}))
	defer home.Close()
	c := client(t, home.URL)
	for _, x := range []struct{ method, path, want string }{
		{"GET", "/moved", ""},
		{"POST", "/moved", "the project has moved"},
		{"GET", "/away", "redirected to another server"},
		{"POST", "/loop", "too many redirects"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), x.method, home.URL+x.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := c.HTTP.Do(r)
		if answer != nil {
			answer.Body.Close()
		}
		if (err == nil) != (x.want == "") || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s %s gave %v, want %q", x.method, x.path, err, x.want)
		}
	}
	if len(leaked) > 0 {
		t.Errorf("another server was asked, with the token %q", leaked)
	}
}

func TestFail(t *testing.T) {
	c := client(t, "http://127.0.0.1:1")
	reset := fmt.Sprint(time.Now().Add(-time.Hour).Unix())
	for _, x := range []struct {
		status    int
		header    map[string]string
		said      string
		want      string
		permanent bool
	}{
		{0, nil, "connection refused", "cannot ask: connection refused", false},
		{200, nil, "unexpected end of JSON input", "cannot ask: unexpected end of JSON input", false},
		{401, nil, "bad token s3cr3t", "cannot ask: 401 Unauthorized: bad token [token]", true},
		{404, nil, "a\r\nb\x1b[31m", "cannot ask: 404 Not Found: a b [31m", true},
		{409, nil, "in progress", "cannot ask: 409 Conflict: in progress", false},
		{429, map[string]string{"Retry-After": "5"}, "later", "cannot ask: 429 Too Many Requests: later (wait 5s)", false},
		{429, map[string]string{"Retry-After": "nonsense"}, "later", "cannot ask: 429 Too Many Requests: later", false},
		{429, map[string]string{"Retry-After": "-5"}, "later", "cannot ask: 429 Too Many Requests: later", false},
		{403, map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}, "limit", "cannot ask: 429 Too Many Requests: limit (wait 1s)", false},
		{403, map[string]string{"X-RateLimit-Remaining": "7", "X-RateLimit-Reset": reset}, "no", "cannot ask: 403 Forbidden: no", true},
		{503, nil, "", "cannot ask: 503 Service Unavailable", false},
		{500, nil, strings.Repeat("é", 9000), "cannot ask: 500 Internal Server Error: " + strings.Repeat("é", longestDetail-1) + "…", false},
	} {
		var answer *http.Response
		if x.status != 0 {
			answer = &http.Response{StatusCode: x.status, Header: http.Header{}}
			for name, value := range x.header {
				answer.Header.Set(name, value)
			}
		}
		err := c.Fail(t.Context(), "cannot ask", answer, errors.New(x.said))
		if err.Error() != x.want {
			t.Errorf("%d gave\n%q, want\n%q", x.status, err, x.want)
		}
		if Permanent(err) != x.permanent {
			t.Errorf("Permanent(%v) is %t", err, !x.permanent)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, value string
		want        time.Duration
	}{
		{"Retry-After", "30", 30 * time.Second},
		{"Retry-After", "99999999999", 24 * time.Hour},
		{"Retry-After", "9999999", 24 * time.Hour},
		{"Retry-After", "Tue, 01 Sep 2026 08:02:00 GMT", 2 * time.Minute},
		{"Retry-After", "Tue, 01 Sep 2026 07:00:00 GMT", 0},
		{"X-RateLimit-Reset", fmt.Sprint(now.Add(time.Hour).Unix()), time.Hour},
	} {
		h := http.Header{"X-Ratelimit-Remaining": {"0"}}
		h.Set(c.name, c.value)
		if got := retryAfter(h, now); got != c.want {
			t.Errorf("%s: %s is to wait %s, want %s", c.name, c.value, got, c.want)
		}
	}
}

func TestShorten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, n := rapid.String().Draw(t, "text"), rapid.IntRange(1, 300).Draw(t, "n")
		got := Shorten(text, n)
		if utf8.RuneCountInString(got) > n || !utf8.ValidString(got) {
			t.Fatalf("Shorten(%q, %d) is %q", text, n, got)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Fatalf("Shorten(%q, %d) keeps what cannot be printed: %q", text, n, got)
		}
		if again := Shorten(got, n); again != got {
			t.Fatalf("Shorten(%q, %d) is %q, and that shortened is %q", text, n, got, again)
		}
	})
}

func success(name string) reconciler.Status {
	return reconciler.Status{Context: name, State: reconciler.StatusSuccess}
}

func TestOneAtATimePerCommit(t *testing.T) {
	var mu sync.Mutex
	writing, together := map[string]bool{}, 0
	j := NewJournal(func(_ context.Context, commit, _ string, _ reconciler.Status) error {
		mu.Lock()
		if writing[commit] {
			t.Errorf("%s is written to twice at a time", commit)
		}
		writing[commit] = true
		together = max(together, len(writing))
		mu.Unlock()
		time.Sleep(time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		delete(writing, commit)
		return nil
	})
	var group sync.WaitGroup
	for i := range 40 {
		group.Go(func() {
			if err := j.Set(t.Context(), fmt.Sprint("commit ", i%4), "main", success(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if together < 2 {
		t.Error("no two commits were written to at a time")
	}
}

func TestWaitingForATurnEnds(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	j := NewJournal(func(context.Context, string, string, reconciler.Status) error {
		close(started)
		<-release
		return nil
	})
	first := make(chan error)
	go func() { first <- j.Set(t.Context(), "c", "main", success("a")) }()
	<-started
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Set(ctx, "c", "main", success("b")); !errors.Is(err, context.Canceled) {
		t.Errorf("Set gave %v", err)
	}
	close(release)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := wait(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("wait gave %v", err)
	}
}

func TestJournalForgets(t *testing.T) {
	var put []string
	j := NewJournal(func(_ context.Context, commit, _ string, _ reconciler.Status) error {
		put = append(put, commit)
		return nil
	})
	for i := range mostCommits + 1 {
		if err := j.Set(t.Context(), fmt.Sprint(i), "main", success("a")); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(j.commits); got > mostCommits {
		t.Errorf("it remembers %d commits", got)
	}
	if !slices.Contains(put, fmt.Sprint(mostCommits)) {
		t.Error("the last commit was not put")
	}
}

// A failed put leaves it open what stands, so an equal status is put again, and
// so is the one that stood before.
func TestFailedPutIsForgotten(t *testing.T) {
	puts, fail := 0, false
	j := NewJournal(func(context.Context, string, string, reconciler.Status) error {
		puts++
		if fail {
			return &Error{Doing: "cannot write", Detail: "connection reset"}
		}
		return nil
	})
	set := func(state reconciler.StatusState) error {
		return j.Set(t.Context(), "c", "main", reconciler.Status{Context: "a", State: state})
	}
	if err := set(reconciler.StatusPending); err != nil {
		t.Fatal(err)
	}
	fail = true
	if err := set(reconciler.StatusSuccess); err == nil {
		t.Fatal("no error")
	}
	fail = false
	if err := set(reconciler.StatusPending); err != nil || puts != 3 {
		t.Errorf("setting the former status again gave %v after %d puts, want 3", err, puts)
	}
}

// A status leads to a page on the web, or nowhere.
func TestLink(t *testing.T) {
	const page = "https://provost.example.org/passes/7?a=b&c=%20#d"
	for address, want := range map[string]string{
		page: page, "http://127.0.0.1:8480/": "http://127.0.0.1:8480/", "": "", "passes/7": "", "//host/x": "", "https:///x": "",
		"javascript:alert(1)": "", "data:text/html,x": "", "https://a/\n": "", "https://a/\x00": "", "https://a/ b": "",
		"https://a/\u202e": "", "https://a/\xff": "", `https://a/">`: "", "https://a/%zz": "", page + strings.Repeat("x", 100): "",
	} {
		if got := Link(address, 100); got != want {
			t.Errorf("%q leads to %q, want %q", address, got, want)
		}
	}
}
