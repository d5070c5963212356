package main

import (
	"io"
	"os"
)

// colour is the number of an ANSI foreground colour; plain is none.
type colour string

const (
	plain  colour = ""
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
)

// palette colours words, or leaves them as they are: colours are for people at
// a terminal who have not set NO_COLOR (no-color.org).
type palette bool

func paletteFor(w io.Writer) palette {
	return palette(isTerminal(w) && os.Getenv("NO_COLOR") == "")
}

func (p palette) paint(c colour, s string) string {
	if !p || c == plain {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[m"
}

// isTerminal reports whether w is a terminal that can redraw lines.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	// The other device that output is often sent to.
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
