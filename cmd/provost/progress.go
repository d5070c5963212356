package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler"
)

// newProgress shows an apply to a person: redrawn in place on a terminal, a
// line for every tenth of the work otherwise. The function it returns is for
// [reconciler.Reconciler.Watch].
func newProgress(w io.Writer) func(reconciler.Progress) {
	if isTerminal(w) {
		return (&liveView{w: w, doing: map[inventory.Key]string{}}).show
	}
	return (&lineView{w: w, tenths: -1}).show
}

// lineView prints when another tenth of the work has ended.
type lineView struct {
	w      io.Writer
	total  int
	tenths int
}

func (v *lineView) show(p reconciler.Progress) {
	if p.Total == 0 {
		return
	}
	if p.Total != v.total {
		v.total, v.tenths = p.Total, -1
	}
	if tenths := 10 * ended(p) / p.Total; tenths > v.tenths {
		v.tenths = tenths
		fmt.Fprintln(v.w, summary(p))
	}
}

func ended(p reconciler.Progress) int { return p.Done + p.Failed + p.Blocked }

// summary reads "120/240 done, 6 running; 12 wait for cri/template/9000".
func summary(p reconciler.Progress) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d/%d done, %d running", p.Done, p.Total, p.Running)
	if p.Failed > 0 {
		fmt.Fprintf(&b, ", %d failed", p.Failed)
	}
	if p.Blocked > 0 {
		fmt.Fprintf(&b, ", %d blocked", p.Blocked)
	}
	for _, what := range longest(p.Waiting, 3) {
		fmt.Fprintf(&b, "; %d wait for %s", p.Waiting[what], what)
	}
	return b.String()
}

// longest are the n things that most changes wait for.
func longest(waiting map[string]int, n int) []string {
	names := slices.SortedFunc(maps.Keys(waiting), func(a, b string) int {
		return cmp.Or(cmp.Compare(waiting[b], waiting[a]), cmp.Compare(a, b))
	})
	return names[:min(n, len(names))]
}

// liveView redraws a few lines: a bar, what runs, what is waited for.
type liveView struct {
	w     io.Writer
	doing map[inventory.Key]string
	drawn int // lines on the screen
}

const (
	liveRows  = 6
	liveWidth = 78
)

func (v *liveView) show(p reconciler.Progress) {
	if p.Total == 0 {
		return
	}
	for _, e := range p.Events {
		switch inventory.State(e.Text) {
		case inventory.StateDone, inventory.StateFailed, inventory.StateRetry, inventory.StateUnknown:
			delete(v.doing, e.Key)
		default:
			v.doing[e.Key] = e.Text
		}
	}
	lines := []string{bar(p)}
	for _, key := range slices.Sorted(maps.Keys(v.doing)) {
		if len(lines) > liveRows {
			lines = append(lines, fmt.Sprintf("  … and %d more", len(v.doing)-liveRows))
			break
		}
		lines = append(lines, fmt.Sprintf("  %-36s %s", key, oneLine(v.doing[key])))
	}
	for _, what := range longest(p.Waiting, 3) {
		lines = append(lines, fmt.Sprintf("  %d wait for %s", p.Waiting[what], what))
	}
	v.draw(lines)
	if ended(p) == p.Total {
		v.drawn = 0 // leave the last picture and go on below it
		clear(v.doing)
	}
}

func (v *liveView) draw(lines []string) {
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", v.drawn)
	}
	for _, line := range lines {
		runes := []rune(line)
		fmt.Fprintf(&b, "\x1b[2K%s\n", string(runes[:min(len(runes), liveWidth)]))
	}
	b.WriteString("\x1b[J")
	v.drawn = len(lines)
	io.WriteString(v.w, b.String()) //nolint:errcheck // a closed terminal stops nobody
}

func bar(p reconciler.Progress) string {
	const cells = 24
	full := cells * ended(p) / p.Total
	text := fmt.Sprintf("[%s%s] %d/%d", strings.Repeat("█", full), strings.Repeat("·", cells-full), p.Done, p.Total)
	if p.Failed > 0 {
		text += fmt.Sprintf(", %d failed", p.Failed)
	}
	if p.Blocked > 0 {
		text += fmt.Sprintf(", %d blocked", p.Blocked)
	}
	return text
}
