package main

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"
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

// escaped writes JSON with escapes in place of what a terminal would obey: outside
// of strings JSON holds nothing of the kind but the end of the record.
type escaped struct{ w io.Writer }

func (e escaped) Write(record []byte) (int, error) {
	var b strings.Builder
	for _, r := range string(record) {
		if unicode.IsPrint(r) || r == '\n' || r > 0xffff {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	if _, err := io.WriteString(e.w, b.String()); err != nil {
		return 0, err
	}
	return len(record), nil
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
		return slog.New(slog.NewJSONHandler(escaped{w}, options)), nil
	}
	return nil, fmt.Errorf("--log-format: %q is not text or json", l.format)
}
