package reconciler_test

import (
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/provost-dev/provost/reconciler"
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
	taken   time.Duration // until a newer commit is applied in place of the one before
}

// push is what somebody pushes, and when.
type push struct {
	standing int    // machines, before the daemon begins
	making   int    // that it has begun to make twenty minutes ago; with none it makes nothing
	more     int    // that are declared now
	request  bool   // in a merge request
	says     string // the plan
}

// pushOf lets a daemon stand by a campus, or make one, pushes and tells when that
// was answered.
func pushOf(t *testing.T, c push) (p pushed) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not on PATH (Debian package git)")
	}
	synctest.Test(t, func(t *testing.T) {
		o := openOffice(t)
		o.settle(t, c.standing)
		o.commit(o.campus(c.standing + c.making))
		mode, wait, until := reconciler.ApplyOff, 10*time.Second, "provost/apply success" // connections rest, as they do at night
		if c.making > 0 {
			mode, wait, until = reconciler.ApplyAuto, 20*time.Minute, "provost/apply running"
		}
		daemon, stop := o.daemon(t, mode)
		defer stop()
		go daemon()
		o.until(until)
		time.Sleep(wait)
		o.forget()

		change := o.commit
		if c.request {
			change = o.request
		}
		change(o.campus(c.standing + c.making + c.more))
		began, cpu := time.Now(), cpuTime()
		o.call(t)
		o.until("provost/plan success", "provost/policy success")
		p.cpu = cpuTime() - cpu
		if plan := o.planned(); !strings.HasPrefix(plan, c.says) {
			t.Errorf("the plan says %q, want %q", plan, c.says)
		}
		for key, at := range o.answer {
			switch took := at.Sub(began); {
			case strings.HasSuffix(key, " pending"):
				p.pending = max(p.pending, took)
			case strings.HasPrefix(key, "provost/plan"), strings.HasPrefix(key, "provost/policy"):
				p.planned = max(p.planned, took)
			}
		}
		if c.making > 0 && !c.request {
			o.until("provost/apply canceled", "provost/apply running")
			p.taken = time.Since(began)
		}
	})
	return p
}

// pushes are a semester that begins, and one more student among those of one, or
// while the machines of one are made.
var pushes = map[string]push{
	"600 new":                      {more: 600, says: "create 600 guests"},
	"one more beside 600":          {standing: 600, more: 1, says: "create 1 guest"},
	"one more while 600 are made":  {making: 600, more: 1, says: "while "},
	"a request while 600 are made": {making: 600, more: 1, request: true, says: "create 1 guest"},
}

// TestAPushIsAnsweredSoon holds the goals in virtual time, which processor time
// is no part of; BenchmarkPush adds it.
func TestAPushIsAnsweredSoon(t *testing.T) {
	for name, c := range pushes {
		t.Run(name, func(t *testing.T) {
			p := pushOf(t, c)
			t.Logf("pending after %s, plan and policy after %s, applied after %s, and %s of processor time", p.pending, p.planned, p.taken, p.cpu)
			if p.pending == 0 || p.pending > time.Second {
				t.Errorf("the pending statuses came after %s, want less than a second", p.pending)
			}
			if p.planned > 3*time.Second {
				t.Errorf("the statuses of plan and policy came after %s, want less than three seconds", p.planned)
			}
			if p.taken > 5*time.Minute {
				t.Errorf("the newer commit was applied after %s, want the length of a clone beside others", p.taken)
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
					p := pushOf(t, c)
					sum.pending, sum.planned, sum.cpu, sum.taken = sum.pending+p.pending, sum.planned+p.planned, sum.cpu+p.cpu, sum.taken+p.taken
				}}})
				if !ok {
					b.FailNow()
				}
			}
			ms := func(d time.Duration) float64 { return float64(d.Milliseconds()) / float64(b.N) }
			b.ReportMetric(ms(sum.pending+sum.cpu), "pending_ms")
			b.ReportMetric(ms(sum.planned+sum.cpu), "plan_ms")
			b.ReportMetric(ms(sum.cpu), "cpu_ms")
			if sum.taken > 0 {
				b.ReportMetric(ms(sum.taken)/1000, "applied_s")
			}
		})
	}
}
