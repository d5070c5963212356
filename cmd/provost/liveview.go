package main

import (
	"cmp"
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

// liveView redraws a few lines: a bar for each system, what waits for what, what
// runs. What else is written to the terminal goes through [liveView.beside] and
// stands above them.
type liveView struct {
	colours palette
	now     func() time.Time

	mu    sync.Mutex // Watch, the log and the clock write at the same time
	w     io.Writer
	doing map[inventory.Key]string
	gauge gauge
	last  reconciler.Progress
	clock *time.Timer // redraws although nothing happens; nil between two applies
	drawn int         // lines on the screen
}

func newLiveView(w io.Writer, colours palette) *liveView {
	return &liveView{w: w, colours: colours, now: time.Now, doing: map[inventory.Key]string{}}
}

const (
	liveRows     = 6           // running changes that are shown
	liveRowsEach = 3           // of one sort
	liveTick     = time.Second // between two pictures while nothing happens
)

func (v *liveView) show(p reconciler.Progress) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if idle(p) {
		return
	}
	follow(v.doing, p.Events)
	v.last = p
	v.redraw()
	if p.Ended() == p.Total {
		// Leave the last picture and go on below it.
		v.clock.Stop()
		v.drawn, v.clock, v.gauge = 0, nil, gauge{}
		clear(v.doing)
	}
}

// redraw is called under the lock.
func (v *liveView) redraw() {
	v.gauge.read(v.last, v.now())
	v.draw(v.picture(v.last))
	if v.clock == nil {
		v.clock = time.AfterFunc(liveTick, v.tick)
	}
	v.clock.Reset(liveTick)
}

func (v *liveView) tick() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.clock != nil {
		v.redraw()
	}
}

func (v *liveView) picture(p reconciler.Progress) []string {
	var lines []string
	for _, s := range p.Systems {
		lines = append(lines, v.bar(p, s))
	}
	lines = append(lines, v.summary(p))
	if p.Ended() == p.Total {
		return lines
	}
	for _, wait := range first(p.Waiting, waitRows) { // above what runs, whose number changes all the time
		lines = append(lines, "  "+v.colours.paint(yellow, oneLine(wait.String())))
	}
	shown := v.examples()
	for _, key := range shown {
		lines = append(lines, fmt.Sprintf("  %-40s %s", oneLine(string(key)), v.doing[key]))
	}
	if more := len(v.doing) - len(shown); more > 0 {
		lines = append(lines, fmt.Sprintf("  … and %d more", more))
	}
	return lines
}

// examples are some of what runs, a few of each sort, by key.
func (v *liveView) examples() []inventory.Key {
	var some []inventory.Key
	sort := map[string]int{}
	for _, key := range slices.Sorted(maps.Keys(v.doing)) {
		verb, _, _ := strings.Cut(v.doing[key], " ")
		if sort[verb]++; sort[verb] <= liveRowsEach && len(some) < liveRows {
			some = append(some, key)
		}
	}
	return some
}

// bar reads "cri [████████····]  80/240  12 a minute".
func (v *liveView) bar(p reconciler.Progress, s reconciler.Share) string {
	const cells = 32
	name, digits := 0, len(fmt.Sprint(p.Total))
	for _, other := range p.Systems {
		name = max(name, len(other.System))
	}
	full := cells * s.Ended() / s.Total
	text := fmt.Sprintf("%-*s [%s%s] %*d/%d", name, s.System, v.colours.paint(green, strings.Repeat("█", full)), strings.Repeat("·", cells-full), digits, s.Done, s.Total)
	if rate := v.gauge.rate(s); rate > 0 && s.Ended() < s.Total {
		text += "  " + perTime(rate)
	}
	return text
}

// perTime reads "12 a minute" or "33 a second".
func perTime(rate float64) string {
	if rate >= 2 {
		return fmt.Sprintf("%.0f a second", rate)
	}
	return fmt.Sprintf("%.0f a minute", rate*60)
}

// summary reads "1m12s, about 40s left, 16 cloning, 8 starting, 2 failed".
func (v *liveView) summary(p reconciler.Progress) string {
	text := v.gauge.elapsed().String() + v.gauge.rest(p)
	verbs := map[string]int{}
	if p.Ended() < p.Total {
		for _, words := range v.doing {
			verb, _, _ := strings.Cut(words, " ")
			verbs[verb]++
		}
	}
	for _, verb := range slices.SortedFunc(maps.Keys(verbs), func(a, b string) int {
		return cmp.Or(cmp.Compare(verbs[b], verbs[a]), cmp.Compare(a, b))
	}) {
		text += fmt.Sprintf(", %d %s", verbs[verb], verb)
	}
	for _, c := range counts(p.Tally) {
		if c.colour != plain {
			text += ", " + v.colours.paint(c.colour, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	return text
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
