package sources

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/provost-dev/provost/reconciler"
)

// Directory is a [Forge] that knows who is who.
type Directory interface {
	// Members are the logins of everybody in a group, or a team, as the forge
	// writes its name.
	Members(ctx context.Context, group string) ([]string, error)
	// Pushers are the logins of those who moved a branch, by a push or by the
	// merge button, by the commit that it was moved to; at least back to the one
	// that moved it to since, as far as the forge still tells.
	Pushers(ctx context.Context, branch, since string) (map[string]string, error)
}

const (
	keepMembers = 5 * time.Minute  // who leaves a group is let in no longer
	keepFailure = 30 * time.Second // a forge that is down is not asked for each request
)

// People answers who belongs to what and who pushed what, out of a forge. It
// remembers the members of a group for some minutes.
type People struct {
	directory Directory // nil: the forge does not know

	mu     sync.Mutex
	groups map[string]membership
}

var _ reconciler.Directory = (*People)(nil)

type membership struct {
	logins  map[string]bool // in small letters: no forge tells ada from Ada
	err     error
	expires time.Time
}

// NewPeople asks a forge, as far as it is a [Directory].
func NewPeople(forge Forge) *People {
	directory, _ := forge.(Directory)
	return &People{directory: directory, groups: map[string]membership{}}
}

var errNoDirectory = errors.New("there is no forge that could tell")

// Belongs reports whether somebody is in a group. It never answers from what was
// known before the forge stopped answering.
func (p *People) Belongs(ctx context.Context, login, group string) (bool, error) {
	if p.directory == nil {
		return false, errNoDirectory
	}
	p.mu.Lock()
	m, ok := p.groups[group]
	p.mu.Unlock()
	if !ok || time.Now().After(m.expires) {
		m = p.ask(ctx, group)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		p.mu.Lock()
		p.groups[group] = m
		p.mu.Unlock()
	}
	return m.logins[strings.ToLower(login)], m.err
}

func (p *People) ask(ctx context.Context, group string) membership {
	logins, err := p.directory.Members(ctx, group)
	if err != nil {
		return membership{err: fmt.Errorf("cannot tell who is in %s: %w", group, err), expires: time.Now().Add(keepFailure)}
	}
	m := membership{logins: make(map[string]bool, len(logins)), expires: time.Now().Add(keepMembers)}
	for _, login := range logins {
		m.logins[strings.ToLower(login)] = true
	}
	return m
}

// Pushers are those who moved a branch, by the commit that it was moved to.
func (p *People) Pushers(ctx context.Context, branch, since string) (map[string]string, error) {
	if p.directory == nil {
		return nil, nil
	}
	return p.directory.Pushers(ctx, branch, since)
}
