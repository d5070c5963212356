package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/untrusted"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

// hostilePass has a text wherever a pass has room for somebody else's.
func hostilePass(text string) *reconciler.Pass {
	key := inventory.Key("cri/guest/" + text)
	owner := inventory.Owner{Campus: "isima", File: text, Unit: "cohort/" + text, Student: text}
	before := &inventory.Resource{Key: key, Owner: owner, Attrs: inventory.Attrs{text: text, "retired": text, "retain": text}}
	after := &inventory.Resource{Key: key, Owner: owner, Attrs: inventory.Attrs{text: text + "!", "retired": ""}}
	pass := &reconciler.Pass{
		ID: text, Commit: text, Branch: text, Subject: text, Author: text, Error: text, Stage: reconciler.StageDone,
		Refused:    []reconciler.Refusal{{Commit: text, Reason: text}},
		Unknown:    []inventory.Unknown{{Prefix: key, Reason: text}},
		Problems:   []projects.Problem{{File: text, Line: 1, Column: 1, Message: text, Hint: text, Excerpt: text, Owner: owner}},
		Violations: []reconciler.Violation{{Rule: text, Title: text, Level: reconciler.LevelDeny, Message: text, Owner: owner}},
		Results: []reconciler.Result{
			{Outcome: inventory.Outcome{Key: key, State: inventory.StateFailed, Error: text}, Action: inventory.Create, Owner: owner},
			{Outcome: inventory.Outcome{Key: key}, Action: inventory.Create, Owner: owner, Blocked: text},
		},
	}
	pass.Plan.Held = &plan.Held{Count: 1, Hash: text}
	pass.Plan.Kept = []plan.Kept{{Key: key, Owner: owner, Since: text, Until: text}}
	for _, action := range []inventory.Action{inventory.Create, inventory.Update, inventory.Replace, inventory.Delete, inventory.Adopt} {
		s := plan.Step{Change: inventory.Change{Key: key, Action: action, Before: before, After: after, Fields: []string{text, "owner", "key", "retired"}, Owner: owner}}
		s.Gate, s.Reason, s.Note = plan.GateGuard, text, text
		if action == inventory.Create {
			s.Before = nil
		}
		if action == inventory.Delete {
			s.After = nil
		}
		pass.Plan.Steps = append(pass.Plan.Steps, s)
	}
	return pass
}

// What a terminal shows is lines of text, whatever the campus holds.
func TestUntrustedTextsOnATerminal(t *testing.T) {
	lines := 0
	for _, u := range untrusted.Texts() {
		pass := hostilePass(u.Text)
		var out bytes.Buffer
		printPlan(&out, pass)
		printResults(&out, pass)
		printStatuses(&out, u.Text, []reconciler.Status{{Context: reconciler.ContextPlan, State: reconciler.StatusFailed, Description: u.Text}})
		(&lineView{w: &out, now: time.Now, tenths: -1}).show(hostileProgress(u.Text))
		for _, line := range (&liveView{now: time.Now, doing: map[inventory.Key]string{inventory.Key("cri/guest/" + u.Text): oneLine(u.Text)}}).picture(hostileProgress(u.Text)) {
			out.WriteString(line + "\n")
		}
		command{name: "plan", setup: failing(u.Text)}.run(t.Context(), &terminal{out: &out, err: &out}, nil)
		if r := untrusted.Obeyed(out.String()); r >= 0 {
			t.Errorf("%s: %U reaches the terminal", u.Name, r)
		}
		// The pass is the same, and a problem's excerpt may have lines of its own.
		pass.Problems = nil
		out.Reset()
		printPlan(&out, pass)
		if n := strings.Count(out.String(), "\n"); lines == 0 {
			lines = n
		} else if n != lines {
			t.Errorf("%s: %d lines, others have %d", u.Name, n, lines)
		}
	}
}

// failing is a command that ends with an error.
func failing(text string) func(*flag.FlagSet) action {
	return func(*flag.FlagSet) action {
		return func(context.Context, *terminal, []string) (int, error) {
			return exitError, errors.New("cannot: " + text)
		}
	}
}

func hostileProgress(text string) reconciler.Progress {
	return reconciler.Progress{
		Tally:   reconciler.Tally{Total: 4, Done: 1, Running: 1},
		Systems: []reconciler.Share{{System: "cri", Tally: reconciler.Tally{Total: 4, Done: 1, Running: 1}}},
		Waiting: []reconciler.Wait{{Count: 2, Changes: text, For: text}},
	}
}

// A record of the log is one line, and holds what was logged.
func TestUntrustedTextsInLogs(t *testing.T) {
	for _, u := range untrusted.Texts() {
		for _, format := range []string{"text", "json"} {
			var out bytes.Buffer
			log, err := logFlags{format, "debug"}.open(&out)
			if err != nil {
				t.Fatal(err)
			}
			log.Info("a pass", "key", u.Text, "error", errors.New(u.Text), slog.Group("of", "owner", u.Text))
			line := strings.TrimSuffix(out.String(), "\n")
			if r := untrusted.Obeyed(line); r >= 0 || strings.Contains(line, "\n") {
				t.Errorf("%s, %s: %U reaches whoever reads the log", u.Name, format, r)
			}
			if strings.Count(line, "level=") > 1+2*strings.Count(u.Text, "level=")*2 || strings.Contains(line, "\ntime=") {
				t.Errorf("%s, %s: a line was forged", u.Name, format)
			}
			var read struct{ Key, Error string }
			if format == "json" && (json.Unmarshal([]byte(line), &read) != nil || read.Key != strings.ToValidUTF8(u.Text, "\ufffd") && !strings.Contains(u.Name, "UTF-8") && !strings.Contains(u.Name, "pair")) {
				t.Errorf("%s: the log says %q", u.Name, read.Key)
			}
		}
	}
}
