package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// A mirror has several users: a daemon, and beside it "provost plan" or "provost apply".
// One works on it at a time, and notices what others have made of it meanwhile: go-git
// knows only the packs that were there when it opened the store, and would take a
// reference to what came later for damage.

// lock waits until no other process works on the mirror. The kernel gives the lock back
// with the process, however that dies.
func (m *mirror) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the mirror: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(m.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the mirror: %w", err)
	}
	locked := make(chan error, 1)
	go func() { locked <- flock(file) }()
	select {
	case err := <-locked:
		if err != nil {
			file.Close()
			return nil, fmt.Errorf("cannot lock the mirror: %w", err)
		}
		return func() { file.Close() }, nil
	case <-ctx.Done():
		go func() { <-locked; file.Close() }() // when the other one is done
		return nil, fmt.Errorf("another process works on the mirror: %w", ctx.Err())
	}
}

// flock waits for as long as it takes.
func flock(file *os.File) (err error) {
	for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
	}
	return err
}

// packs are the packs that are there now.
func (m *mirror) packs() []string {
	packs, _ := filepath.Glob(filepath.Join(m.path(), "objects", "pack", "*.pack")) // the pattern is well-formed
	return packs
}

// refresh opens the store anew where another process has changed it.
func (m *mirror) refresh(packs []string) {
	if m.st != nil && !slices.Equal(packs, m.known) {
		m.st = nil
	}
}
