package main

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
)

// logFlags are the flags of every command that logs.
type logFlags struct {
	format string
	level  string
}

// addLogFlags declares them. What a person runs logs less than what runs by itself.
func addLogFlags(flags *flag.FlagSet, level string) *logFlags {
	l := &logFlags{}
	flags.StringVar(&l.format, "log-format", "text", "log in `FORMAT`: text or json")
	flags.StringVar(&l.level, "log-level", level, "log from `LEVEL` on: debug, info, warn, error")
	return l
}

// open makes the logger that the flags ask for.
func (l logFlags) open(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.level)); err != nil {
		return nil, fmt.Errorf("--log-level: %q is not debug, info, warn or error", l.level)
	}
	options := &slog.HandlerOptions{Level: level}
	switch l.format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fmt.Errorf("--log-format: %q is not text or json", l.format)
}
