package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// tolerance is how old or early a signed timestamp may be.
const tolerance = 5 * time.Minute

// authentic reports whether a hook comes from somebody who knows the secret. Of
// the ways in which forges prove that, the first one that is tried decides: the
// better ones stand first.
func authentic(h http.Header, body, secret []byte, now time.Time) bool {
	ways := []struct {
		header string
		check  func(value string) bool
	}{
		{"Webhook-Signature", func(v string) bool { return standard(h, v, body, secret, now) }}, // GitLab, newer
		{"X-Hub-Signature-256", func(v string) bool { // GitHub, Gitea, Forgejo
			digest, ok := strings.CutPrefix(v, "sha256=")
			return ok && signs(digest, body, secret)
		}},
		{"X-Gitea-Signature", func(v string) bool { return signs(v, body, secret) }},
		{"X-Forgejo-Signature", func(v string) bool { return signs(v, body, secret) }},
		{tokenHeader, func(v string) bool { return same([]byte(v), secret) }},
	}
	for _, way := range ways {
		if value := h.Get(way.header); value != "" {
			return way.check(value)
		}
	}
	return false
}

// tokenHeader holds the secret itself, as GitLab has always sent it.
const tokenHeader = "X-Gitlab-Token"

// promising reports whether a hook may be authentic, as far as its headers say. A
// token alone decides; a signature can be checked when the body is there.
func promising(h http.Header, secret []byte) bool {
	for _, signature := range []string{"Webhook-Signature", "X-Hub-Signature-256", "X-Gitea-Signature", "X-Forgejo-Signature"} {
		if h.Get(signature) != "" {
			return true
		}
	}
	return same([]byte(h.Get(tokenHeader)), secret)
}

// same compares in a time that tells nothing, not even about the length.
func same(a, b []byte) bool {
	x, y := sha256.Sum256(a), sha256.Sum256(b)
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func signs(hexDigest string, body, secret []byte) bool {
	digest, err := hex.DecodeString(hexDigest)
	return err == nil && hmac.Equal(digest, sum(secret, body))
}

// standard checks a signature as standardwebhooks.com describes it: base64 of
// the HMAC of "id.timestamp.body", under "v1,"; several stand side by side while
// a secret is renewed. Secrets that begin with "whsec_" are base64 themselves.
func standard(h http.Header, value string, body, secret []byte, now time.Time) bool {
	id, stamp := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if id == "" || err != nil {
		return false
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > tolerance || age < -tolerance {
		return false
	}
	if coded, ok := strings.CutPrefix(string(secret), "whsec_"); ok {
		if raw, err := base64.StdEncoding.DecodeString(coded); err == nil {
			secret = raw
		}
	}
	want := sum(secret, []byte(id+"."+stamp+"."), body)
	for signature := range strings.FieldsSeq(value) {
		coded, ok := strings.CutPrefix(signature, "v1,")
		if !ok {
			continue
		}
		if digest, err := base64.StdEncoding.DecodeString(coded); err == nil && hmac.Equal(digest, want) {
			return true
		}
	}
	return false
}

func sum(secret []byte, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, secret)
	for _, part := range parts {
		mac.Write(part)
	}
	return mac.Sum(nil)
}
