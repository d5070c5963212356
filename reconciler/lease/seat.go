package lease

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Seat is a state directory, on which processes of one machine take turns: who
// makes a pass holds a lock on a file in it. The file also says who had the last
// turn, so that a daemon asks anew whether its term stands only after another
// process, such as "provost apply", was there.
type Seat struct {
	// ID is the same for all processes that such a lock keeps apart, and for no
	// others: it is drawn from the file itself and from the boot of the machine, so
	// that a copy of the directory, or a copy of the whole machine, is another seat.
	ID string

	file *os.File
	me   string
}

// lookAgain is how soon a lock is tried again that another process holds.
const lookAgain = 100 * time.Millisecond

// OpenSeat takes a seat on a state directory.
func OpenSeat(dir string) (*Seat, error) {
	file, err := os.OpenFile(filepath.Join(dir, "turn"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot use the state directory: %w", err)
	}
	s := &Seat{ID: rand.Text(), file: file, me: rand.Text()}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("cannot use the state directory: %w", err)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && err == nil {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", boot, stat.Dev, stat.Ino))
		s.ID = hex.EncodeToString(sum[:8])
	}
	return s, nil
}

// Close leaves the seat. A child that this process is just starting has the file,
// too, for a moment: so the lock is given back by word, and not by closing alone.
func (s *Seat) Close() error {
	s.flock(syscall.LOCK_UN) //nolint:errcheck // it is ours, or not held
	return s.file.Close()
}

// take waits for the lock, and says whether another process has had it since this
// one did.
func (s *Seat) take(ctx context.Context, waiting func()) (release func(), others bool, err error) {
	for {
		err := s.flock(syscall.LOCK_EX | syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, false, fmt.Errorf("cannot lock the state directory: %w", err)
		}
		waiting()
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
	release = func() { s.flock(syscall.LOCK_UN) } //nolint:errcheck // it is ours
	others, err = s.sign()
	if err != nil {
		release()
		return nil, false, fmt.Errorf("cannot write in the state directory: %w", err)
	}
	return release, others, nil
}

// flock asks for the lock or gives it back. A turn may end while the seat is left:
// Control keeps the descriptor from being closed, and given to another file, meanwhile.
func (s *Seat) flock(how int) error {
	conn, err := s.file.SyscallConn()
	if err != nil {
		return err
	}
	var locked error
	if err := conn.Control(func(fd uintptr) { locked = syscall.Flock(int(fd), how) }); err != nil {
		return err
	}
	return locked
}

// sign notes that this process had the turn.
func (s *Seat) sign() (others bool, err error) {
	last := make([]byte, 64)
	n, _ := s.file.ReadAt(last, 0)
	if strings.TrimSpace(string(last[:n])) == s.me {
		return false, nil
	}
	if err := s.file.Truncate(0); err != nil {
		return false, err
	}
	_, err = s.file.WriteAt([]byte(s.me+"\n"), 0)
	return true, err
}
