package plan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory"
)

// cohort is n live students of one cohort, each with a guest and its power.
func cohort(name string, n int) []inventory.Resource {
	var out []inventory.Resource
	for i := range n {
		login := fmt.Sprintf("%s%02d", name, i)
		owner := inventory.Owner{Campus: "isima", File: "cohorts/" + name + ".yaml", Unit: "cohort/" + name, Student: login}
		out = append(out, guest("vm-"+login, owner), power("vm-"+login, "running", "done", owner))
	}
	return out
}

func TestGuard(t *testing.T) {
	big, small := cohort("big", 100), cohort("small", 10)
	live := append(append([]inventory.Resource{}, big...), small...)
	files := map[string]string{"cohorts/big.yaml": "", "cohorts/small.yaml": ""}
	for name, c := range map[string]struct {
		desired []inventory.Resource
		files   map[string]string
		units   map[string]int
		want    string // what every deletion of a guest is blocked by; "" when they go
	}{
		"three may go":              {live[6:], files, map[string]int{"cohort/big": 97, "cohort/small": 10}, ""},
		"ten of a hundred may go":   {live[20:], files, map[string]int{"cohort/big": 90, "cohort/small": 10}, ""},
		"twelve trip every level":   {live[24:], files, map[string]int{"cohort/big": 88, "cohort/small": 10}, "would delete 12 of 100 guests of cohort/big"},
		"four of ten trip the file": {live[:len(live)-8], files, map[string]int{"cohort/big": 100, "cohort/small": 6}, "would delete 4 of 10 guests of cohort/small"},
		"a vanished file":           {live[:len(live)-2], map[string]string{"cohorts/big.yaml": ""}, map[string]int{"cohort/big": 100}, "its file cohorts/small.yaml is gone"},
		"an emptied roster":         {live[:len(live)-2], files, map[string]int{"cohort/big": 100, "cohort/small": 0}, "the roster of cohort/small is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			p := Diff(Input{Desired: c.desired, Live: live})
			p = Guard(p, live, Declared{Files: c.files, Units: c.units}, DefaultLimits).BlockDependants()
			if len(p.Steps) == 0 {
				t.Fatal("nothing to delete")
			}
			for _, s := range p.Steps {
				if s.Blocked() != (c.want != "") || !strings.Contains(s.Reason, c.want) {
					t.Errorf("%s, want %q", line(s), c.want)
				}
			}
		})
	}
}

// A machine whose deletion is refused must not be switched off either.
func TestGuardLeavesPowerAlone(t *testing.T) {
	live := cohort("a", 10)
	p := Guard(Diff(Input{Live: live}), live, Declared{Files: map[string]string{"cohorts/a.yaml": ""}, Units: map[string]int{"cohort/a": 1}}, DefaultLimits)
	if ready := p.Ready(); len(ready) > 0 {
		t.Errorf("%s %s goes on", ready[0].Action, ready[0].Key)
	}
}

func TestBlockDependantsReachesFar(t *testing.T) {
	p := Plan{Steps: []Step{
		{Change: inventory.Change{Key: "s/k/a"}, Gate: GatePolicy, Reason: "no"},
		{Change: inventory.Change{Key: "s/k/b", Needs: []inventory.Key{"s/k/a"}}},
		{Change: inventory.Change{Key: "s/k/c", Needs: []inventory.Key{"s/k/b"}}},
		{Change: inventory.Change{Key: "s/k/d"}},
	}}
	got := p.BlockDependants()
	for i, want := range []Gate{GatePolicy, GateNeeds, GateNeeds, ""} {
		if got.Steps[i].Gate != want {
			t.Errorf("%s: gate %q, want %q", got.Steps[i].Key, got.Steps[i].Gate, want)
		}
	}
	if p.Steps[1].Blocked() {
		t.Error("the receiver was changed")
	}
}
