package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/provost-dev/provost/sources"
)

// Error is a request to a forge that did not do what was asked.
type Error struct {
	Doing  string        // "cannot list merge requests of campus/infra"
	Status int           // what the forge answered; 0 when there was no answer
	After  time.Duration // how long the forge asks to wait; 0 when it does not say
	Detail string        // what the forge or the network said, on one line and without the token

	ended error // the context's error, when it ended
}

func (e *Error) Error() string {
	text := e.Doing + ": "
	if e.Status != 0 {
		text += fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
		if e.Detail != "" {
			text += ": "
		}
	}
	text += e.Detail
	if e.After > 0 {
		text += fmt.Sprintf(" (wait %s)", e.After)
	}
	return text
}

// Unwrap gives the context's error, when the request failed because it ended.
func (e *Error) Unwrap() error { return e.ended }

// busy says whether the forge only asks to come again: another write of that
// commit goes on, or there were too many requests.
func (e *Error) busy() bool {
	return e.Status == http.StatusConflict || e.Status == http.StatusTooManyRequests
}

// permanent says whether the same request would fail the same way again.
func (e *Error) permanent() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusConflict, http.StatusTooManyRequests:
		return false
	}
	return e.Status >= 300 && e.Status < 500
}

// Permanent says whether trying again cannot mend an error of a forge: the token
// has no right, the project or the commit is not known, the status is refused.
// Such an error also bears the mark of sources.Permanent.
func Permanent(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.permanent()
}

const longestDetail = 400 // characters

// Fail makes the error for a failed request out of what a library gave: the
// answer, nil when there was none, and its error.
func (c *Client) Fail(ctx context.Context, doing string, answer *http.Response, err error) error {
	e := &Error{Doing: doing, Detail: c.clean(err.Error()), ended: ctx.Err()}
	if answer != nil {
		e.Status = answer.StatusCode
		e.After = retryAfter(answer.Header, time.Now())
	}
	// A 2xx with an error is an answer that could not be read: no verdict.
	if e.Status >= 200 && e.Status < 300 {
		e.Status = 0
	}
	// GitHub says "too many" by 403.
	if e.Status == http.StatusForbidden && e.After > 0 {
		e.Status = http.StatusTooManyRequests
	}
	if e.permanent() {
		return sources.Permanent(e)
	}
	return e
}

// clean takes the token and all that is not text out of what a server said.
func (c *Client) clean(text string) string {
	if token, err := c.config.token(); err == nil {
		text = strings.ReplaceAll(text, token, "[token]")
	}
	return Shorten(text, longestDetail)
}

// Shorten puts a text on one line of at most n characters.
func Shorten(text string, n int) string {
	line := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if runes := []rune(line); len(runes) > n {
		return strings.TrimRight(string(runes[:n-1]), " ") + "…"
	}
	return line
}

// retryAfter is how long the headers ask to wait. An exhausted GitHub limit
// counts until its reset.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		return max(0, time.Duration(min(seconds, 24*60*60))*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	if h.Get("X-RateLimit-Remaining") == "0" {
		if reset, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64); err == nil {
			return max(time.Second, time.Unix(reset, 0).Sub(now).Round(time.Second))
		}
	}
	return 0
}
