package web

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	cookieName  = "provost"
	cookieAge   = 12 * time.Hour
	longestForm = 4 << 10 // bytes
)

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
		s.Log.Error("nobody can be let in to the pages", "error", err)
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
