// Package webhook takes the forges' word that something was pushed, and makes a
// poll of it.
//
// A hook is a hint and nothing else: what it says is logged, what is true is
// read from the repository. So a hook that is forged, late, repeated or lost
// costs at most a poll. It is authenticated nevertheless, and before it is
// parsed, because a poll is work.
//
// GitLab signs with a token in clear, or (newer) as Standard Webhooks do;
// GitHub, Gitea and Forgejo sign the body. One secret serves all of them. To add
// a forge, add a line to the table of authenticate.
//
// The package refuses to start anything but the function it was given, and to
// say in its answers why a signature is wrong.
package webhook

import (
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	maxBody = 1 << 20 // bytes; more than a push of 20 commits takes, and forges list no more
	maxSeen = 1000    // hooks remembered; beyond it a repetition costs a poll
)

// Handler is the address that a forge calls.
type Handler struct {
	secretFile string
	trigger    func()
	log        *slog.Logger
	now        func() time.Time

	mu   sync.Mutex
	seen map[[sha256.Size]byte]time.Time // of a webhook-id → when it came
}

// New gives a handler that calls trigger for each authentic hook. trigger must
// return at once: forges wait 10 s and then stop calling. The secret is read
// anew from its file for each hook, so that a renewed one is used at once.
func New(secretFile string, trigger func(), log *slog.Logger) *Handler {
	return &Handler{
		secretFile: secretFile,
		trigger:    trigger,
		log:        log,
		now:        time.Now,
		seen:       map[[sha256.Size]byte]time.Time{},
	}
}

// ServeHTTP answers 202 to an authentic hook, 401 to one that is not, 405 to
// what is no POST and 413 to what is too long.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "a webhook is a POST", http.StatusMethodNotAllowed)
		return
	}
	secret, err := h.secret()
	if err != nil {
		h.log.Error("no webhook can be accepted", "error", err)
		http.Error(w, "no webhook can be accepted now", http.StatusServiceUnavailable)
		return
	}
	if !promising(r.Header, secret) { // nothing is read from who cannot know the secret
		h.refuse(w, r)
		return
	}
	body, err := read(w, r)
	if errors.As(err, new(*http.MaxBytesError)) {
		http.Error(w, "the webhook is longer than 1 MiB", http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		http.Error(w, "the webhook did not arrive whole", http.StatusBadRequest)
		return
	}
	if !authentic(r.Header, body, secret, h.now()) {
		h.refuse(w, r)
		return
	}
	if h.repeated(r.Header.Get("Webhook-Id")) {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	e := decode(r.Header, body)
	h.log.Info("webhook", "event", e.kind, "ref", e.ref)
	if e.kind != kindPing {
		h.trigger()
	}
	w.WriteHeader(http.StatusAccepted)
}

func (h *Handler) refuse(w http.ResponseWriter, r *http.Request) {
	h.log.Warn("a webhook was refused: its signature is missing or wrong", "from", r.RemoteAddr)
	http.Error(w, "the webhook's secret is missing or wrong: compare it with the file in webhook: secret_file:", http.StatusUnauthorized)
}

// read gives the body; of one that says to be too long nothing is read.
func read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > maxBody {
		return nil, &http.MaxBytesError{Limit: maxBody}
	}
	return io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
}

func (h *Handler) secret() ([]byte, error) {
	data, err := os.ReadFile(h.secretFile)
	if err != nil {
		return nil, errors.New("cannot read the webhook's secret file: " + err.Error())
	}
	secret := strings.TrimSpace(string(data))
	if secret == "" {
		return nil, errors.New("the webhook's secret file is empty")
	}
	return []byte(secret), nil
}

// repeated reports whether a hook with this ID came already. Where there is no
// ID, a repetition costs a poll. IDs are forgotten when their signatures would
// be too old to be accepted again.
func (h *Handler) repeated(id string) bool {
	if id == "" {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	for old, at := range h.seen {
		if now.Sub(at) > 2*tolerance {
			delete(h.seen, old)
		}
	}
	key := sha256.Sum256([]byte(id)) // an ID may be as long as a header
	_, again := h.seen[key]
	if len(h.seen) >= maxSeen {
		clear(h.seen)
	}
	h.seen[key] = now
	return again
}
