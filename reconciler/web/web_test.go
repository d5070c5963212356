package web

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/projects"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

func site(passes ...*reconciler.Pass) Site {
	s := Site{Campus: "isima", History: reconciler.NewHistory(3), Metrics: NewMetrics(), MaxAge: time.Hour, Log: slog.New(slog.DiscardHandler)}
	for _, p := range passes {
		s.History.Add(p)
		s.Metrics.Observe(p)
	}
	return s
}

func ended(edit func(*reconciler.Pass)) *reconciler.Pass {
	p := &reconciler.Pass{
		ID: "p1", Commit: commit, Branch: "main", Subject: "Add <b>gis3</b>", Stage: reconciler.StageDone,
		Started: time.Now().Add(-3 * time.Second), Finished: time.Now(), Machines: 62,
		Units: map[string]int{"cohort/gis3": 60}, Totals: map[string]int{"guest": 62},
	}
	if edit != nil {
		edit(p)
	}
	return p
}

func get(t *testing.T, s Site, path string) (int, string, http.Header) {
	t.Helper()
	w := httptest.NewRecorder()
	Handler(s).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(body), w.Result().Header
}

func TestReadyOnlyAfterARecentPass(t *testing.T) {
	old := ended(func(p *reconciler.Pass) { p.Finished = time.Now().Add(-2 * time.Hour) })
	for name, c := range map[string]struct {
		site Site
		want int
	}{"none": {site(), 503}, "recent": {site(ended(nil)), 200}, "old": {site(old), 503}} {
		if code, body, _ := get(t, c.site, "/readyz"); code != c.want {
			t.Errorf("%s: %d %s, want %d", name, code, body, c.want)
		}
	}
	if code, _, _ := get(t, site(), "/healthz"); code != 200 {
		t.Errorf("/healthz: %d", code)
	}
}

// What is more than a daemon can answer at once is turned away, and neither
// hooks nor pages keep a monitor from hearing that it lives.
func TestRequestsAtOnceAreLimited(t *testing.T) {
	free, begun := make(chan struct{}), make(chan struct{})
	s := site(ended(nil))
	s.Webhook = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { begun <- struct{}{}; <-free })
	h := Handler(s)
	ask := func(method, path string) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w.Code
	}
	var group sync.WaitGroup
	for range mostHooks {
		group.Go(func() { ask("POST", "/webhook") })
		<-begun
	}
	if code := ask("POST", "/webhook"); code != 503 {
		t.Errorf("one hook too many: %d", code)
	}
	for _, path := range []string{"/healthz", "/readyz", "/passes", "/metrics", "/badge.svg"} {
		if code := ask("GET", path); code != 200 {
			t.Errorf("%s beside hooks: %d", path, code)
		}
	}
	close(free)
	group.Wait()
	go func() { <-begun }()
	if code := ask("POST", "/webhook"); code != 200 {
		t.Errorf("a hook after the others: %d", code)
	}
}

// A stop lets who is being answered hear the end.
func TestServeEndsWithItsLastAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	begun, free, served := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		served <- Serve(ctx, l, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(begun); <-free }), nil, slog.New(slog.DiscardHandler))
	}()
	answered := make(chan error, 1)
	go func() {
		answer, err := http.Get("http://" + l.Addr().String())
		if err == nil {
			answer.Body.Close()
		}
		answered <- err
	}()
	<-begun
	stop()
	for { // until nobody listens any more
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			break
		}
		conn.Close()
	}
	select {
	case err := <-served:
		t.Errorf("it ended before its answer: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(free)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestPassPage(t *testing.T) {
	p := ended(func(p *reconciler.Pass) {
		p.Problems = []projects.Problem{{File: "cohorts/a.yaml", Line: 3, Column: 5, Message: "unknown key <x>"}}
		p.Plan.Steps = []plan.Step{{Change: inventory.Change{Key: "cri/guest/vm-x", Action: inventory.Delete}, Gate: plan.GateGuard, Reason: "too many"}}
	})
	for _, id := range []string{"p1", commit[:12], commit} {
		code, body, header := get(t, site(p), "/passes/"+id)
		if code != 200 || header.Get("Content-Security-Policy") == "" {
			t.Fatalf("%s: %d, headers %v", id, code, header)
		}
		for _, want := range []string{"cohorts/a.yaml:3:5", "unknown key &lt;x&gt;", "cri/guest/vm-x", "too many", "&lt;b&gt;gis3"} {
			if !strings.Contains(body, want) {
				t.Errorf("%s: the page lacks %q", id, want)
			}
		}
	}
	if code, _, _ := get(t, site(p), "/passes/nothing"); code != 404 {
		t.Errorf("unknown pass: %d, want 404", code)
	}
	var read reconciler.Pass
	if _, body, _ := get(t, site(p), "/passes/p1.json"); json.Unmarshal([]byte(body), &read) != nil || read.Commit != commit {
		t.Errorf("JSON: %s", body)
	}
	if code, body, _ := get(t, site(p), "/"); code != 200 || !strings.Contains(body, "/passes/p1") {
		t.Errorf("index: %d %s", code, body)
	}
}

func TestBadge(t *testing.T) {
	failing := ended(func(p *reconciler.Pass) {
		p.Results = []reconciler.Result{{
			Outcome: inventory.Outcome{Key: "cri/guest/x", State: inventory.StateFailed, Error: "no"},
			Owner:   inventory.Owner{Unit: "cohort/gis3"},
		}}
	})
	for _, c := range []struct {
		site        Site
		query, want string
	}{
		{site(), "", "isima: starting"},
		{site(ended(nil)), "", "isima: 62 machines"},
		{site(ended(nil)), "?cohort=gis3", "gis3: 60 machines"},
		{site(ended(nil)), "?project=nope", "nope: not declared"},
		{site(failing), "?cohort=gis3", "gis3: 1 failed"},
		{site(ended(nil)), "?project=%3Cscript%3E", "&lt;script&gt;: not declared"},
	} {
		code, body, header := get(t, c.site, "/badge.svg"+c.query)
		if code != 200 || !strings.Contains(body, c.want) || !strings.HasPrefix(header.Get("Content-Type"), "image/svg+xml") {
			t.Errorf("%q: %d %s, want %q", c.query, code, body, c.want)
		}
		if err := xml.Unmarshal([]byte(body), new(struct{})); err != nil {
			t.Errorf("%q: not XML: %v", c.query, err)
		}
	}
}

func TestMetrics(t *testing.T) {
	_, body, _ := get(t, site(ended(nil)), "/metrics")
	for _, want := range []string{"provost_passes_total 1", `provost_declared{kind="guest"} 62`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in the metrics", want)
		}
	}
}

// Machines on their way out are counted by stage, those of the pass before are
// forgotten, and nobody's name is told.
func TestRetiredMachinesAreCounted(t *testing.T) {
	of := func(unit, student string) inventory.Owner { return inventory.Owner{Unit: unit, Student: student} }
	machine := func(name, retired string, owner inventory.Owner) *inventory.Resource {
		return &inventory.Resource{Key: inventory.Key("cri/guest/" + name), Owner: owner, Attrs: inventory.Attrs{"retired": retired}}
	}
	step := func(action inventory.Action, before, after *inventory.Resource) plan.Step {
		return plan.Step{Change: inventory.Change{Key: before.Key, Action: action, Before: before, After: after, Owner: before.Owner}}
	}
	gis3, tp := of("cohort/gis3", "rapamato"), of("project/tp-rapamato", "")
	before := ended(func(p *reconciler.Pass) {
		p.Plan.Kept = []plan.Kept{{Key: "old/guest/a", Owner: gis3, Until: "2026-12-01"}}
	})
	now := ended(func(p *reconciler.Pass) {
		p.Plan.Kept = []plan.Kept{
			{Key: "cri/guest/a", Owner: gis3, Until: "2026-12-01"}, {Key: "cri/guest/b", Owner: gis3, Until: "2026-12-02"},
			{Key: "cri/guest/c", Owner: tp},
		}
		p.Plan.Steps = []plan.Step{
			step(inventory.Update, machine("d", "", tp), machine("d", "2026-11-21", tp)),
			step(inventory.Delete, machine("e", "2026-10-21", gis3), nil),
			step(inventory.Update, machine("f", "", gis3), machine("f", "", gis3)), // is declared
		}
	})
	_, body, _ := get(t, site(before, now), "/metrics")
	var got []string
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "provost_retired_machines{") {
			got = append(got, strings.TrimSpace(strings.TrimPrefix(line, "provost_retired_machines")))
		}
	}
	want := []string{
		`{of="cohort",stage="due",system="cri"} 1`, `{of="cohort",stage="kept",system="cri"} 2`,
		`{of="project",stage="retiring",system="cri"} 1`, `{of="project",stage="undated",system="cri"} 1`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if strings.Contains(body, "rapamato") {
		t.Error("the metrics tell a name")
	}
}
