package git

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"
	"golang.org/x/crypto/ssh/knownhosts"
)

// errMoved says that a reference was moved by somebody else meanwhile.
var errMoved = errors.New("somebody else moved it meanwhile")

// damage is an error of the objects at hand rather than of the server: another
// copy of them may do.
type damage struct {
	what string
	err  error
}

func (d *damage) Error() string { return fmt.Sprintf("cannot read %s: %v", d.what, d.err) }
func (d *damage) Unwrap() error { return d.err }

func broken(what string, err error) error { return &damage{what: what, err: err} }

// said is an error with what a server said in it, which may be a whole web
// page, cut to what a person reads.
type said struct{ error }

func (s said) Error() string {
	text := []rune(strings.Join(strings.Fields(s.error.Error()), " "))
	if len(text) > 300 {
		return string(text[:300]) + "…"
	}
	return string(text)
}

func (s said) Unwrap() error { return s.error }

// explain tells people what failed on which repository and what to do about it.
func (r *Repository) explain(verb string, err error) error {
	if hint := r.hint(err); hint != "" {
		return fmt.Errorf("cannot %s %s: %s: %w", verb, r.name, hint, said{err})
	}
	return fmt.Errorf("cannot %s %s: %w", verb, r.name, said{err})
}

func (r *Repository) hint(err error) string {
	var key *knownhosts.KeyError
	var cert *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.As(err, &key) && len(key.Want) == 0:
		return "the server's host key is not in known_hosts_file: ask who runs it for its fingerprint, then add it"
	case errors.As(err, &key):
		return "the server shows another host key than known_hosts_file says: ask who runs it before trusting it"
	case errors.As(err, &cert):
		return "its certificate is not trusted: name the authority that signed it in ca_file"
	case errors.Is(err, transport.ErrAuthenticationRequired):
		return "the server does not accept the login: check token_file (is the token expired?)"
	case errors.Is(err, transport.ErrAuthorizationFailed):
		return "the token lacks the right: reading needs read_repository, notes need write_repository"
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return "no such repository, or the login may not see it: check url and token_file"
	case errors.Is(err, errLogin):
		return "check ssh_key_file and user"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("the server did not answer in %s; it is asked again at the next poll", r.cfg.Timeout)
	}
	return ""
}
