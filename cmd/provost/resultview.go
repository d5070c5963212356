package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler"
)

// printResults says what did not become true, and how the pass ended. Nothing
// is said of a pass that had nothing to do.
func printResults(w io.Writer, pass *reconciler.Pass) {
	if len(pass.Results) == 0 {
		return
	}
	colours := paletteFor(w)
	blocked := 0
	for _, r := range pass.Results {
		switch {
		case r.Blocked != "":
			blocked++
		case r.State != inventory.StateDone:
			fmt.Fprintf(w, "%s %s %s: %s\n", colours.paint(red, string(r.State)+":"), r.Action, oneLine(string(r.Key)), oneLine(r.Error))
		}
	}
	fmt.Fprintf(w, "%d changed, %d failed, %d blocked in %s.\n", pass.Changed(), pass.Failed(), blocked, took(pass))
}

func took(pass *reconciler.Pass) time.Duration {
	return pass.Finished.Sub(pass.Started).Round(100 * time.Millisecond)
}

// printStatuses shows what stands on a commit, as its forge shows it.
func printStatuses(w io.Writer, title string, statuses []reconciler.Status) {
	colours := paletteFor(w)
	fmt.Fprintf(w, "\n%s\n", oneLine(title))
	for _, name := range []string{reconciler.ContextValidate, reconciler.ContextPlan, reconciler.ContextPolicy, reconciler.ContextApply} {
		i := slices.IndexFunc(statuses, func(s reconciler.Status) bool { return s.Context == name })
		if i < 0 {
			continue
		}
		s := statuses[i]
		state := colours.paint(stateColours[s.State], fmt.Sprintf("%-8s", s.State))
		fmt.Fprintf(w, "  %-9s %s %s\n", strings.TrimPrefix(name, "provost/"), state, oneLine(s.Description))
	}
}

var stateColours = map[reconciler.StatusState]colour{
	reconciler.StatusSuccess: green, reconciler.StatusFailed: red, reconciler.StatusPending: yellow, reconciler.StatusRunning: yellow,
	reconciler.StatusCanceled: yellow,
}
