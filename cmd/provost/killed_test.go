package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// A daemon that makes the smallest campus true asks for about so much, the look
// before included.
const callsOfAFirstPass = 150

// killed is the story of a daemon that is killed by SIGKILL: what the next one finds
// is what the kernel has left of it.
const killed = `campus students=2
! exec provost daemon --config $CONFIG --log-level error &first&
kill-after %d
wait first
%s
converge
count guests=7 filters=2
unique
foreign
status apply success
`

// TestKilledAnywhere plays the story once for each twelfth of a daemon's first calls,
// with the call drawn by a seed. Every third loses its state directory, too.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	const parts = 12
	dir, rng := t.TempDir(), rand.New(rand.NewPCG(4, 0))
	for i := range parts {
		n := 1 + (i*callsOfAFirstPass+rng.IntN(callsOfAFirstPass))/parts
		lost := ""
		if i%3 == 2 {
			lost = "rm $WORK/world/state"
		}
		if testing.Short() && i%4 != 1 {
			continue
		}
		file := filepath.Join(dir, fmt.Sprintf("at-call-%03d.txtar", n))
		if err := os.WriteFile(file, fmt.Appendf(nil, killed, n, lost), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	testscript.Run(t, storiesIn(dir))
}

// killAfterWord kills what runs in the background as soon as the doubles have been
// asked for so much: kill-after CALLS.
func killAfterWord(ts *testscript.TestScript, neg bool, args []string) {
	s, calls := on(ts), atoi(ts, args[0])
	for deadline := time.Now().Add(patience); s.calls() < calls; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("the doubles were asked %d times only", s.calls())
		}
	}
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Kill())
	}
	ts.Logf("killed after %d calls", s.calls())
}

// calls is how often the doubles were asked since the campus began.
func (s *stage) calls() int {
	n := len(s.world.PVE.Requests()) + len(s.world.GitLab.Requests())
	for _, server := range s.world.Windows {
		for _, times := range server.Commands().Verbs {
			n += times
		}
	}
	return n
}
