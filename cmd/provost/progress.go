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
	return &lineView{w: w, tenths: -1}
}

// lineView prints when another tenth of the work has ended.
type lineView struct {
	w      io.Writer
	tenths int // -1 before the first line of an apply
}

func (v *lineView) beside(w io.Writer) io.Writer { return w }

func (v *lineView) show(p reconciler.Progress) {
	if idle(p) {
		return
	}
	if tenths := 10 * ended(p) / p.Total; tenths > v.tenths {
		fmt.Fprintln(v.w, summary(p))
		v.tenths = tenths
	}
	if ended(p) == p.Total {
		v.tenths = -1
	}
}

// idle reports whether there is nothing to watch: no change that may be tried.
func idle(p reconciler.Progress) bool { return p.Done+p.Failed+p.Running+len(p.Waiting) == 0 }

func ended(p reconciler.Progress) int { return p.Done + p.Failed + p.Blocked }

// summary reads "120/240 done, 6 running; 12 wait for cri/template/9000".
func summary(p reconciler.Progress) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d/%d done", p.Done, p.Total)
	for _, count := range []struct {
		n    int
		what string
	}{{p.Running, "running"}, {p.Failed, "failed"}, {p.Blocked, "blocked"}} {
		if count.n > 0 {
			fmt.Fprintf(&b, ", %d %s", count.n, count.what)
		}
	}
	for _, what := range longest(p.Waiting, 3) {
		b.WriteString("; " + waiting(p.Waiting[what], what))
	}
	return b.String()
}

// waiting says what n changes wait for: other changes, named by their kinds, a
// claim, named by its key, or the pause after a failed attempt.
func waiting(n int, what string) string {
	switch {
	case what == "another try":
		return fmt.Sprintf("%d will be tried again", n)
	case !strings.Contains(what, "/") && n == 1:
		what = "its " + what
	case !strings.Contains(what, "/"):
		what = "their " + what
	}
	if n == 1 {
		return "1 waits for " + what
	}
	return fmt.Sprintf("%d wait for %s", n, what)
}

// longest are the n things that most changes wait for.
func longest(waiting map[string]int, n int) []string {
	names := slices.SortedFunc(maps.Keys(waiting), func(a, b string) int {
		return cmp.Or(cmp.Compare(waiting[b], waiting[a]), cmp.Compare(a, b))
	})
	return names[:min(n, len(names))]
}

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
