package plan

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/inventory"
)

// leaving plans that all of a cohort leaves, and lets the guard judge.
func leaving(live []inventory.Resource, how Retention) Plan {
	p := Retain(Diff(Input{Live: live}), live, how)
	declared := Declared{Files: map[string]string{"cohorts/a.yaml": ""}, Units: map[string]int{"cohort/a": 1}}
	p = Guard(p, live, declared, DefaultLimits)
	p.Held = Hold(p)
	return p
}

// The guard judges a machine when it is retired, and at once where nothing is
// kept; what is purged after its days has been judged.
func TestGuardJudgesOnce(t *testing.T) {
	mark := func(live []inventory.Resource, day string) []inventory.Resource {
		var out []inventory.Resource
		for _, r := range live {
			out = append(out, with(r, func(r *inventory.Resource) {
				if r.Key.Kind() == inventory.KindGuest {
					r.Attrs["retired"], r.Attrs["retain"] = day, "30"
				}
			}))
		}
		return out
	}
	due := mark(cohort("a", 9), "2026-01-01")
	for name, c := range map[string]struct {
		live []inventory.Resource
		how  Retention
		held int
	}{
		"nine are retired":            {cohort("a", 9), keeping(30), 9},
		"nine are deleted at once":    {cohort("a", 9), keeping(0), 18}, // with their powers
		"three are retired":           {cohort("a", 3), keeping(30), 0},
		"nine are purged":             {due, keeping(30), 0},
		"nine are kept":               {mark(cohort("a", 9), "2026-11-01"), keeping(30), 0},
		"nine purged, three retired":  {append(slices.Clone(due), cohort("b", 3)...), keeping(30), 3}, // b has no file
		"nine purged, four of a also": {append(slices.Clone(due), rename(cohort("a", 4))...), keeping(30), 4},
	} {
		t.Run(name, func(t *testing.T) {
			p := leaving(c.live, c.how)
			held := 0
			if p.Held != nil {
				held = p.Held.Count
			}
			if held != c.held {
				t.Errorf("%d held back, want %d: %q", held, c.held, lines(p))
			}
		})
	}
}

// rename makes other machines of the same cohort.
func rename(live []inventory.Resource) []inventory.Resource {
	for i := range live {
		live[i].Key = inventory.Key(strings.Replace(string(live[i].Key), "/vm-", "/x-", 1))
	}
	return live
}

// The hash is of what is held back: whatever else is planned, in whatever order
// it was listed, on whatever day, and whether the machines run; and of all of it:
// one machine more, fewer, or another than it was, and it is another.
func TestHashIsOfExactlyThat(t *testing.T) {
	hash := func(live []inventory.Resource, day string) string {
		p := leaving(live, Retention{Day: day, Days: func(inventory.Owner) int { return 30 }})
		if p.Held == nil {
			return ""
		}
		return p.Held.Hash
	}
	first := hash(cohort("a", 6), "2026-11-21")
	if len(first) != 32 {
		t.Fatalf("hash %q", first)
	}
	edit := func(kind, name string, f func(*inventory.Resource)) []inventory.Resource {
		live := cohort("a", 6)
		for i := range live {
			if live[i].Key == inventory.MakeKey("cri", kind, name) {
				live[i] = with(live[i], f)
			}
		}
		return live
	}
	set := func(attr, value string) func(*inventory.Resource) {
		return func(r *inventory.Resource) { r.Attrs[attr] = value }
	}
	shuffled := cohort("a", 6)
	rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	for name, live := range map[string][]inventory.Resource{
		"in another order":    shuffled,
		"one is stopped":      edit("power", "vm-a03", set("state", "stopped")),
		"one is locked":       edit("guest", "vm-a03", set("lock", "backup")),
		"one was migrated":    edit("guest", "vm-a03", set("node", "pve9")),
		"beside foreign ones": append(cohort("a", 6), guest("printer", inventory.Owner{})),
	} {
		if got := hash(live, "2026-11-22"); got != first {
			t.Errorf("%s: another hash", name)
		}
	}
	for name, live := range map[string][]inventory.Resource{
		"one more":            cohort("a", 7),
		"one fewer":           cohort("a", 5),
		"another VMID":        edit("guest", "vm-a03", set("vmid", "20666")),
		"another owner":       edit("guest", "vm-a03", func(r *inventory.Resource) { r.Owner.Student = "eve" }),
		"another disk":        edit("guest", "vm-a03", set("disk", "500")),
		"another description": edit("guest", "vm-a03", set("description", "do not delete")),
	} {
		if got := hash(live, "2026-11-21"); got == first || got == "" {
			t.Errorf("%s: hash %q", name, got)
		}
	}
	days := leaving(cohort("a", 6), keeping(7))
	if days.Held.Hash == first {
		t.Error("kept for 7 days instead of 30: the same hash")
	}
}

// Held is what waits at the gates of the guard and of approval; releasing opens the
// guard's and no other.
func TestReleaseOpensTheGuardOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gates := rapid.SliceOfN(rapid.SampledFrom([]Gate{"", GateGuard, GateApproval, GateFrozen, GateMode, GatePolicy}), 1, 20).Draw(t, "gates")
		var p Plan
		waiting := 0
		for i, g := range gates {
			r := guest("vm-"+string(rune('a'+i)), alice)
			p.Steps = append(p.Steps, Step{Change: inventory.Change{Key: r.Key, Action: inventory.Delete, Before: &r}, Gate: g, Reason: string(g)})
			if g == GateGuard || g == GateApproval {
				waiting++
			}
		}
		if held := Hold(p); (held != nil) != (waiting > 0) || held != nil && (held.Count != waiting || len(held.Steps) != waiting) {
			t.Fatalf("held: %+v, want %d", held, waiting)
		}
		open := Release(p)
		for i, g := range gates {
			if g == GateGuard {
				g = ""
			}
			if open.Steps[i].Gate != g || p.Steps[i].Gate != gates[i] {
				t.Fatalf("step %d: gate %q, was %q", i, open.Steps[i].Gate, gates[i])
			}
		}
	})
}

// What is made or changed is approved as it will be: but for the node that provost
// chooses for it, and what else of the thing is changed by somebody else's commit.
func TestHashOfWhatIsMade(t *testing.T) {
	hash := func(action inventory.Action, before, after map[string]string, fields ...string) string {
		c := inventory.Change{Key: "cri/guest/vm-a", Action: action, Owner: alice, Fields: fields}
		if before != nil {
			c.Before = &inventory.Resource{Key: c.Key, Owner: alice, Attrs: before}
		}
		c.After = &inventory.Resource{Key: c.Key, Owner: alice, Attrs: after}
		return Hold(Plan{Steps: []Step{{Change: c, Gate: GateApproval}}}).Hash
	}
	type attrs = map[string]string
	made := hash(inventory.Create, nil, attrs{"cores": "8", "node": "pve1"})
	changed := hash(inventory.Update, attrs{"cores": "2", "memory": "512"}, attrs{"cores": "8", "memory": "512"}, "cores")
	started := hash(inventory.Update, attrs{"state": "stopped"}, attrs{"state": "running"}, "state")
	for name, c := range map[string]struct {
		got, first string
		same       bool
	}{
		"made on another node":          {hash(inventory.Create, nil, attrs{"cores": "8", "node": "pve2"}), made, true},
		"made larger":                   {hash(inventory.Create, nil, attrs{"cores": "16", "node": "pve1"}), made, false},
		"made with more":                {hash(inventory.Create, nil, attrs{"cores": "8", "node": "pve1", "tags": "gpu"}), made, false},
		"made anew and not made":        {hash(inventory.Replace, nil, attrs{"cores": "8", "node": "pve1"}), made, false},
		"changed to more":               {hash(inventory.Update, attrs{"cores": "2", "memory": "512"}, attrs{"cores": "16", "memory": "512"}, "cores"), changed, false},
		"changed from something else":   {hash(inventory.Update, attrs{"cores": "4", "memory": "512"}, attrs{"cores": "8", "memory": "512"}, "cores"), changed, false},
		"changed, and one field more":   {hash(inventory.Update, attrs{"cores": "2", "memory": "512"}, attrs{"cores": "8", "memory": "999"}, "cores", "memory"), changed, false},
		"changed while it is locked":    {hash(inventory.Update, attrs{"cores": "2", "memory": "512", "lock": "backup"}, attrs{"cores": "8", "memory": "512"}, "cores"), changed, true},
		"moved":                         {hash(inventory.Update, attrs{"node": "a"}, attrs{"node": "c"}, "node"), hash(inventory.Update, attrs{"node": "a"}, attrs{"node": "b"}, "node"), false},
		"stopped instead of started":    {hash(inventory.Update, attrs{"state": "running"}, attrs{"state": "stopped"}, "state"), started, false},
		"whatever is not managed of it": {hash(inventory.Update, attrs{"cores": "2", "memory": "512"}, attrs{"cores": "8"}, "cores"), changed, true},
	} {
		if (c.got == c.first) != c.same {
			t.Errorf("%s: same hash %t, want %t", name, c.got == c.first, c.same)
		}
	}
}
