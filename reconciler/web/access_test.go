package web

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const pagesToken = "a token of twenty characters and more"

func tokenFile(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(pagesToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// request is what somebody asks for, and from where.
type request struct {
	method, path, from, body string
	headers                  map[string]string
}

func ask(s Site, q request) *httptest.ResponseRecorder {
	method := q.method
	if method == "" {
		method = http.MethodGet
	}
	r := httptest.NewRequest(method, q.path, strings.NewReader(q.body))
	if q.from != "" {
		r.RemoteAddr = q.from
	}
	for name, value := range q.headers {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	Handler(s).ServeHTTP(w, r)
	return w
}

func TestWhoSeesThePages(t *testing.T) {
	open := site(ended(nil))
	token, proxy, both := open, open, open
	token.Access = Access{TokenFile: tokenFile(t), PublicBadge: true}
	proxy.Access = Access{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.8/32"), netip.MustParsePrefix("fd00::/64")}, UserHeader: "X-Forwarded-User"}
	both.Access = Access{TokenFile: token.Access.TokenFile, Proxies: proxy.Access.Proxies, UserHeader: "X-Forwarded-User"}
	bearer := map[string]string{"Authorization": "Bearer " + pagesToken}
	user := map[string]string{"X-Forwarded-User": "ada"}
	for _, c := range []struct {
		name string
		site Site
		ask  request
		want int
	}{
		{"open", open, request{path: "/passes"}, 200},
		{"no token", token, request{path: "/passes"}, 401},
		{"no token, in a browser", token, request{path: "/passes/p1", headers: map[string]string{"Accept": "text/html"}}, 303},
		{"token", token, request{path: "/passes", headers: bearer}, 200},
		{"token for JSON", token, request{path: "/passes/p1.json", headers: bearer}, 200},
		{"token for metrics", token, request{path: "/metrics", headers: bearer}, 200},
		{"metrics without", token, request{path: "/metrics"}, 401},
		{"wrong token", token, request{path: "/passes", headers: map[string]string{"Authorization": "Bearer " + pagesToken[:20]}}, 401},
		{"token as a password", token, request{path: "/passes", headers: map[string]string{"Authorization": "Basic " + pagesToken}}, 401},
		{"token in the address", token, request{path: "/passes?token=" + url.QueryEscape(pagesToken)}, 401},
		{"forged cookie", token, request{path: "/passes", headers: map[string]string{"Cookie": "provost=99999999999.AAAA"}}, 401},
		{"cookie that is none", token, request{path: "/passes", headers: map[string]string{"Cookie": "provost="}}, 401},
		{"a user without a proxy", token, request{path: "/passes", headers: user}, 401},
		{"public badge", token, request{path: "/badge.svg"}, 200},
		{"private badge", both, request{path: "/badge.svg"}, 401},
		{"health is for all", token, request{path: "/healthz"}, 200},
		{"readiness is for all", both, request{path: "/readyz"}, 200},
		{"through the proxy", proxy, request{path: "/passes", from: "10.0.0.8:1234", headers: user}, 200},
		{"through the proxy, as IPv4 in IPv6", proxy, request{path: "/passes", from: "[::ffff:10.0.0.8]:1234", headers: user}, 200},
		{"through a proxy with IPv6", proxy, request{path: "/passes", from: "[fd00::1]:1234", headers: user}, 200},
		{"through the proxy, nobody", proxy, request{path: "/passes", from: "10.0.0.8:1234"}, 403},
		{"beside the proxy", proxy, request{path: "/passes", from: "10.0.0.9:1234", headers: user}, 403},
		{"no login where there is no token", proxy, request{method: "POST", path: "/login", body: "token="}, 403},
		{"either", both, request{path: "/passes", headers: bearer}, 200},
		{"or", both, request{path: "/passes", from: "10.0.0.8:1234", headers: user}, 200},
	} {
		if w := ask(c.site, c.ask); w.Code != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, w.Code, w.Body, c.want)
		} else if strings.Contains(w.Body.String(), pagesToken) {
			t.Errorf("%s: the answer shows the token", c.name)
		}
	}
}

// While the token cannot be read nobody is let in; visitors are not told why, the
// log is.
func TestATokenThatCannotBeReadIsLogged(t *testing.T) {
	var log strings.Builder
	s := site(ended(nil))
	s.Access, s.Log = Access{TokenFile: filepath.Join(t.TempDir(), "gone")}, slog.New(slog.NewTextHandler(&log, nil))
	for _, q := range []request{
		{path: "/passes", headers: map[string]string{"Authorization": "Bearer " + pagesToken}},
		{method: "POST", path: "/login", body: "token=" + pagesToken, headers: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}},
	} {
		log.Reset()
		if w := ask(s, q); w.Code != 503 || !strings.Contains(w.Body.String(), "the log says why") || strings.Contains(w.Body.String(), s.Access.TokenFile) {
			t.Errorf("%s: %d %s", q.path, w.Code, w.Body)
		}
		if text := log.String(); !strings.Contains(text, "cannot read the token of the pages") || strings.Contains(text, pagesToken) {
			t.Errorf("%s: the log says %q", q.path, text)
		}
	}
}

// Nothing but GET and HEAD is answered by the pages.
func TestPagesAreReadOnly(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT"} {
		for _, path := range []string{"/", "/passes", "/passes/p1", "/metrics", "/badge.svg", "/healthz", "/readyz"} {
			if w := ask(site(ended(nil)), request{method: method, path: path}); w.Code != 405 && w.Code != 404 {
				t.Errorf("%s %s: %d", method, path, w.Code)
			}
		}
	}
}

func TestLogin(t *testing.T) {
	s := site(ended(nil))
	s.Access = Access{TokenFile: tokenFile(t), OverTLS: true}
	login := func(token, next string) *httptest.ResponseRecorder {
		return ask(s, request{
			method: "POST", path: "/login", body: url.Values{"token": {token}, "next": {next}}.Encode(),
			headers: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
		})
	}
	if w := ask(s, request{path: "/login?next=/passes/%22%3E%3Cscript%3E"}); w.Code != 200 || strings.Contains(w.Body.String(), "<script") || !strings.Contains(w.Body.String(), "/passes/") {
		t.Errorf("the form: %d %s", w.Code, w.Body)
	}
	if w := login("guess", "/"); w.Code != 403 || len(w.Result().Cookies()) > 0 || !strings.Contains(w.Body.String(), "not the token") {
		t.Errorf("a wrong token: %d %s", w.Code, w.Body)
	}
	if w := login(strings.Repeat("x", longestForm), "/"); w.Code != 400 {
		t.Errorf("a long token: %d", w.Code)
	}
	w := login(pagesToken, "/passes/p1?x=y")
	if w.Code != 303 || w.Header().Get("Location") != "/passes/p1?x=y" || len(w.Result().Cookies()) != 1 {
		t.Fatalf("a login: %d, headers %v", w.Code, w.Header())
	}
	cookie := w.Result().Cookies()[0]
	if !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteLaxMode || strings.Contains(cookie.Value, pagesToken) {
		t.Errorf("the cookie: %v", cookie)
	}
	with := map[string]string{"Cookie": cookie.Name + "=" + cookie.Value}
	if w := ask(s, request{path: "/passes", headers: with}); w.Code != 200 {
		t.Errorf("with its cookie: %d", w.Code)
	}
	// A renewed token ends it; a missing one opens nothing.
	if err := os.WriteFile(s.Access.TokenFile, []byte("another token, which is as long"), 0o600); err != nil {
		t.Fatal(err)
	}
	if w := ask(s, request{path: "/passes", headers: with}); w.Code != 401 {
		t.Errorf("with a cookie of the old token: %d", w.Code)
	}
	os.Remove(s.Access.TokenFile)
	if w := ask(s, request{path: "/passes", headers: with}); w.Code != 503 {
		t.Errorf("without a token: %d", w.Code)
	}
	if err := s.Access.Check(); err == nil {
		t.Error("a missing token passes for one")
	}
}

func TestCookiesEnd(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	cookie := makeCookie(pagesToken, now.Add(time.Hour))
	stamp, mac, _ := strings.Cut(cookie, ".")
	for name, c := range map[string]struct {
		value, token string
		at           time.Time
		want         bool
	}{
		"fresh":         {cookie, pagesToken, now, true},
		"old":           {cookie, pagesToken, now.Add(time.Hour), false},
		"another token": {cookie, pagesToken + "x", now, false},
		"prolonged":     {"1900000000." + mac, pagesToken, now, false},
		"unsigned":      {stamp + ".", pagesToken, now, false},
	} {
		if got := validCookie(c.value, c.token, c.at); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func FuzzLocalPath(f *testing.F) {
	for _, next := range []string{"/passes", "//evil.example", "https://evil.example/", "/\\evil.example", "javascript:x", "", "/a?b#c", "/%2f/evil", "/\t/evil"} {
		f.Add(next)
	}
	f.Fuzz(func(t *testing.T, next string) {
		got := localPath(next)
		if !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\r\n\t") {
			t.Errorf("%q leads to %q", next, got)
		}
	})
}

func TestHeaders(t *testing.T) {
	s := site(ended(nil))
	s.Webhook = http.NotFoundHandler()
	for _, path := range []string{"/", "/passes/p1", "/passes/p1.json", "/badge.svg", "/metrics", "/healthz", "/nothing", "/webhook"} {
		h := ask(s, request{path: path}).Header()
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": map[bool]string{true: "cross-origin", false: "same-origin"}[path == "/badge.svg"],
		} {
			if !strings.Contains(h.Get(name), want) {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
	}
}
