package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

// signs stand before each action, in its colour.
var signs = map[inventory.Action]struct {
	sign   string
	colour colour
}{
	inventory.Create: {"+", green}, inventory.Update: {"~", yellow}, inventory.Replace: {"±", red},
	inventory.Delete: {"-", red}, inventory.Adopt: {">", green},
}

// printPlan is the plan for a person: what changes, from what to what, for
// whom, and what blocks it.
func printPlan(w io.Writer, pass *reconciler.Pass) {
	colours := paletteFor(w)
	for _, r := range pass.Refused {
		fmt.Fprintf(w, "%s commit %.12s: %s\n", colours.paint(red, "not believed:"), oneLine(r.Commit), oneLine(r.Reason))
	}
	for _, p := range pass.Problems {
		printProblem(w, p)
	}
	for _, u := range pass.Unknown {
		fmt.Fprintf(w, "%s %s: %s\n", colours.paint(red, "not read:"), oneLine(string(u.Prefix)), oneLine(u.Reason))
	}
	why := ""
	for _, s := range pass.Plan.Steps {
		printStep(w, colours, s, why)
		why = s.Note
	}
	for _, v := range pass.Violations {
		printViolation(w, colours, v)
	}
	if pass.Error != "" {
		fmt.Fprintln(w, colours.paint(red, oneLine(pass.Error)))
	}
	for _, d := range pass.Plan.Drift {
		printDrift(w, colours, d)
	}
	for _, q := range pass.Plan.Pending {
		if q.Reboot == "" {
			fmt.Fprintf(w, "%s %s  (%s)  takes %s at its next start\n", colours.paint(yellow, "≠"), oneLine(string(q.Key)), oneLine(q.Owner.String()), oneLine(q.Options))
		}
	}
	for _, k := range pass.Plan.Kept {
		printKept(w, colours, k)
	}
	if pass.Plan.Held != nil {
		printHeld(w, colours, *pass.Plan.Held)
	}
	counts := pass.Plan.Count()
	if len(pass.Plan.Steps) == 0 {
		fmt.Fprintln(w, nothingToChange(pass))
		return
	}
	fmt.Fprintf(w, "\n%d to create, %d to update, %d to replace, %d to adopt, %d to delete; %d blocked.\n",
		counts.Actions[inventory.Create], counts.Actions[inventory.Update], counts.Actions[inventory.Replace],
		counts.Actions[inventory.Adopt], counts.Actions[inventory.Delete], len(pass.Plan.BlockedSteps()))
}

// printHeld says how what the guard or a rule holds back can be let go.
func printHeld(w io.Writer, colours palette, h plan.Held) {
	if h.By != "" {
		fmt.Fprintf(w, "%s %d changes that would be held back (%s)\n", colours.paint(yellow, "approved by "+oneLine(h.By)+":"), h.Count, oneLine(h.Hash))
		return
	}
	fmt.Fprintf(w, "%s %d changes; to let exactly these go:\n    provost approve %s\n", colours.paint(yellow, "held back:"), h.Count, oneLine(h.Hash))
}

// printDrift shows a field that is not as declared though no commit asked for
// that. What a step corrects is shown by the step; it says here whose doing it is.
func printDrift(w io.Writer, colours palette, d plan.Drifted) {
	end := "stays as it is"
	if d.Corrected {
		end = "is corrected"
	}
	what := fmt.Sprintf("%s is %q, declared %q, and %s", d.Field, d.Live, d.Declared, end)
	if d.Field == plan.Existence {
		what = "it was there, and is made again"
	}
	fmt.Fprintf(w, "%s %s  (%s)  drifted: %s\n", colours.paint(yellow, "≠"), oneLine(string(d.Key)), oneLine(d.Owner.String()), what)
}

// printKept shows a machine that nothing declares and that is kept for a while.
func printKept(w io.Writer, colours palette, k plan.Kept) {
	until := "until its mark names a day that can be read"
	if k.Until != "" {
		until = "until " + oneLine(k.Until)
	}
	fmt.Fprintf(w, "%s %s  (%s)  retired %s, kept %s\n", colours.paint(yellow, "="), oneLine(string(k.Key)),
		oneLine(k.Owner.String()), oneLine(k.Since), until)
}

// nothingToChange does not say that all is well when not all could be read.
func nothingToChange(pass *reconciler.Pass) string {
	if len(pass.Errors()) > 0 || len(pass.Unknown) > 0 || pass.Error != "" {
		return "Nothing to change in what could be read."
	}
	if len(pass.Plan.Reported()) > 0 {
		return fmt.Sprintf("Nothing to change: %d machines are as declared, but for what drifted: 'provost apply' corrects that.", pass.Machines)
	}
	return fmt.Sprintf("Nothing to change: %d machines are as declared.", pass.Machines)
}

func printViolation(w io.Writer, colours palette, v reconciler.Violation) {
	level := yellow
	if v.Level == reconciler.LevelDeny {
		level = red
	}
	fmt.Fprintf(w, "%s %s (%s)\n", colours.paint(level, string(v.Level)+":"), oneLine(v.Message), oneLine(v.Rule))
}

// printStep leaves out why a step is there where that was just said of the one before.
func printStep(w io.Writer, colours palette, s plan.Step, said string) {
	sign := signs[s.Action]
	fmt.Fprintf(w, "%s %s", colours.paint(sign.colour, sign.sign), oneLine(string(s.Key)))
	if owner := s.Owner.String(); owner != "" {
		fmt.Fprintf(w, "  (%s)", oneLine(owner))
	}
	switch {
	case s.Action == inventory.Replace:
		fmt.Fprint(w, "  "+colours.paint(red, "REPLACED: its disk is lost"))
	case plan.Purges(s.Change):
		fmt.Fprint(w, "  "+colours.paint(red, "PURGED: retired "+value(s.Before, inventory.AttrRetired)+", and its days are over"))
	case plan.Retires(s.Change):
		fmt.Fprint(w, "  "+colours.paint(yellow, "RETIRED: "+oneLine(s.Note)))
	}
	fmt.Fprintln(w)
	if s.Note != "" && s.Note != said && !plan.Retires(s.Change) {
		fmt.Fprintf(w, "    why: %s\n", oneLine(s.Note))
	}
	if s.Before != nil && s.After != nil {
		for _, field := range s.Fields {
			fmt.Fprintf(w, "    %s: %s → %s\n", oneLine(field), value(s.Before, field), value(s.After, field))
		}
	}
	if s.Blocked() {
		fmt.Fprintf(w, "    %s %s\n", colours.paint(yellow, fmt.Sprintf("blocked (%s):", s.Gate)), oneLine(s.Reason))
	}
}

func value(r *inventory.Resource, field string) string {
	switch field {
	case "owner":
		if r.Owner.IsZero() {
			return "nobody"
		}
		return oneLine(fmt.Sprintf("%s in %s", r.Owner, r.Owner.File))
	case "key":
		return oneLine(string(r.Key))
	}
	if v := r.Attrs[field]; v != "" {
		return oneLine(v)
	}
	return "none"
}

// printProblem shows an error where its author will look for it.
func printProblem(w io.Writer, p projects.Problem) {
	if place := p.Place(); place != "" {
		fmt.Fprint(w, oneLine(place)+": ")
	}
	if p.Warning {
		fmt.Fprint(w, "warning: ")
	}
	fmt.Fprintln(w, oneLine(p.Message))
	if p.Excerpt != "" {
		for line := range strings.SplitSeq(strings.TrimRight(p.Excerpt, "\n"), "\n") {
			fmt.Fprintf(w, "    %s\n", oneLine(line))
		}
	}
	if p.Hint != "" {
		fmt.Fprintf(w, "    %s\n", oneLine(p.Hint))
	}
}

// oneLine keeps what other systems and files said from breaking the output's
// lines or driving the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}
