package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// pauseFile stands in the state directory while the daemon must apply nothing.
// A file, because it outlives the daemon and needs no login to it.
type pauseFile string

func (state pauseFile) path() string { return filepath.Join(string(state), "paused") }

// reason is what the person who paused wrote, or "" when nothing is paused. A
// file that cannot be read pauses: somebody wanted to be safe.
func (state pauseFile) reason() string {
	text, err := os.ReadFile(state.path())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ""
	case err != nil:
		return "the pause file cannot be read"
	}
	return cmp.Or(strings.TrimSpace(string(text)), "by an administrator")
}

func pauseCommand() command {
	return command{
		name: "pause", summary: "keep the daemon from applying anything",
		help: `Pause keeps the daemon of the same state directory from applying anything, from
its next change on, until 'provost resume'. It goes on reading, planning and
writing statuses. Changes that run are finished.

Example:
  provost pause --config provost.yaml --reason "exams until Friday"`,
		setup: func(flags *flag.FlagSet) action {
			config := configFlag(flags)
			reason := flags.String("reason", "", "`TEXT` that statuses show")
			return func(_ context.Context, t *terminal, _ []string) (int, error) {
				c, err := readConfig(*config)
				if err != nil {
					return exitError, err
				}
				if err := os.MkdirAll(c.State, 0o700); err != nil {
					return exitError, fmt.Errorf("cannot pause: %w", err)
				}
				if err := os.WriteFile(pauseFile(c.State).path(), []byte(*reason+"\n"), 0o600); err != nil {
					return exitError, fmt.Errorf("cannot pause: %w", err)
				}
				fmt.Fprintln(t.out, "paused; 'provost resume' goes on")
				return exitOK, nil
			}
		},
	}
}

func resumeCommand() command {
	return command{
		name: "resume", summary: "let the daemon apply again",
		help: `Resume ends 'provost pause'. The daemon's next pass applies what waits.

Example:
  provost resume --config provost.yaml`,
		setup: func(flags *flag.FlagSet) action {
			config := configFlag(flags)
			return func(_ context.Context, t *terminal, _ []string) (int, error) {
				c, err := readConfig(*config)
				if err != nil {
					return exitError, err
				}
				err = os.Remove(pauseFile(c.State).path())
				if errors.Is(err, fs.ErrNotExist) {
					fmt.Fprintln(t.out, "it was not paused")
					return exitOK, nil
				}
				if err != nil {
					return exitError, fmt.Errorf("cannot resume: %w", err)
				}
				fmt.Fprintln(t.out, "resumed")
				return exitOK, nil
			}
		},
	}
}
