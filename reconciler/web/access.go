package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
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

const shortestToken = 20

// open reports whether everybody is let in.
func (a Access) open() bool { return a.TokenFile == "" && len(a.Proxies) == 0 }

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

// admitted lets in who may see the pages, and tells others how.
func (s Site) admitted(next http.Handler) http.Handler {
	a := s.Access
	if a.open() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch ok, err := a.admits(r); {
		case err != nil:
			s.Log.Error("nobody can be let in to the pages", "error", err)
			http.Error(w, "the pages cannot be shown now: the log says why", http.StatusServiceUnavailable)
		case ok:
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
