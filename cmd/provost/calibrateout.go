package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// presetOut is where the preset goes. A file is begun before anything is timed, so
// that nobody learns after an hour that it cannot be written, and takes its name when
// it is whole.
type presetOut struct {
	io.Writer
	file *os.File // nil for standard output
	name string
}

func (c *calibration) openOut(w io.Writer) (*presetOut, error) {
	if c.out == "" {
		return &presetOut{Writer: w}, nil
	}
	file, err := os.CreateTemp(filepath.Dir(c.out), ".preset-*")
	if err != nil {
		return nil, fmt.Errorf("--out: cannot write there: %w", err)
	}
	return &presetOut{file, file, c.out}, nil
}

func (o *presetOut) keep() error {
	if o.file == nil {
		return nil
	}
	err := errors.Join(o.file.Chmod(0o644), o.file.Close(), os.Rename(o.file.Name(), o.name))
	if err != nil {
		return fmt.Errorf("cannot write the preset: %w", err)
	}
	o.file = nil
	return nil
}

// discard leaves nothing of what was not kept.
func (o *presetOut) discard() {
	if o.file != nil {
		o.file.Close()
		os.Remove(o.file.Name())
	}
}

// calibrateAlone keeps other calibrations from the state directory until the file is
// closed, or the process gone. So whatever carries its mark then is left over.
func calibrateAlone(state string) (*os.File, error) {
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, fmt.Errorf("cannot use the state directory: %w: run this as the daemon's user", err)
	}
	file, err := os.OpenFile(filepath.Join(state, "calibrating"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot use the state directory: %w: run this as the daemon's user", err)
	}
	switch err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = errors.New("cannot calibrate: another 'provost calibrate' is at work with this configuration")
		return nil, errors.Join(err, file.Close())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("cannot lock the state directory: %w", err), file.Close())
	}
	return file, nil
}

// trialBy says in the marks which of such locks holds: the machine's and the directory's.
func trialBy(state string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "a machine without a name"
	}
	if path, err := filepath.Abs(state); err == nil {
		state = path
	}
	return host + ":" + state
}
