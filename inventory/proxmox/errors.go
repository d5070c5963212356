package proxmox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/provost-dev/provost/inventory"
)

// apiError is a request that was refused or not answered.
type apiError struct {
	method, path string
	token        string
	exchange
}

// Error is "cannot POST /nodes/pve1/lxc/100/clone: 500 CT is locked (disk)".
func (e *apiError) Error() string {
	at := "cannot " + e.method + " " + strings.TrimSuffix(e.path, "?purge=1")
	switch {
	case e.err != nil:
		return at + ": " + e.err.Error()
	case e.status == 401:
		return fmt.Sprintf("%s: the token %s is not accepted: 401 %s", at, e.token, e.text())
	default:
		return fmt.Sprintf("%s: %d %s", at, e.status, e.text())
	}
}

// Unwrap lets a caller see that its own context ended.
func (e *apiError) Unwrap() error { return e.err }

// text is the message, or the reason phrase (all there was before 2025), with
// the errors of single parameters.
func (e *apiError) text() string {
	text := strings.TrimSpace(e.body.Message)
	if text == "" {
		text = e.reason
	}
	for _, name := range slices.Sorted(maps.Keys(e.body.Errors)) {
		text += "; " + name + ": " + strings.Join(strings.Fields(e.body.Errors[name]), " ")
	}
	return truncate(text, 500)
}

// lost reports that the request may have been done although no answer came, or none
// of the node that it was for: of a node that it reached and lost, PVE's proxy says
// 596 to 599, and another one before it 502 or 504.
func (e *apiError) lost() bool {
	between := e.status >= 596 && e.status <= 599 || e.status == 502 || e.status == 504
	return e.sent && (e.err != nil || between && e.method != http.MethodGet)
}

// taskError is a task that ended badly.
type taskError struct {
	upid upid
	exit string
	log  []string // its last lines, the exit status left out
}

func (e *taskError) Error() string {
	text := fmt.Sprintf("cannot finish task %s on %s: %s", e.upid.kind(), e.upid.node(), truncate(e.exit, 500))
	if len(e.log) > 0 {
		text += " (log: " + strings.Join(e.log, " | ") + ")"
	}
	return text
}

// verdict is an error whose state is known where it arises.
type verdict struct {
	state inventory.State
	text  string
}

func (v *verdict) Error() string { return v.text }

func retryf(format string, args ...any) error {
	return &verdict{inventory.StateRetry, fmt.Sprintf(format, args...)}
}

func failf(format string, args ...any) error {
	return &verdict{inventory.StateFailed, fmt.Sprintf(format, args...)}
}

func unknownf(format string, args ...any) error {
	return &verdict{inventory.StateUnknown, fmt.Sprintf(format, args...)}
}

// stateOf judges how a change ended.
func stateOf(err error) inventory.State {
	var v *verdict
	var a *apiError
	var t *taskError
	switch {
	case err == nil:
		return inventory.StateDone
	case errors.As(err, &v):
		return v.state
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return inventory.StateUnknown
	case errors.As(err, &a):
		return a.state()
	case errors.As(err, &t) && containsAny(t.exit, diedTexts):
		return inventory.StateUnknown
	case errors.As(err, &t) && transient(t.exit):
		return inventory.StateRetry
	}
	return inventory.StateFailed
}

func (e *apiError) state() inventory.State {
	switch {
	case e.lost():
		return inventory.StateUnknown
	case e.err != nil:
		return inventory.StateRetry
	case e.status < 500 && e.status != 429, e.status == 501:
		return inventory.StateFailed
	case transient(e.text()) || !final(e.text()):
		return inventory.StateRetry
	}
	return inventory.StateFailed
}

// transientTexts are what PVE says when trying again may help: locks, a lost
// worker, a configuration that somebody else changed meanwhile.
var transientTexts = []string{
	"got timeout", "is locked", "can't lock", "got no worker upid", "interrupted by signal",
	"detected modified configuration", "checksum mismatch", "already exists", "file exists",
	"connection refused", "connection timed out", "received interrupt", "cluster not ready", "no quorum",
}

// diedTexts are how PVE says that a task ended without a word, as with its node: its
// log has no last line that tells how.
var diedTexts = []string{"unexpected status", "unable to open file", "unable to read tail", "unable to extract last line"}

// finalTexts are refusals that PVE wraps into a 500 although they will stand.
var finalTexts = []string{
	"does not exist", "not allowed", "is not available", "unable to modify read-only option",
	"only possible from a snapshot", "unable to clone mountpoint", "no options specified",
	"can't remove", "protection mode enabled", "does not support", "unable to shrink", "shrinking disks",
	"unable to parse", "still in use", "not enough", "no space left", "out of space", "insufficient free space", "quota exceeded",
}

func transient(text string) bool { return containsAny(text, transientTexts) }
func final(text string) bool     { return containsAny(text, finalTexts) }

func containsAny(text string, parts []string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(text, p) })
}

// says reports whether PVE refused with one of the texts, at once or in the task.
func says(err error, parts ...string) bool {
	var a *apiError
	var t *taskError
	switch {
	case errors.As(err, &a):
		return a.err == nil && containsAny(a.text(), parts)
	case errors.As(err, &t):
		return containsAny(t.exit, parts)
	}
	return false
}

// taken reports that somebody has the VMID already. A clone onto a container's
// VMID ends in "close (rename) atomic file … failed: File exists".
func taken(err error) bool { return says(err, "already exists", "file exists") }

// gone reports that the guest is not there (any more).
func gone(err error) bool {
	return says(err, ".conf' does not exist", "unable to find configuration file", "no such vm", "no such ct")
}

// forbidden reports a missing right. PVE looks for it before it looks for the
// guest: with rights on pools only, a VMID that nobody has is forbidden too.
func forbidden(err error) bool {
	var a *apiError
	return errors.As(err, &a) && a.err == nil && a.status == 403
}

func isLost(err error) bool {
	var a *apiError
	return errors.As(err, &a) && a.lost()
}
