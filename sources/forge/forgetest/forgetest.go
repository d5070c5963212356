package forgetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
)

// Token is what forges under test log in with. It must never show in an error.
const Token = "s3cr3t-t0k3n-of-the-b0t"

// Server is a double with one repository whose branch main is watched.
type Server interface {
	// Forge is a new one without memory that logs in with Token. It watches
	// main and does not really wait: Waits tells for how long it would have.
	Forge(t *testing.T) sources.Forge
	Waits() []time.Duration
	// Commit makes another commit on main.
	Commit(t *testing.T) string
	// OpenRequests opens n requests into main, every third from a fork, and some
	// that must not be listed: closed ones, and into another branch.
	OpenRequests(t *testing.T, n int) []sources.Request
	// Standing are the newest statuses of each context, in provost's words.
	Standing(commit string) []reconciler.Status
	// Writes is how often a status was written, refused writes not counted;
	// Asked is how many requests came in.
	Writes() int
	Asked() int

	Down()
	Up()
	// Answer makes the next request be answered so.
	Answer(status int, after time.Duration)
	// DropWrite makes the next write be done and not answered.
	DropWrite()
	// Hang makes the next request stay without an answer.
	Hang()
	// Revoke makes the token be refused.
	Revoke()
}

// Run holds a forge to what all forges have to do. knowsRunning says whether
// it tells running from pending.
func Run(t *testing.T, knowsRunning bool, start func(t *testing.T) Server) {
	for _, c := range []struct {
		name string
		test func(*testing.T, fixture)
	}{
		{"a status is written once", writtenOnce},
		{"a restart writes nothing again", restart},
		{"every transition ends as wanted", transitions},
		{"what is given up takes the place of what is open", givenUp},
		{"a verdict with another text is written", otherText},
		{"statuses do not disturb each other", independent},
		{"a long text stands shortened", longText},
		{"many at once", concurrent},
		{"requests over many pages", requests},
		{"down and up again", downAndUp},
		{"the answer is lost", lostAnswer},
		{"too many requests, wait a little", waitALittle},
		{"too many requests, wait for long", waitForLong},
		{"too many requests for ever", waitForEver},
		{"a server in trouble", serverTrouble},
		{"an unknown commit", unknownCommit},
		{"a token without rights", noRights},
		{"a hanging server and a context that ends", hanging},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := start(t)
			c.test(t, fixture{server, server.Forge(t), knowsRunning})
		})
	}
}

func writtenOnce(t *testing.T, f fixture) {
	commit := f.Commit(t)
	f.set(t, commit, plan(reconciler.StatusSuccess))
	f.wantStanding(t, commit, plan(reconciler.StatusSuccess))
	asked := f.Asked()
	for range 3 {
		f.set(t, commit, plan(reconciler.StatusSuccess))
	}
	f.wantWrites(t, 1)
	if got := f.Asked() - asked; got != 0 {
		t.Errorf("an equal status cost %d requests", got)
	}
}

func restart(t *testing.T, f fixture) {
	for _, state := range []reconciler.StatusState{
		reconciler.StatusPending, reconciler.StatusRunning, reconciler.StatusSuccess, reconciler.StatusFailed,
	} {
		linked, bare := plan(state), plan(state)
		bare.TargetURL = ""
		for _, s := range []reconciler.Status{linked, bare} {
			commit, before := f.Commit(t), f.Writes()
			f.set(t, commit, s)
			f.forge = f.Forge(t)
			f.set(t, commit, s)
			f.wantWrites(t, before+1)
			f.wantStanding(t, commit, s)
		}
	}
}

func transitions(t *testing.T, f fixture) {
	const p, r, s, x = reconciler.StatusPending, reconciler.StatusRunning, reconciler.StatusSuccess, reconciler.StatusFailed
	for _, states := range [][]reconciler.StatusState{
		{p}, {r}, {s}, {x},
		{p, r, s}, {p, r, x}, {p, s}, {r, x},
		{s, p}, {s, x}, {x, s}, {x, r, s}, {s, p, r, x, s},
		{r, p, s}, // GitLab refuses the middle one: what counts is the end
	} {
		commit := f.Commit(t)
		for _, state := range states {
			f.set(t, commit, plan(state))
		}
		f.wantStanding(t, commit, plan(states[len(states)-1]))
	}
}

// What was promised is taken back; a verdict stands, and one that comes later does too.
func givenUp(t *testing.T, f fixture) {
	const p, r, s, x, c = reconciler.StatusPending, reconciler.StatusRunning, reconciler.StatusSuccess, reconciler.StatusFailed, reconciler.StatusCanceled
	for _, states := range [][]reconciler.StatusState{{c, c}, {p, c, c}, {r, c, c}, {s, c, s}, {x, c, x}, {p, c, s, s}} {
		commit, want := f.Commit(t), states[len(states)-1]
		for _, state := range states[:len(states)-1] {
			f.set(t, commit, plan(state))
		}
		f.wantStanding(t, commit, plan(want))
		f.forge = f.Forge(t) // which remembers nothing
		writes := f.Writes()
		f.set(t, commit, plan(want))
		if n := f.Writes() - writes; n != 0 {
			t.Errorf("%v, and again: %d writes", states, n)
		}
	}
}

func otherText(t *testing.T, f fixture) {
	commit := f.Commit(t)
	f.set(t, commit, plan(reconciler.StatusSuccess))
	other := plan(reconciler.StatusSuccess)
	other.Description = "63 guests"
	f.set(t, commit, other)
	f.wantStanding(t, commit, other)
	other.TargetURL = "https://provost.example.org/passes/8"
	f.set(t, commit, other)
	f.wantStanding(t, commit, other)
}

func independent(t *testing.T, f fixture) {
	one, two := f.Commit(t), f.Commit(t)
	apply := plan(reconciler.StatusFailed)
	apply.Context = reconciler.ContextApply
	f.set(t, one, plan(reconciler.StatusSuccess))
	f.set(t, two, plan(reconciler.StatusFailed))
	f.set(t, one, apply)
	f.wantStanding(t, one, plan(reconciler.StatusSuccess), apply)
	f.wantStanding(t, two, plan(reconciler.StatusFailed))
}

func longText(t *testing.T, f fixture) {
	commit := f.Commit(t)
	s := plan(reconciler.StatusFailed)
	s.Description = strings.Repeat("étudiant\n", 100)
	f.set(t, commit, s)
	f.forge = f.Forge(t)
	f.set(t, commit, s)
	f.wantWrites(t, 1)
	if got := f.Standing(commit)[0].Description; !strings.HasPrefix(got, "étudiant étudiant") || !strings.HasSuffix(got, "…") {
		t.Errorf("the description is %q", got)
	}
}

func concurrent(t *testing.T, f fixture) {
	commit := f.Commit(t)
	var want []reconciler.Status
	var group sync.WaitGroup
	for i := range 12 {
		s := plan(reconciler.StatusSuccess)
		s.Context = fmt.Sprint("provost/", i)
		want = append(want, s)
		group.Go(func() {
			if err := f.forge.SetStatus(t.Context(), commit, "main", s); err != nil {
				t.Errorf("SetStatus(%s): %v", s.Context, err)
			}
		})
	}
	group.Wait()
	f.wantStanding(t, commit, want...)
	f.wantWrites(t, len(want))
	if waits := f.Waits(); len(waits) != 0 {
		t.Errorf("the server was too busy %d times: one at a time", len(waits))
	}
}

func requests(t *testing.T, f fixture) {
	f.Commit(t)
	want := f.OpenRequests(t, 120)
	got, err := f.forge.Requests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d requests are listed, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("request %d is\n%+v, want\n%+v", i, got[i], want[i])
		}
	}
}
