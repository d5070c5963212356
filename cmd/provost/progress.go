package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler"
)

// progress shows an apply to a person.
type progress interface {
	// show is for [reconciler.Reconciler.Watch].
	show(reconciler.Progress)
	// beside is a writer to the same terminal that does not tear the picture.
	beside(w io.Writer) io.Writer
}

// newProgress redraws a picture in place on a terminal, and prints a line for
// every tenth of the work otherwise.
func newProgress(w io.Writer) progress {
	if isTerminal(w) {
		return newLiveView(w, paletteFor(w))
	}
	return &lineView{w: w, now: time.Now, tenths: -1}
}

// lineView prints when another tenth of the work has ended.
type lineView struct {
	w      io.Writer
	now    func() time.Time
	gauge  gauge
	tenths int // -1 before the first line of an apply
}

func (v *lineView) beside(w io.Writer) io.Writer { return w }

func (v *lineView) show(p reconciler.Progress) {
	if idle(p) {
		return
	}
	v.gauge.read(p, v.now())
	if tenths := 10 * p.Ended() / p.Total; tenths > v.tenths {
		fmt.Fprintln(v.w, v.line(p))
		v.tenths = tenths
	}
	if p.Ended() == p.Total {
		v.tenths, v.gauge = -1, gauge{}
	}
}

// line reads "cri 120/240, ad 60/60 after 12s, about 14s left, 6 running; 12
// clones wait for template 9000: fan-out 2/8".
func (v *lineView) line(p reconciler.Progress) string {
	var parts []string
	for _, s := range p.Systems {
		parts = append(parts, fmt.Sprintf("%s %d/%d", s.System, s.Done, s.Total))
	}
	text := strings.Join(parts, ", ") + " after " + v.gauge.elapsed().String() + v.gauge.rest(p)
	for _, count := range counts(p.Tally) {
		text += fmt.Sprintf(", %d %s", count.n, count.what)
	}
	for _, wait := range first(p.Waiting, waitRows) {
		text += "; " + oneLine(wait.String())
	}
	return text
}

// waitRows is how many sorts of waiting changes are told of.
const waitRows = 3

func first[T any](list []T, n int) []T { return list[:min(n, len(list))] }

type count struct {
	n      int
	what   string
	colour colour
}

// counts are those worth a word.
func counts(t reconciler.Tally) []count {
	var some []count
	for _, c := range []count{{t.Running, "running", plain}, {t.Failed, "failed", red}, {t.Blocked, "blocked", yellow}} {
		if c.n > 0 {
			some = append(some, c)
		}
	}
	return some
}

// idle reports whether there is nothing to watch: no change that may be tried.
func idle(p reconciler.Progress) bool { return p.Blocked == p.Total }

// follow keeps the book of what runs: each change's last word, until it ends.
func follow(doing map[inventory.Key]string, events []inventory.Event) {
	for _, e := range events {
		switch inventory.State(e.Text) {
		case inventory.StateDone, inventory.StateFailed, inventory.StateRetry, inventory.StateUnknown:
			delete(doing, e.Key)
		default:
			// A task's number is for the log.
			text, _, _ := strings.Cut(e.Text, ": task UPID:")
			doing[e.Key] = oneLine(text)
		}
	}
}
