package reconciler_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// How far away everything is, and how long it thinks. docs/performance.md says
// the same.
const (
	pushLatency = 10 * time.Millisecond  // one way, to everybody
	forgeReads  = 30 * time.Millisecond  // each read of GitLab's API
	forgeWrites = 100 * time.Millisecond // each write
	winrmTakes  = 500 * time.Millisecond // each command: PowerShell begins
)

// pushed is when a push was answered, counted from the webhook's call.
type pushed struct {
	pending time.Duration // validation, plan and policy are pending
	planned time.Duration // plan and policy have their verdict
	cpu     time.Duration // used until then by provost and all doubles
}

// pushOf lets a daemon stand by a campus where the machines of some students
// stand, pushes those of more and tells when that was answered. It makes
// nothing: the mode is off.
func pushOf(t *testing.T, standing, more int) (p pushed) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not on PATH (Debian package git)")
	}
	synctest.Test(t, func(t *testing.T) {
		o := openOffice(t)
		o.settle(t, standing)
		o.commit(o.campus(standing))
		daemon, stop := o.daemon(t)
		defer stop()
		go daemon()
		o.until("provost/apply success")
		o.answer = map[string]time.Time{}
		time.Sleep(10 * time.Second) // connections rest, as they do at night

		o.commit(o.campus(standing + more))
		began, cpu := time.Now(), cpuTime()
		o.call(t)
		o.until("provost/plan success", "provost/policy success")
		p.cpu = cpuTime() - cpu
		if plan, want := o.planned(), fmt.Sprintf("%d guest", more); !strings.Contains(plan, want) {
			t.Errorf("the plan says %q, want %q", plan, want)
		}
		for key, at := range o.answer {
			switch took := at.Sub(began); {
			case strings.HasSuffix(key, " pending"):
				p.pending = max(p.pending, took)
			case strings.HasPrefix(key, "provost/plan"), strings.HasPrefix(key, "provost/policy"):
				p.planned = max(p.planned, took)
			}
		}
	})
	return p
}

// pushes are a semester that begins, and one more student among those of one.
var pushes = map[string]struct{ standing, more int }{
	"600 new":             {0, 600},
	"one more beside 600": {600, 1},
}

// TestAPushIsAnsweredSoon holds the goals in virtual time, which processor time
// is no part of; BenchmarkPush adds it.
func TestAPushIsAnsweredSoon(t *testing.T) {
	for name, c := range pushes {
		t.Run(name, func(t *testing.T) {
			p := pushOf(t, c.standing, c.more)
			t.Logf("pending after %s, plan and policy after %s, and %s of processor time", p.pending, p.planned, p.cpu)
			if p.pending == 0 || p.pending > time.Second {
				t.Errorf("the pending statuses came after %s, want less than a second", p.pending)
			}
			if p.planned > 3*time.Second {
				t.Errorf("the statuses of plan and policy came after %s, want less than three seconds", p.planned)
			}
		})
	}
}

// BenchmarkPush is how long a push waits for its statuses: virtual time with the
// processor time of provost and all doubles added, as if nothing went on at once.
func BenchmarkPush(b *testing.B) {
	for name, c := range pushes {
		b.Run(name, func(b *testing.B) {
			var sum pushed
			for b.Loop() {
				ok := testing.RunTests(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: name, F: func(t *testing.T) {
					p := pushOf(t, c.standing, c.more)
					sum.pending, sum.planned, sum.cpu = sum.pending+p.pending, sum.planned+p.planned, sum.cpu+p.cpu
				}}})
				if !ok {
					b.FailNow()
				}
			}
			ms := func(d time.Duration) float64 { return float64(d.Milliseconds()) / float64(b.N) }
			b.ReportMetric(ms(sum.pending+sum.cpu), "pending_ms")
			b.ReportMetric(ms(sum.planned+sum.cpu), "plan_ms")
			b.ReportMetric(ms(sum.cpu), "cpu_ms")
		})
	}
}
