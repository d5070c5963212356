package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// A mirror has several users: a daemon, and beside it "provost plan" or "provost apply".
// One works on it at a time, and notices what others have made of it meanwhile: go-git
// knows only the packs that were there when it opened the store, and would take a
// reference to what came later for damage.

// lockGap is between two looks at a lock that another process holds, for so long as a
// fetch takes.
const lockGap = 20 * time.Millisecond

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
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			file.Close()
			return nil, fmt.Errorf("cannot lock the mirror: %w", err)
		}
		select {
		case <-time.After(lockGap):
		case <-ctx.Done():
			file.Close()
			return nil, fmt.Errorf("another process works on the mirror: %w", ctx.Err())
		}
	}
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
