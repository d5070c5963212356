package forgetest

import (
	"slices"
	"strings"
	"testing"

	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge"
)

type fixture struct {
	Server
	forge        sources.Forge
	knowsRunning bool
}

func plan(state reconciler.StatusState) reconciler.Status {
	return reconciler.Status{
		Context: reconciler.ContextPlan, State: state,
		Description: "62 guests, 124 records: " + string(state), TargetURL: "https://provost.example.org/passes/7",
	}
}

// set sets a status that must come to stand.
func (f fixture) set(t *testing.T, commit string, s reconciler.Status) {
	t.Helper()
	if err := f.forge.SetStatus(t.Context(), commit, "main", s); err != nil {
		t.Fatalf("SetStatus(%s %s): %v", s.Context, s.State, err)
	}
}

// refuse sets a status and gives the error that must come of it.
func (f fixture) refuse(t *testing.T, commit string, permanent bool) error {
	t.Helper()
	err := f.forge.SetStatus(t.Context(), commit, "main", plan(reconciler.StatusSuccess))
	if err == nil {
		t.Fatal("SetStatus gave no error")
	}
	if forge.Permanent(err) != permanent {
		t.Errorf("Permanent(%v) is %t, want %t", err, !permanent, permanent)
	}
	if strings.Contains(err.Error(), Token) {
		t.Errorf("the error holds the token: %v", err)
	}
	if !strings.HasPrefix(err.Error(), "cannot ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("the error is not one line that begins with cannot: %q", err)
	}
	return err
}

// wantStanding compares what stands on a commit.
func (f fixture) wantStanding(t *testing.T, commit string, want ...reconciler.Status) {
	t.Helper()
	if !f.knowsRunning {
		for i := range want {
			if want[i].State == reconciler.StatusRunning {
				want[i].State = reconciler.StatusPending
			}
		}
	}
	got := f.Standing(commit)
	for _, list := range [][]reconciler.Status{got, want} {
		slices.SortFunc(list, func(a, b reconciler.Status) int { return strings.Compare(a.Context, b.Context) })
	}
	if !slices.Equal(got, want) {
		t.Errorf("on the commit stand\n%+v, want\n%+v", got, want)
	}
}

func (f fixture) wantWrites(t *testing.T, want int) {
	t.Helper()
	if got := f.Writes(); got != want {
		t.Errorf("%d statuses were written, want %d", got, want)
	}
}
