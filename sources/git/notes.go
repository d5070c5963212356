package git

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/provost-dev/provost/reconciler"
)

// notesRef is where verdicts stand. People read them by
//
//	git fetch origin refs/notes/provost:refs/notes/provost
//	git notes --ref=provost show <commit>
const notesRef plumbing.ReferenceName = "refs/notes/provost"

// Notes writes commit statuses as git notes, for repositories without a forge.
// A commit's note holds a line of JSON for each status context; lines that are
// none of ours stay as they are. It needs the right to push refs/notes/provost.
type Notes struct {
	repo *Repository
}

// NewNotes gives the notes of a repository.
func NewNotes(repo *Repository) *Notes { return &Notes{repo: repo} }

// SetStatus writes a status into a commit's note and pushes it. An equal status
// is a no-op. Another writer's notes are merged with, not overwritten.
func (n *Notes) SetStatus(ctx context.Context, commit string, s reconciler.Status) error {
	if !plumbing.IsHash(commit) {
		return fmt.Errorf("cannot write a note: %q is not a commit", commit)
	}
	ctx, release, err := n.repo.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	for range 3 {
		err = n.repo.origin.read(ctx, []plumbing.ReferenceName{notesRef}, func(st store, at refs) error {
			return n.set(ctx, st, at[notesRef], commit, s)
		})
		if !errors.Is(err, errMoved) {
			break
		}
	}
	if err != nil {
		return n.repo.explain("write a note to", err)
	}
	return nil
}

// Statuses reads what a commit's note says; none is no error.
func (n *Notes) Statuses(ctx context.Context, commit string) ([]reconciler.Status, error) {
	ctx, release, err := n.repo.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	var out []reconciler.Status
	err = n.repo.origin.read(ctx, []plumbing.ReferenceName{notesRef}, func(st store, at refs) error {
		_, text, err := readNote(st, at[notesRef], commit)
		out = text.statuses()
		return err
	})
	if err != nil {
		return nil, n.repo.explain("read the notes of", err)
	}
	return out, nil
}

func (n *Notes) set(ctx context.Context, st store, tip plumbing.Hash, commit string, s reconciler.Status) error {
	root, text, err := readNote(st, tip, commit)
	if err != nil {
		return err
	}
	if !text.set(s) {
		return nil
	}
	w := writer{st: st}
	next := w.commit(tip, w.note(root, commit, w.blob(text.bytes())))
	if w.err != nil {
		return fmt.Errorf("cannot prepare the note: %w", w.err)
	}
	return n.repo.origin.write(ctx, st, notesRef, tip, next, w.made)
}

// readNote gives the root of the notes tree, and one commit's note. No notes at
// all, the zero tip, is an empty tree.
func readNote(st store, tip plumbing.Hash, commit string) (*object.Tree, note, error) {
	if tip.IsZero() {
		return &object.Tree{}, note{}, nil
	}
	c, err := object.GetCommit(st, tip)
	if err != nil {
		return nil, note{}, broken(notesRef.String(), err)
	}
	root, err := object.GetTree(st, c.TreeHash)
	if err != nil {
		return nil, note{}, broken(notesRef.String(), err)
	}
	hash, err := findNote(st, root, commit)
	if err != nil || hash.IsZero() {
		return root, note{}, err
	}
	file, err := readFile(st, hash)
	if err != nil {
		return nil, note{}, broken("the note of "+commit, err)
	}
	if file.Refused != "" {
		return nil, note{}, errors.New("the note of " + commit + " " + file.Refused)
	}
	return root, parseNote(file.Data), nil
}

// writer makes objects, and remembers which; it stops at the first error.
type writer struct {
	st   store
	made []plumbing.Hash
	err  error
}

func (w *writer) put(kind plumbing.ObjectType, encode func(plumbing.EncodedObject) error) plumbing.Hash {
	if w.err != nil {
		return plumbing.ZeroHash
	}
	obj := w.st.NewEncodedObject()
	obj.SetType(kind)
	if w.err = encode(obj); w.err != nil {
		return plumbing.ZeroHash
	}
	var hash plumbing.Hash
	hash, w.err = w.st.SetEncodedObject(obj)
	w.made = append(w.made, hash)
	return hash
}

func (w *writer) blob(data []byte) plumbing.Hash {
	return w.put(plumbing.BlobObject, func(obj plumbing.EncodedObject) error {
		out, err := obj.Writer()
		if err != nil {
			return err
		}
		if _, err := out.Write(data); err != nil {
			return err
		}
		return out.Close()
	})
}

func (w *writer) commit(parent, tree plumbing.Hash) plumbing.Hash {
	who := object.Signature{Name: "provost", Email: "provost@localhost", When: time.Now()}
	c := object.Commit{Author: who, Committer: who, Message: "Notes added by provost\n", TreeHash: tree}
	if !parent.IsZero() {
		c.ParentHashes = []plumbing.Hash{parent}
	}
	return w.put(plumbing.CommitObject, c.Encode)
}
