package webhook

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"unicode"
)

// event is what a hook says of itself. It is logged and never acted on.
type event struct {
	kind string
	ref  string // "refs/heads/main", "!12", or ""
}

// The kinds of event, in our words.
const (
	kindPush    = "push"
	kindRequest = "merge_request"
	kindPing    = "ping" // GitHub's word that the hook was set up
	kindOther   = "other"
)

// decode reads an event. Forges name the kind in a header, and put everything
// into bodies of their own shape; what cannot be read is an event of no kind,
// for a hook that was authentic is worth a poll.
func decode(h http.Header, body []byte) event {
	var b struct {
		Ref         string `json:"ref"`
		Number      int    `json:"number"` // GitHub, Gitea
		PullRequest struct {
			Number int `json:"number"`
		} `json:"pull_request"`
		ObjectAttributes struct {
			IID int `json:"iid"` // GitLab
		} `json:"object_attributes"`
	}
	_ = json.Unmarshal(body, &b) // what could be read stands; see above
	e := event{kind: kind(h)}
	switch e.kind {
	case kindPush:
		e.ref = plain(b.Ref)
	case kindRequest:
		for _, n := range []int{b.ObjectAttributes.IID, b.PullRequest.Number, b.Number} {
			if n > 0 {
				e.ref = "!" + strconv.Itoa(n)
				break
			}
		}
	}
	return e
}

func kind(h http.Header) string {
	for _, header := range []string{"X-Gitlab-Event", "X-GitHub-Event", "X-Gitea-Event", "X-Forgejo-Event"} {
		switch strings.ToLower(h.Get(header)) {
		case "":
			continue
		case "push", "push hook", "tag push hook", "create", "delete":
			return kindPush
		case "merge request hook", "pull_request", "pull_request_sync":
			return kindRequest
		case "ping":
			return kindPing
		default:
			return kindOther
		}
	}
	return kindOther
}

// plain makes a word of somebody else's fit for a log.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(s, ""))
	return s[:min(len(s), 200)]
}
