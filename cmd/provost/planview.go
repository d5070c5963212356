package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

var signs = map[inventory.Action]string{
	inventory.Create: "+", inventory.Update: "~", inventory.Replace: "±", inventory.Delete: "-", inventory.Adopt: ">",
}

// printPlan is the plan for a person: what changes, from what to what, for
// whom, and what blocks it.
func printPlan(w io.Writer, pass *reconciler.Pass) {
	for _, p := range pass.Problems {
		printProblem(w, p)
	}
	for _, u := range pass.Unknown {
		fmt.Fprintf(w, "not read: %s: %s\n", u.Prefix, oneLine(u.Reason))
	}
	for _, s := range pass.Plan.Steps {
		printStep(w, s)
	}
	for _, v := range pass.Violations {
		fmt.Fprintf(w, "%s: %s (%s)\n", v.Level, oneLine(v.Message), v.Rule)
	}
	if pass.Error != "" {
		fmt.Fprintln(w, oneLine(pass.Error))
	}
	counts := pass.Plan.Count()
	if len(pass.Plan.Steps) == 0 {
		fmt.Fprintf(w, "Nothing to change: %d machines are as declared.\n", pass.Machines)
		return
	}
	fmt.Fprintf(w, "\n%d to create, %d to update, %d to replace, %d to adopt, %d to delete; %d blocked.\n",
		counts.Actions[inventory.Create], counts.Actions[inventory.Update], counts.Actions[inventory.Replace],
		counts.Actions[inventory.Adopt], counts.Actions[inventory.Delete], len(pass.Plan.BlockedSteps()))
}

func printStep(w io.Writer, s plan.Step) {
	fmt.Fprintf(w, "%s %s", signs[s.Action], s.Key)
	if owner := s.Owner.String(); owner != "" {
		fmt.Fprintf(w, "  (%s)", owner)
	}
	if s.Action == inventory.Replace {
		fmt.Fprint(w, "  REPLACED: its disk is lost")
	}
	fmt.Fprintln(w)
	if s.Before != nil && s.After != nil {
		for _, field := range s.Fields {
			fmt.Fprintf(w, "    %s: %s → %s\n", field, value(s.Before, field), value(s.After, field))
		}
	}
	if s.Blocked() {
		fmt.Fprintf(w, "    blocked (%s): %s\n", s.Gate, oneLine(s.Reason))
	}
}

func value(r *inventory.Resource, field string) string {
	switch field {
	case "owner":
		if r.Owner.IsZero() {
			return "nobody"
		}
		return fmt.Sprintf("%s in %s", r.Owner, r.Owner.File)
	case "key":
		return string(r.Key)
	}
	if v := r.Attrs[field]; v != "" {
		return oneLine(v)
	}
	return "none"
}

// printProblem shows an error where its author will look for it.
func printProblem(w io.Writer, p projects.Problem) {
	if place := p.Place(); place != "" {
		fmt.Fprint(w, place+": ")
	}
	if p.Warning {
		fmt.Fprint(w, "warning: ")
	}
	fmt.Fprintln(w, oneLine(p.Message))
	if p.Excerpt != "" {
		fmt.Fprintf(w, "    %s\n", strings.ReplaceAll(strings.TrimRight(p.Excerpt, "\n"), "\n", "\n    "))
	}
	if p.Hint != "" {
		fmt.Fprintf(w, "    %s\n", oneLine(p.Hint))
	}
}

// oneLine keeps what other systems and files said from breaking the output's
// lines or driving the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) {
			return ' '
		}
		return r
	}, s)
}
