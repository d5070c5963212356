package web

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Access says who may see the pages and the metrics. The zero value lets everybody
// in who can connect.
type Access struct {
	// TokenFile holds the token that opens the pages, in an Authorization header or
	// in the form of /login. It is read for every request, so that it can be renewed.
	TokenFile string
	// Proxies are the addresses of reverse proxies that have logged people in, and
	// UserHeader is where they say whom. From elsewhere the header means nothing.
	Proxies    []netip.Prefix
	UserHeader string
	// PublicBadge shows the badge to everybody: forges load it without a login.
	PublicBadge bool
	// OverTLS keeps the cookie of /login from being sent in clear.
	OverTLS bool
}

const (
	cookieName    = "provost"
	cookieAge     = 12 * time.Hour
	shortestToken = 20
	longestForm   = 4 << 10 // bytes
)

// Open reports whether everybody is let in.
func (a Access) Open() bool { return a.TokenFile == "" && len(a.Proxies) == 0 }

// Check looks whether the token can be used.
func (a Access) Check() error {
	if a.TokenFile == "" {
		return nil
	}
	_, err := a.token()
	return err
}

func (a Access) token() (string, error) {
	data, err := os.ReadFile(a.TokenFile)
	if err != nil {
		return "", fmt.Errorf("cannot read the token of the pages: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if len(token) < shortestToken {
		return "", fmt.Errorf("cannot use the token of the pages: %s holds less than %d characters", a.TokenFile, shortestToken)
	}
	return token, nil
}

// guard lets in who may see the pages, and tells others how.
func (a Access) guard(next http.Handler) http.Handler {
	if a.Open() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch admitted, err := a.admits(r); {
		case err != nil:
			http.Error(w, "the pages cannot be shown now: the log says why", http.StatusServiceUnavailable)
		case admitted:
			next.ServeHTTP(w, r)
		case a.TokenFile == "":
			http.Error(w, "log in at the proxy before this server", http.StatusForbidden)
		case strings.Contains(r.Header.Get("Accept"), "text/html"):
			http.Redirect(w, r, "/login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		default:
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "a token is needed: Authorization: Bearer …, or /login", http.StatusUnauthorized)
		}
	})
}

func (a Access) admits(r *http.Request) (bool, error) {
	if a.byProxy(r) {
		return true, nil
	}
	if a.TokenFile == "" {
		return false, nil
	}
	token, err := a.token()
	if err != nil {
		return false, err
	}
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return same(strings.TrimSpace(bearer), token), nil
	}
	cookie, err := r.Cookie(cookieName)
	if errors.Is(err, http.ErrNoCookie) {
		return false, nil
	}
	return validCookie(cookie.Value, token, time.Now()), nil
}

// byProxy reports whether a proxy that is trusted says who this is.
func (a Access) byProxy(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || strings.TrimSpace(r.Header.Get(a.UserHeader)) == "" {
		return false
	}
	addr := from.Addr().Unmap()
	return slices.ContainsFunc(a.Proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// same compares in a time that tells nothing, not even about the length.
func same(x, y string) bool {
	a, b := sha256.Sum256([]byte(x)), sha256.Sum256([]byte(y))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// makeCookie says until when somebody is logged in, signed with the token: who
// steals it has the pages for hours, and not the token; a renewed token ends it.
func makeCookie(token string, until time.Time) string {
	stamp := strconv.FormatInt(until.Unix(), 10)
	return stamp + "." + cookieMAC(token, stamp)
}

func validCookie(value, token string, now time.Time) bool {
	stamp, mac, _ := strings.Cut(value, ".")
	until, err := strconv.ParseInt(stamp, 10, 64)
	return err == nil && now.Unix() < until && same(mac, cookieMAC(token, stamp))
}

func cookieMAC(token, stamp string) string {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("cookie until " + stamp))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

//go:embed login.html
var loginHTML string

var loginPage = template.Must(template.New("login").Parse(loginHTML))

// showLogin shows the form; login takes what was written in it.
func (s Site) showLogin(w http.ResponseWriter, r *http.Request) {
	s.loginForm(w, r.URL.Query().Get("next"), http.StatusOK, "")
}

func (s Site) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, longestForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form cannot be read", http.StatusBadRequest)
		return
	}
	token, err := s.Access.token()
	if err != nil {
		http.Error(w, "nobody can log in now: the log says why", http.StatusServiceUnavailable)
		return
	}
	next := r.PostForm.Get("next")
	if !same(strings.TrimSpace(r.PostForm.Get("token")), token) {
		s.loginForm(w, next, http.StatusForbidden, "That is not the token.")
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: makeCookie(token, time.Now().Add(cookieAge)), Path: "/", MaxAge: int(cookieAge.Seconds()),
		HttpOnly: true, Secure: s.Access.OverTLS, SameSite: http.SameSiteLaxMode,
	})
	http.Redirect(w, r, localPath(next), http.StatusSeeOther)
}

func (s Site) loginForm(w http.ResponseWriter, next string, code int, problem string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	loginPage.Execute(w, map[string]string{"Campus": s.Campus, "Next": localPath(next), "Problem": problem}) //nolint:errcheck // the client went away
}

// localPath is a page of this site, whatever was asked for.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return cmp.Or(u.RequestURI(), "/")
}
