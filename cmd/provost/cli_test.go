package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/provost-dev/provost/reconciler"
)

// call runs a command in this process.
func call(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), &terminal{in: strings.NewReader(""), out: &stdout, err: &stderr}, args)
	return code, stdout.String(), stderr.String()
}

func TestHelp(t *testing.T) {
	for _, c := range commands() {
		for _, args := range [][]string{{"help", c.name}, {c.name, "--help"}, {c.name, "-h"}} {
			code, out, errs := call(t, args...)
			if code != exitOK || errs != "" {
				t.Errorf("%v: exit %d, stderr %q", args, code, errs)
			}
			_, example, _ := strings.Cut(out, "\nExample:\n")
			if !strings.Contains(example, "  provost "+c.name) {
				t.Errorf("%v shows no example of %s:\n%s", args, c.name, out)
			}
			if c.summary == "" || !strings.HasPrefix(out, "Usage: provost "+c.name) {
				t.Errorf("%v:\n%s", args, out)
			}
		}
		if _, out, _ := call(t, "help"); !strings.Contains(out, c.name) || !strings.Contains(out, c.summary) {
			t.Errorf("help does not list %s", c.name)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	const ok = "campus: isima\nrepository: {url: /srv/campus.git}\nsystems:\n  cri: {proxmox: {endpoints: [https://pve1:8006], token_file: t}}\n"
	for _, c := range []struct {
		name, text string
		want       []string // all of them in the error
	}{
		{"an unknown key has its line", ok + "nonsense: 1\n", []string{"line 5", "nonsense"}},
		{"an unknown key within", strings.Replace(ok, "token_file", "token_fiel", 1), []string{"line 4", "token_fiel"}},
		{"everything missing at once", "interval: 10ms\nguard: {count: -1}\n", []string{
			"campus: is missing", "repository.url: is missing", "interval: 10ms is too short", "guard: count", "systems: is missing"}},
		{"two forges", ok + "forge: {notes: {}, gitlab: {url: https://gitlab}}\n", []string{"forge: names 2 forges: give one"}},
		{"a wrong mode", strings.Replace(ok, "{proxmox:", "{apply: sometimes, proxmox:", 1), []string{`systems.cri.apply: "sometimes" is not off, manual or auto`}},
		{"a system of no kind", strings.Replace(ok, "{proxmox: {endpoints: [https://pve1:8006], token_file: t}}", "{apply: auto}", 1), []string{"systems.cri: give it proxmox: or windows:"}},
		{"a wrong type", ok + "interval: often\n", []string{"line 5"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := writeFile(t, c.text)
			_, err := readConfig(file)
			for _, want := range append(c.want, file) {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error is %v; want %q in it", err, want)
				}
			}
		})
	}
}

func TestConfigDefaults(t *testing.T) {
	c, err := readConfig(writeFile(t, "campus: isima\nrepository: {url: /srv/campus.git}\nsystems:\n  cri: {proxmox: {}}\n  ad: {apply: auto, windows: {}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	// A new cluster is only looked at, and nothing is deleted, unless somebody says so.
	if s := c.Systems["cri"]; s.Apply != reconciler.ApplyOff || s.Prune {
		t.Errorf("a system without apply: is set to %q, prune %v", s.Apply, s.Prune)
	}
	if c.Systems["ad"].Apply != reconciler.ApplyAuto || c.Guard.Count != 3 || c.Guard.Percent != 10 {
		t.Errorf("configuration is %+v", c)
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "provost.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestLogFlags(t *testing.T) {
	for _, c := range []struct {
		args  []string
		want  string // of a warning's line
		error string
	}{
		{nil, `level=WARN msg=careful`, ""},
		{[]string{"--log-format", "json"}, `"level":"WARN","msg":"careful"`, ""},
		{[]string{"--log-level", "error"}, "", ""},
		{[]string{"--log-level", "loud"}, "", `--log-level: "loud" is not debug, info, warn or error`},
		{[]string{"--log-format", "xml"}, "", `--log-format: "xml" is not text or json`},
	} {
		flags := flag.NewFlagSet("", flag.ContinueOnError)
		logs := addLogFlags(flags, "warn")
		if err := flags.Parse(c.args); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		log, err := logs.open(&out)
		if c.error != "" {
			if err == nil || err.Error() != c.error {
				t.Errorf("%v: error is %v, want %s", c.args, err, c.error)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		log.Info("chatter")
		log.Warn("careful")
		if !strings.Contains(out.String(), c.want) || strings.Contains(out.String(), "chatter") || (c.want == "") != (out.Len() == 0) {
			t.Errorf("%v: logged %q, want %q", c.args, out.String(), c.want)
		}
	}
}

func TestPauseFile(t *testing.T) {
	dir := t.TempDir()
	state := pauseFile(dir)
	if reason := state.reason(); reason != "" {
		t.Errorf("paused from the start: %s", reason)
	}
	for text, want := range map[string]string{"exams until Friday\n": "exams until Friday", "\n": "by an administrator"} {
		if err := os.WriteFile(state.path(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if reason := state.reason(); reason != want {
			t.Errorf("reason is %q, want %q", reason, want)
		}
	}
	// What cannot be read, here because it is a directory, pauses.
	if err := os.Remove(state.path()); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(state.path(), 0o700); err != nil {
		t.Fatal(err)
	}
	if reason := state.reason(); reason != "the pause file cannot be read" {
		t.Errorf("reason is %q", reason)
	}
}

func TestOneDaemonAState(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	unlock, err := lockState(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockState(dir); err == nil || !strings.Contains(err.Error(), "another daemon runs on") {
		t.Errorf("the second lock gave %v", err)
	}
	unlock()
	again, err := lockState(dir)
	if err != nil {
		t.Fatalf("the lock outlived its daemon: %v", err)
	}
	again()
}

// TestPlanCommand runs "provost plan" before and after an apply: 2 with changes,
// 0 without, 1 when something cannot be read; its JSON is a whole pass.
func TestPlanCommand(t *testing.T) {
	t.Parallel()
	w := startWorld(t, 2)
	config, err := w.Configure("127.0.0.1:1", "1h")
	if err != nil {
		t.Fatal(err)
	}
	planned := func(want int) *reconciler.Pass {
		t.Helper()
		code, out, errs := call(t, "plan", "--config", config, "--output", "json")
		if code != want {
			t.Fatalf("exit %d, want %d\n%s%s", code, want, out, errs)
		}
		pass := &reconciler.Pass{}
		dec := json.NewDecoder(strings.NewReader(out))
		dec.DisallowUnknownFields()
		if err := dec.Decode(pass); err != nil {
			t.Fatal(err)
		}
		return pass
	}
	if p := planned(exitChanges); len(p.Plan.Steps) == 0 || p.Commit != w.Commit || p.Machines != 7 || p.Plan.Steps[0].After == nil {
		t.Errorf("the plan is %+v", p)
	}
	if guests := w.Count().Guests; guests != 0 || len(w.GitLab.Statuses("cri/campus", w.Commit)) > 0 {
		t.Errorf("planning made %d guests, or wrote statuses", guests)
	}
	if code, out, errs := call(t, "apply", "--config", config); code != exitOK || !strings.Contains(out, " changed, 0 failed, 0 blocked in ") {
		t.Fatalf("apply: exit %d\n%s%s", code, out, errs)
	}
	if p := planned(exitOK); len(p.Plan.Steps) > 0 {
		t.Errorf("after an apply there is left to do: %+v", p.Plan.Steps)
	}
	for _, s := range w.Windows {
		s.Down()
	}
	if p := planned(exitError); len(p.Unknown) == 0 {
		t.Error("nobody noticed that the servers are down")
	}
	if code, _, errs := call(t, "plan", "--config", config, "--output", "xml"); code != exitError || !strings.Contains(errs, `"xml" is not text or json`) {
		t.Errorf("--output xml: exit %d, %s", code, errs)
	}
}

var summaryLine = regexp.MustCompile(`(?m)^demo: converged commit=[0-9a-f]{40} guests=([0-9]+) records=[0-9]+ reservations=[0-9]+ filters=[0-9]+ statuses=[0-9]+ second_pass_changes=0$`)

func TestDemoOnce(t *testing.T) {
	t.Parallel()
	code, out, errs := call(t, "demo", "--once", "--students", "5", "--log-level", "error")
	match := summaryLine.FindStringSubmatch(out)
	// Five students' machines and those of the three projects.
	if code != exitOK || match == nil || match[1] != "10" {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

func TestDemoInterrupted(t *testing.T) {
	before, err := filepath.Glob(filepath.Join(os.TempDir(), "provost-demo-*"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	d := &demo{once: true, students: 5, seed: 1, listen: "127.0.0.1:0", logs: &logFlags{format: "text", level: "error"},
		terminal: &terminal{out: interrupter{cancel}, err: io.Discard}}
	if code, err := d.run(ctx); code != exitError || err == nil || err.Error() != "interrupted" {
		t.Errorf("exit %d, %v; want 1, interrupted", code, err)
	}
	if after, _ := filepath.Glob(filepath.Join(os.TempDir(), "provost-demo-*")); len(after) > len(before) {
		t.Errorf("left behind: %v", after)
	}
}

// interrupter is a screen whose watcher presses Ctrl-C as soon as something is done.
type interrupter struct{ stop func() }

func (i interrupter) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("running")) {
		i.stop()
	}
	return len(p), nil
}

func TestTellerTellsOnce(t *testing.T) {
	var out bytes.Buffer
	told := newTeller(&out, "known")
	pass := &reconciler.Pass{Commit: "known", Subject: "Open the campus"}
	if told.tell(pass); out.Len() > 0 {
		t.Errorf("told of what is known:\n%s", out.String())
	}
	pass = &reconciler.Pass{Commit: "new", Subject: "Add Zoé\x1b[2J", Proposals: []reconciler.ProposalPass{{ID: "!1", Title: "Add Jeanne", Commit: "head"}}}
	told.tell(pass)
	told.tell(pass)
	if got, want := out.String(), "\nnew  Add Zoé [2J\n\nhead  !1 Add Jeanne\n"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}
