package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler"
)

// liveView redraws a few lines: a bar, what runs, what is waited for. What else
// is written to the terminal goes through [liveView.beside] and stands above them.
type liveView struct {
	colours palette
	now     func() time.Time

	mu    sync.Mutex // Watch and the log write at the same time
	w     io.Writer
	doing map[inventory.Key]string
	began time.Time // of this apply; zero between two
	drawn int       // lines on the screen
}

func newLiveView(w io.Writer, colours palette) *liveView {
	return &liveView{w: w, colours: colours, now: time.Now, doing: map[inventory.Key]string{}}
}

// liveRows is how many running changes are shown.
const liveRows = 6

func (v *liveView) show(p reconciler.Progress) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if idle(p) {
		return
	}
	if v.began.IsZero() {
		v.began = v.now()
	}
	follow(v.doing, p.Events)
	v.draw(v.picture(p))
	if ended(p) == p.Total {
		// Leave the last picture and go on below it.
		v.drawn, v.began = 0, time.Time{}
		clear(v.doing)
	}
}

func (v *liveView) picture(p reconciler.Progress) []string {
	lines := []string{v.bar(p)}
	if ended(p) == p.Total {
		return lines
	}
	for i, key := range slices.Sorted(maps.Keys(v.doing)) {
		if i == liveRows {
			lines = append(lines, fmt.Sprintf("  … and %d more", len(v.doing)-liveRows))
			break
		}
		lines = append(lines, fmt.Sprintf("  %-40s %s", key, v.doing[key]))
	}
	for _, what := range longest(p.Waiting, 3) {
		lines = append(lines, "  "+waiting(p.Waiting[what], what))
	}
	return lines
}

// bar reads "[████████················] 80/240, 2 failed, 12s".
func (v *liveView) bar(p reconciler.Progress) string {
	const cells = 24
	full := cells * ended(p) / p.Total
	text := fmt.Sprintf("[%s%s] %d/%d", v.colours.paint(green, strings.Repeat("█", full)), strings.Repeat("·", cells-full), p.Done, p.Total)
	if p.Failed > 0 {
		text += ", " + v.colours.paint(red, fmt.Sprintf("%d failed", p.Failed))
	}
	if p.Blocked > 0 {
		text += ", " + v.colours.paint(yellow, fmt.Sprintf("%d blocked", p.Blocked))
	}
	return text + ", " + v.now().Sub(v.began).Round(time.Second).String()
}

// What a terminal is told.
const (
	lineUp    = "\x1b[%dA"
	lineClear = "\x1b[2K"
	restClear = "\x1b[J"
	wrapOff   = "\x1b[?7l" // so that a line is one line, however narrow the window
	wrapOn    = "\x1b[?7h"
)

// draw puts lines where the last picture stood, in one write.
func (v *liveView) draw(lines []string) {
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, lineUp, v.drawn)
	}
	b.WriteString(wrapOff)
	for _, line := range lines {
		b.WriteString(lineClear + line + "\n")
	}
	b.WriteString(wrapOn + restClear)
	v.drawn = len(lines)
	io.WriteString(v.w, b.String()) //nolint:errcheck // a closed terminal stops nobody
}

func (v *liveView) beside(w io.Writer) io.Writer {
	if !isTerminal(w) {
		return w
	}
	return besideView{v, w}
}

// besideView takes the picture away, writes, and leaves the picture to be drawn anew.
type besideView struct {
	v *liveView
	w io.Writer
}

func (b besideView) Write(p []byte) (int, error) {
	b.v.mu.Lock()
	defer b.v.mu.Unlock()
	if b.v.drawn > 0 {
		fmt.Fprintf(b.v.w, lineUp+restClear, b.v.drawn)
		b.v.drawn = 0
	}
	return b.w.Write(p)
}
