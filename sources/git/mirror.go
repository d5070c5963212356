package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

const (
	// maxPacks is where a mirror is cloned again: each fetch leaves a pack, and
	// go-git's repacking breaks a store that is open.
	maxPacks = 1000
	// restBetweenClones keeps a repository that is damaged on its server from
	// being cloned again in each pass.
	restBetweenClones = 10 * time.Minute
)

// mirror is a bare copy of a repository on a server, in dir/mirror.git.
type mirror struct {
	dir    string
	server server
	log    *slog.Logger

	st    *filesystem.Storage // nil until it is needed
	known []string            // the packs that it has
	mends time.Time           // when damage was last mended by cloning again
}

func (m *mirror) path() string { return filepath.Join(m.dir, "mirror.git") }

func (m *mirror) read(ctx context.Context, want []plumbing.ReferenceName, use func(store, refs) error) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	defer func() { m.known = m.packs() }()
	err = m.try(ctx, want, use)
	if !errors.As(err, new(*damage)) || ctx.Err() != nil || time.Since(m.mends) < restBetweenClones {
		return err
	}
	m.log.Warn("the mirror is damaged; cloning again", "mirror", m.path(), "error", err)
	m.mends = time.Now()
	if err := m.remove(); err != nil {
		return err
	}
	return m.try(ctx, want, use)
}

func (m *mirror) try(ctx context.Context, want []plumbing.ReferenceName, use func(store, refs) error) error {
	if err := m.open(); err != nil {
		return err
	}
	if len(want) == 0 {
		return use(m.st, nil)
	}
	at, err := fetch(ctx, m.server, m.st, want, func(pack io.Reader) error {
		return storePack(m.st, m.dir, pack)
	})
	if err != nil {
		return err
	}
	for _, name := range want {
		if err := m.remember(name, at[name]); err != nil {
			return err
		}
	}
	return use(m.st, at)
}

// remember sets a reference of the mirror. They are kept only to tell the
// server what need not be sent again, also after a restart; so requests, which
// come and go, are not.
func (m *mirror) remember(name plumbing.ReferenceName, hash plumbing.Hash) error {
	if hash.IsZero() || !name.IsBranch() && !name.IsNote() {
		return nil
	}
	if err := m.st.HasEncodedObject(hash); err != nil {
		return broken(name.String(), err)
	}
	if name.IsBranch() {
		name = plumbing.NewRemoteReferenceName("origin", name.Short())
	}
	if err := m.st.SetReference(plumbing.NewHashReference(name, hash)); err != nil {
		return broken("the mirror", err)
	}
	return nil
}

func (m *mirror) write(ctx context.Context, st store, ref plumbing.ReferenceName, old, new plumbing.Hash, objects []plumbing.Hash) error {
	return push(ctx, m.server, st, ref, old, new, objects)
}

// open opens the mirror, and makes an empty one where there is none to use.
func (m *mirror) open() error {
	packs := m.packs()
	if len(packs) > maxPacks {
		m.log.Info("the mirror has many packs; cloning again", "mirror", m.path(), "packs", len(packs))
		if err := m.remove(); err != nil {
			return err
		}
	}
	if m.refresh(packs); m.st != nil {
		return nil
	}
	if err := os.MkdirAll(m.path(), 0o700); err != nil {
		return fmt.Errorf("cannot make the mirror: %w", err)
	}
	m.sweep()
	m.st = m.storage()
	_, err := gogit.Open(m.st, nil)
	if err == nil {
		return nil
	}
	if !errors.Is(err, gogit.ErrRepositoryNotExists) {
		m.log.Warn("the mirror is damaged; cloning again", "mirror", m.path(), "error", err)
	}
	if err := m.remove(); err != nil {
		return err
	}
	m.st = m.storage()
	if _, err := gogit.Init(m.st, nil); err != nil {
		return fmt.Errorf("cannot make the mirror in %s: %w", m.path(), err)
	}
	return nil
}

func (m *mirror) storage() *filesystem.Storage {
	return filesystem.NewStorage(osfs.New(m.path()), cache.NewObjectLRUDefault())
}

// sweep removes what a killed process left half received.
func (m *mirror) sweep() {
	for _, pattern := range []string{
		filepath.Join(m.dir, "incoming-*.pack"),
		filepath.Join(m.path(), "objects", "pack", "tmp_pack_*"),
	} {
		left, _ := filepath.Glob(pattern) // the patterns are well-formed
		for _, file := range left {
			_ = os.Remove(file) // it costs only room
		}
	}
}

func (m *mirror) remove() error {
	m.st = nil
	if err := os.RemoveAll(m.path()); err != nil {
		return fmt.Errorf("cannot remove the damaged mirror: %w", err)
	}
	return nil
}

// haves are commits of the mirror to tell a server of: the newest of each
// reference and enough before them to find common ground after a rewrite.
func haves(st store) ([]plumbing.Hash, error) {
	const perReference = 100
	iter, err := st.IterReferences()
	if err != nil {
		return nil, broken("the mirror's references", err)
	}
	var out []plumbing.Hash
	err = iter.ForEach(func(ref *plumbing.Reference) error {
		if ref.Type() != plumbing.HashReference || strings.HasSuffix(ref.Name().String(), ".lock") {
			return nil
		}
		commit, err := object.GetCommit(st, ref.Hash())
		if err != nil {
			return err
		}
		n := 0
		return object.NewCommitPreorderIter(commit, nil, nil).ForEach(func(c *object.Commit) error {
			out = append(out, c.Hash)
			if n++; n == perReference {
				return storer.ErrStop
			}
			return nil
		})
	})
	if err != nil {
		return nil, broken("the mirror's history", err)
	}
	return out, nil
}
