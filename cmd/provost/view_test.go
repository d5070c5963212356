package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares what people see with testdata/NAME.golden.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}

func step(action inventory.Action, key inventory.Key, before, after inventory.Attrs, fields ...string) plan.Step {
	owner := inventory.Owner{Campus: "isima", File: "cohorts/zz2.yaml", Unit: "cohort/zz2", Student: "rapamato"}
	s := plan.Step{Change: inventory.Change{Key: key, Action: action, Fields: fields, Owner: owner}}
	if before != nil {
		s.Before = &inventory.Resource{Key: key, Attrs: before, Owner: owner}
	}
	if after != nil {
		s.After = &inventory.Resource{Key: key, Attrs: after, Owner: owner}
	}
	return s
}

// everything is a pass with one of each: every action, a block, a rename, a new
// owner, two steps for one reason, a problem, what could not be read, and text that would drive a terminal.
func everything() *reconciler.Pass {
	blocked := step(inventory.Update, "cri/guest/vm-blocked", inventory.Attrs{"disk": "50"}, inventory.Attrs{"disk": "20"}, "disk")
	blocked.Gate, blocked.Reason = plan.GateField, "a disk cannot shrink: 50 → 20"
	renamed := step(inventory.Update, "cri/guest/new-name", inventory.Attrs{"memory": "2048"}, inventory.Attrs{"memory": "2048"}, "key", "owner")
	renamed.Before.Key = "cri/guest/old-name"
	renamed.Before.Owner = inventory.Owner{Campus: "isima", File: "cohorts/zz1.yaml", Unit: "cohort/zz1", Student: "rapamato"}
	nobody := step(inventory.Adopt, "cri/guest/old-wiki", inventory.Attrs{}, inventory.Attrs{}, "owner")
	nobody.Before.Owner = inventory.Owner{}
	hostile := step(inventory.Update, "cri/guest/vm-hostile", inventory.Attrs{"description": "\x1b[2Jgone\nrm -rf\u202e"}, inventory.Attrs{"description": "", "pool": "etudiants"}, "description", "pool")
	waits := step(inventory.Update, "cri/reboot/vm-slow", inventory.Attrs{"pending": "cores"}, inventory.Attrs{"pending": ""}, "pending")
	waits.Gate, waits.Reason = plan.GateCalendar, "waits for window nights, until Mon 23 Nov 2026 22:00 CET"
	copies := []plan.Step{{}, {}}
	for i, key := range []inventory.Key{"cri/copy/9000-1", "cri/copy/9000-2"} {
		copies[i].Change = inventory.Change{Key: key, Action: inventory.Create, Note: "60 clones of 9000 take about 9m one after the other,\n4m with 2 copies"}
	}
	gis3 := inventory.Owner{Campus: "isima", File: "cohorts/gis3.yaml", Unit: "cohort/gis3"}
	return &reconciler.Pass{
		Plan: plan.Plan{Drift: []plan.Drifted{
			{Key: "ad/record/a.isima.fr/A", Owner: gis3, Field: plan.Existence, Corrected: true},
			{Key: "cri/guest/vm-a", Owner: gis3, Field: "cores", Declared: "2", Live: "4", Corrected: true},
			{Key: "cri/guest/vm-a", Owner: gis3, Field: "description", Declared: "lab", Live: "\x1b[2Jmine\u202e"},
		}, Pending: []plan.Pending{
			{Key: "cri/guest/vm-b", Owner: gis3, Options: "nameserver"}, {Key: "cri/guest/vm-slow", Options: "cores", Reboot: plan.RebootWindow},
		}, Steps: []plan.Step{
			step(inventory.Create, "ad/filter/bc-24-11-b3-c1-3d", nil, inventory.Attrs{"list": "allow"}),
			step(inventory.Delete, "ad/record/docs.isima.fr/CNAME", inventory.Attrs{"value": "wiki.isima.fr"}, nil),
			copies[0], copies[1],
			step(inventory.Update, "cri/guest/vm-rapamato", inventory.Attrs{"cores": "4", "node": "pve1"}, inventory.Attrs{"cores": "8", "node": "pve3"}, "cores", "node"),
			step(inventory.Replace, "cri/guest/vm-anew", inventory.Attrs{"rebuild": "0"}, inventory.Attrs{"rebuild": "1"}, "rebuild"),
			blocked, renamed, nobody, hostile, waits,
		}},
		Problems: []projects.Problem{
			{File: "projects/profan.yaml", Line: 15, Column: 3, Message: `unknown key "memroy"`, Excerpt: "  memroy: \"4096\"\x1b[31m\n", Hint: "did you mean memory?"},
			{File: "cohorts/zz2.csv", Line: 3, Column: 1, Message: "the name is empty", Warning: true},
		},
		Unknown:    []inventory.Unknown{{Prefix: "ad/reservation/192.168.84.0", Reason: "the scope cannot be read:\nDHCP 20013"}},
		Violations: []reconciler.Violation{{Rule: "provost.quota", Level: reconciler.LevelDeny, Message: "quota: student rapamato asks 40 GiB of memory of 16"}, {Rule: "provost.names", Level: reconciler.LevelWarn, Message: "vm-x is an odd name"}},
		Error:      "a policy does not compile: policies/broken.rego:4",
	}
}

func TestPlanText(t *testing.T) {
	var out bytes.Buffer
	printPlan(&out, everything())
	golden(t, "plan", out.Bytes())
	// Nothing but lines and text may reach a terminal, whatever the campus says.
	for _, r := range out.String() {
		if r != '\n' && oneLine(string(r)) != string(r) {
			t.Errorf("the plan holds the control character %U", r)
		}
	}
}

func TestPlanTextOfNothing(t *testing.T) {
	for _, c := range []struct {
		pass reconciler.Pass
		want string
	}{
		{reconciler.Pass{Machines: 62}, "Nothing to change: 62 machines are as declared.\n"},
		{reconciler.Pass{Machines: 62, Unknown: []inventory.Unknown{{Prefix: "cri", Reason: "401"}}}, "not read: cri: 401\nNothing to change in what could be read.\n"},
	} {
		var out bytes.Buffer
		if printPlan(&out, &c.pass); out.String() != c.want {
			t.Errorf("got %q, want %q", out.String(), c.want)
		}
	}
}

func TestResultsText(t *testing.T) {
	begin := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	p := &reconciler.Pass{Started: begin, Finished: begin.Add(12340 * time.Millisecond), Plan: plan.Plan{Steps: make([]plan.Step, 3)}}
	p.Results = []reconciler.Result{
		{Outcome: inventory.Outcome{Key: "cri/guest/vm-a", State: inventory.StateDone}, Action: inventory.Create},
		{Outcome: inventory.Outcome{Key: "cri/guest/vm-b", State: inventory.StateFailed, Error: "no space\x1b[2J\nleft"}, Action: inventory.Create},
		{Outcome: inventory.Outcome{Key: "cri/power/vm-b"}, Action: inventory.Create, Blocked: "waits for cri/guest/vm-b"},
	}
	var out bytes.Buffer
	printResults(&out, p)
	printStatuses(&out, "3d8a92c26dd6  Open the campus", []reconciler.Status{
		{Context: reconciler.ContextApply, State: reconciler.StatusFailed, Description: "1 of 3 changes failed"},
		{Context: reconciler.ContextValidate, State: reconciler.StatusSuccess, Description: "8 files, 2 machines"},
	})
	golden(t, "results", out.Bytes())
}

// script is an apply as its watcher is told of it.
func script() []reconciler.Progress {
	event := func(key inventory.Key, text string) inventory.Event { return inventory.Event{Key: key, Text: text} }
	wait := func(n int, changes, what string) reconciler.Wait {
		return reconciler.Wait{Count: n, Changes: changes, For: what}
	}
	told := func(cri, ad reconciler.Tally, p reconciler.Progress) reconciler.Progress {
		p.Systems = []reconciler.Share{{System: "ad", Tally: ad}, {System: "cri", Tally: cri}}
		p.Tally = reconciler.Tally{
			Total: cri.Total + ad.Total, Done: cri.Done + ad.Done, Failed: cri.Failed + ad.Failed,
			Blocked: cri.Blocked + ad.Blocked, Running: cri.Running + ad.Running,
		}
		return p
	}
	type tally = reconciler.Tally
	clones := wait(3, "clones", "template 9000: fan-out 1/4")
	return []reconciler.Progress{
		told(tally{Total: 120, Blocked: 1, Running: 2}, tally{Total: 60, Running: 60}, reconciler.Progress{
			Waiting: []reconciler.Wait{wait(60, "starts", "their guest and filter"), clones}}),
		told(tally{Total: 120, Blocked: 1, Running: 2}, tally{Total: 60, Done: 60}, reconciler.Progress{
			Waiting: []reconciler.Wait{wait(60, "starts", "their guest"), clones},
			Events: []inventory.Event{
				event("cri/guest/vm-b", "cloning from 9000"), event("cri/guest/vm-c", "cloning from 990000000"),
				event("cri/guest/vm-a", "resizing: task UPID:pve3:00001037:00010 running")}}),
		told(tally{Total: 120, Blocked: 1, Done: 80, Running: 1}, tally{Total: 60, Done: 60}, reconciler.Progress{
			Waiting: []reconciler.Wait{wait(4, "starts", "node pve1: 8 at once"), wait(1, "starts", "their guest"), wait(1, "clones", "storage ceph: 16 at once"), wait(1, "changes", "")},
			Events:  []inventory.Event{event("cri/guest/vm-a", string(inventory.StateDone)), event("cri/guest/vm-b", "starting")}}),
		told(tally{Total: 120, Blocked: 2, Done: 117, Failed: 1}, tally{Total: 60, Done: 60}, reconciler.Progress{
			Events: []inventory.Event{event("cri/guest/vm-b", string(inventory.StateFailed))}}),
		// The next pass has only what is blocked: nothing to watch.
		told(tally{Total: 2, Blocked: 2}, tally{}, reconciler.Progress{}),
		{Tally: tally{Total: 2, Blocked: 1, Done: 1}, Systems: []reconciler.Share{{System: "cri", Tally: tally{Total: 2, Blocked: 1, Done: 1}}}},
	}
}

// ticking is a clock that goes on by 5 seconds when it is looked at.
func ticking() func() time.Time {
	clock := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return func() time.Time { clock = clock.Add(5 * time.Second); return clock }
}

func TestLineView(t *testing.T) {
	var out bytes.Buffer
	v := newProgress(&out).(*lineView) // no terminal
	v.now = ticking()
	for _, p := range script() {
		v.show(p)
	}
	golden(t, "progress-lines", out.Bytes())
}

func TestLineViewDoesNotFlood(t *testing.T) {
	var out bytes.Buffer
	v := newProgress(&out)
	for done := range 601 {
		v.show(reconciler.Progress{Tally: reconciler.Tally{Total: 600, Done: done}})
	}
	if lines := strings.Count(out.String(), "\n"); lines != 11 {
		t.Errorf("%d lines for 600 changes:\n%s", lines, out.String())
	}
}

func TestLiveView(t *testing.T) {
	for name, colours := range map[string]palette{"progress-live": false, "progress-colours": true} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			v := newLiveView(&out, colours)
			v.now = ticking()
			for _, p := range script() {
				v.show(p)
			}
			// Escapes are written out, so that the file can be read.
			golden(t, name, bytes.ReplaceAll(out.Bytes(), []byte("\x1b"), []byte("␛")))
		})
	}
}

// A clone takes a minute in which nothing happens: the picture goes on.
func TestLiveViewGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		v := newLiveView(&out, false)
		v.show(reconciler.Progress{Tally: reconciler.Tally{Total: 2, Running: 1}})
		time.Sleep(3*time.Second + time.Millisecond)
		v.show(reconciler.Progress{Tally: reconciler.Tally{Total: 2, Done: 2}})
		time.Sleep(time.Hour)
		if got := strings.Count(out.String(), wrapOff); got != 5 {
			t.Errorf("%d pictures of three seconds, want one at first, one a second, one in the end:\n%s", got, out.String())
		}
	})
}

func TestLiveViewShowsFewRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		v := newLiveView(&out, false)
		p := reconciler.Progress{Tally: reconciler.Tally{Total: 20, Running: 20}}
		for _, letter := range "abcdefghijklmnopqrst" {
			p.Events = append(p.Events, inventory.Event{Key: inventory.Key("cri/guest/" + string(letter)), Text: "cloning"})
		}
		v.show(p)
		if v.drawn != liveRowsEach+2 || !bytes.Contains(out.Bytes(), []byte("… and 17 more")) {
			t.Errorf("%d lines are drawn:\n%s", v.drawn, out.String())
		}
		v.show(reconciler.Progress{Tally: reconciler.Tally{Total: 20, Done: 20}})
	})
}

// The rest is told by how quickly things went of late, not since the beginning.
func TestGauge(t *testing.T) {
	var g gauge
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	share := func(done int) reconciler.Progress {
		tally := reconciler.Tally{Total: 100, Done: done}
		return reconciler.Progress{Tally: tally, Systems: []reconciler.Share{{System: "cri", Tally: tally}}}
	}
	for second := range 61 {
		p := share(max(0, second-30)) // nothing for half a minute, then one a second
		g.read(p, at.Add(time.Duration(second)*time.Second))
		left, ok := g.left(p)
		switch {
		case second <= 30 && ok:
			t.Errorf("after %d s, with nothing done, %s are left", second, left)
		case second == 60 && left != 70*time.Second:
			t.Errorf("with 70 to go at one a second %s are left", left)
		}
	}
	if got := g.elapsed(); got != time.Minute {
		t.Errorf("%s have gone", got)
	}
}

// Nobody is told how long it will take to make what is not begun any more.
func TestAStopHasNoRest(t *testing.T) {
	share := reconciler.Share{System: "cri", Tally: reconciler.Tally{Total: 100, Done: 20, Running: 4}}
	p := reconciler.Progress{Tally: share.Tally, Systems: []reconciler.Share{share}, Stopping: true}
	g, clock := gauge{}, ticking()
	g.read(reconciler.Progress{Systems: []reconciler.Share{{System: "cri", Tally: reconciler.Tally{Total: 100}}}}, clock())
	g.read(p, clock())
	if got := g.rest(p); got != ", stopping: what runs is finished" {
		t.Errorf("%q", got)
	}
	if p.Stopping = false; g.rest(p) != ", about 20s left" {
		t.Errorf("%q", g.rest(p))
	}
}

func TestTheLogStandsAboveThePicture(t *testing.T) {
	var out bytes.Buffer
	v := newLiveView(&out, false)
	v.show(reconciler.Progress{Tally: reconciler.Tally{Total: 2, Running: 1}})
	out.Reset()
	log := besideView{v, &out}
	log.Write([]byte("a warning\n"))
	log.Write([]byte("another\n"))
	if got, want := out.String(), "\x1b[1A\x1b[Ja warning\nanother\n"; got != want {
		t.Errorf("wrote %q, want %q", got, want)
	}
}

func TestColoursAreForTerminals(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if isTerminal(null) || isTerminal(&bytes.Buffer{}) || bool(paletteFor(null)) {
		t.Error("a file without a screen is taken for a terminal")
	}
	if got := palette(true).paint(red, "x"); got != "\x1b[31mx\x1b[m" {
		t.Errorf("red is %q", got)
	}
	if got := palette(false).paint(red, "x"); got != "x" {
		t.Errorf("without colours it is %q", got)
	}
}
