package forgetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources/forge"
)

func downAndUp(t *testing.T, f fixture) {
	commit := f.Commit(t)
	f.Down()
	f.refuse(t, commit, false)
	if _, err := f.forge.Requests(t.Context()); err == nil || forge.Permanent(err) {
		t.Errorf("Requests of a forge that is down gave %v", err)
	}
	f.Up()
	f.set(t, commit, plan(reconciler.StatusSuccess))
	f.wantStanding(t, commit, plan(reconciler.StatusSuccess))
}

func lostAnswer(t *testing.T, f fixture) {
	commit := f.Commit(t)
	f.DropWrite()
	f.refuse(t, commit, false)
	f.set(t, commit, plan(reconciler.StatusSuccess))
	f.wantStanding(t, commit, plan(reconciler.StatusSuccess))
	f.wantWrites(t, 1)
}

func waitALittle(t *testing.T, f fixture) {
	commit := f.Commit(t)
	f.Answer(429, 7*time.Second)
	f.set(t, commit, plan(reconciler.StatusSuccess))
	f.wantStanding(t, commit, plan(reconciler.StatusSuccess))
	if got := f.Waits(); !slices.Equal(got, []time.Duration{7 * time.Second}) {
		t.Errorf("it waited %v, want the 7s it was told", got)
	}
}

func waitForLong(t *testing.T, f fixture) {
	f.Answer(429, time.Hour)
	f.refuse(t, f.Commit(t), false)
	if got := f.Waits(); len(got) != 0 {
		t.Errorf("it waited %v and blocked its caller", got)
	}
}

func waitForEver(t *testing.T, f fixture) {
	for range 20 {
		f.Answer(429, 0)
	}
	f.refuse(t, f.Commit(t), false)
	waits := f.Waits()
	if len(waits) == 0 || len(waits) > 10 {
		t.Fatalf("it waited %d times", len(waits))
	}
	for i, d := range waits[1:] {
		if d < waits[i] {
			t.Errorf("it waited %v: each wait has to be longer", waits)
		}
	}
}

func serverTrouble(t *testing.T, f fixture) {
	commit := f.Commit(t)
	for _, status := range []int{500, 502, 503} {
		f.Answer(status, 0)
		f.refuse(t, commit, false)
	}
	f.set(t, commit, plan(reconciler.StatusSuccess))
}

func unknownCommit(t *testing.T, f fixture) {
	f.Commit(t)
	f.refuse(t, strings.Repeat("0123456789", 4), true)
}

func noRights(t *testing.T, f fixture) {
	commit := f.Commit(t)
	f.Revoke()
	f.refuse(t, commit, true)
}

func hanging(t *testing.T, f fixture) {
	commit := f.Commit(t)
	f.Hang()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := f.forge.SetStatus(ctx, commit, "main", plan(reconciler.StatusSuccess)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("SetStatus gave %v, want the context's error", err)
	}
}
