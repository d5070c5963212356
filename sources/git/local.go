package git

import (
	"context"
	"errors"
	"fmt"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/storage"
)

// local is a repository on this machine. It is opened anew for each read,
// because what is open does not see the packs that others add or remove.
type local struct {
	path string
}

func (l *local) read(ctx context.Context, _ []plumbing.ReferenceName, use func(store, refs) error) error {
	err := l.try(use)
	// A repack or a gc between opening and reading takes packs away; what is
	// opened afterwards finds the new ones.
	if errors.As(err, new(*damage)) && ctx.Err() == nil {
		return l.try(use)
	}
	return err
}

func (l *local) try(use func(store, refs) error) error {
	repo, err := l.open()
	if err != nil {
		return err
	}
	iter, err := repo.Storer.IterReferences()
	if err != nil {
		return fmt.Errorf("cannot list its references: %w", err)
	}
	found := refs{}
	err = iter.ForEach(func(ref *plumbing.Reference) error {
		if ref.Type() == plumbing.HashReference {
			found[ref.Name()] = ref.Hash()
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot list its references: %w", err)
	}
	return use(repo.Storer, found)
}

func (l *local) open() (*gogit.Repository, error) {
	repo, err := gogit.PlainOpenWithOptions(l.path, &gogit.PlainOpenOptions{EnableDotGitCommonDir: true})
	if errors.Is(err, gogit.ErrRepositoryNotExists) {
		return nil, errors.New("there is no git repository: make one by git init --bare")
	}
	return repo, err
}

func (l *local) write(_ context.Context, st store, ref plumbing.ReferenceName, old, new plumbing.Hash, _ []plumbing.Hash) error {
	if old.IsZero() { // which go-git does not look at
		if _, err := st.Reference(ref); !errors.Is(err, plumbing.ErrReferenceNotFound) {
			return errMoved
		}
		return st.SetReference(plumbing.NewHashReference(ref, new))
	}
	err := st.CheckAndSetReference(plumbing.NewHashReference(ref, new), plumbing.NewHashReference(ref, old))
	if errors.Is(err, storage.ErrReferenceHasChanged) {
		return errMoved
	}
	return err
}
