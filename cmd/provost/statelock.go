package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockState keeps two daemons from sharing a state directory. The kernel drops
// the lock with the process, however it dies.
func lockState(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot use the state directory: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot use the state directory: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another daemon runs on %s: stop it, or give this one a state directory and a campus of its own", dir)
		}
		return nil, fmt.Errorf("cannot lock the state directory: %w", err)
	}
	// Its process number, for people: the lock itself is the kernel's.
	if err := writePID(file); err != nil {
		file.Close()
		return nil, fmt.Errorf("cannot lock the state directory: %w", err)
	}
	return func() { file.Close() }, nil
}

func writePID(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := fmt.Fprintln(file, os.Getpid())
	return err
}
