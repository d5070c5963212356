package git

import (
	"context"
	"errors"
	"fmt"
	"strings"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/storage"
)

// local is a repository on this machine. It is opened anew for each read,
// because what is open does not see the packs that others add or remove.
type local struct {
	path string
}

func (l *local) read(ctx context.Context, want []plumbing.ReferenceName, use func(store, refs) error) error {
	err := l.try(want, use)
	// A repack or a gc between opening and reading takes packs away; what is
	// opened afterwards finds the new ones.
	if errors.As(err, new(*damage)) && ctx.Err() == nil {
		return l.try(want, use)
	}
	return err
}

func (l *local) try(want []plumbing.ReferenceName, use func(store, refs) error) error {
	repo, err := l.open()
	if err != nil {
		return err
	}
	at, err := lookUp(repo.Storer, want)
	if err != nil {
		return fmt.Errorf("cannot list its references: %w", err)
	}
	return use(repo.Storer, at)
}

// lookUp asks for the wanted references one by one. Listing all of them trips
// over the empty lock file of a push that is under way, so that is done only to
// say what there is in the place of one that is missing.
func lookUp(st store, want []plumbing.ReferenceName) (refs, error) {
	at := refs{}
	for _, name := range want {
		ref, err := st.Reference(name)
		if errors.Is(err, plumbing.ErrReferenceNotFound) {
			return all(st)
		}
		if err != nil {
			return nil, err
		}
		at[name] = ref.Hash()
	}
	return at, nil
}

func all(st store) (refs, error) {
	iter, err := st.IterReferences()
	if err != nil {
		return nil, err
	}
	at := refs{}
	err = iter.ForEach(func(ref *plumbing.Reference) error {
		if ref.Type() == plumbing.HashReference && !strings.HasSuffix(ref.Name().String(), ".lock") {
			at[ref.Name()] = ref.Hash()
		}
		return nil
	})
	return at, err
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
