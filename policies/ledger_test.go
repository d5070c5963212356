package policies

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler/plan"
)

func TestQuota(t *testing.T) {
	const limits = `
quotas:
  student:
    default: {guests: 3, memory: 16 GiB, cores: 8}
    except:
      rapamato: {memory: 32 GiB}
      free: {memory: unlimited}
  cohort:
    except: {gis3: {disk: 200}}
  cluster:
    except: {cri: {guests: 5}}
`
	amato, ada, bob := student("rapamato"), student("ada"), student("bob")
	gis2 := student("ada")
	gis2.Unit = "cohort/gis2"
	for _, c := range []struct {
		name  string
		live  []inventory.Resource
		steps []plan.Step
		want  string
	}{
		{
			name:  "what fits goes",
			steps: []plan.Step{creates(machine("a", ada, "memory=16384"))},
		}, {
			name:  "what does not fit is denied",
			steps: []plan.Step{creates(machine("a", ada, "memory=40960"))},
			want:  "deny ada: quota: student ada asks 40 GiB of memory of 16 [a]\n",
		}, {
			name:  "an exception counts instead of the default",
			steps: []plan.Step{creates(machine("a", amato, "memory=32768"))},
		}, {
			name:  "the default counts where the exception says nothing",
			steps: []plan.Step{creates(machine("a", amato, "cores=9"))},
			want:  "deny rapamato: quota: student rapamato asks 9 cores of 8 [a]\n",
		}, {
			name:  "an exception may lift a limit",
			steps: []plan.Step{creates(machine("a", student("free"), "memory=999999"))},
		}, {
			name:  "live and planned count together",
			live:  []inventory.Resource{machine("a", ada, "memory=12288")},
			steps: []plan.Step{creates(machine("b", ada, "memory=8192"))},
			want:  "deny ada: quota: student ada asks 20 GiB of memory of 16 [b]\n",
		}, {
			name:  "foreign machines do not count",
			live:  []inventory.Resource{{Key: "cri/foreign/100", Owner: inventory.Owner{}, Attrs: inventory.Attrs{"memory": "999999"}}},
			steps: []plan.Step{creates(machine("b", ada))},
		}, {
			name:  "an adopted machine counts",
			live:  []inventory.Resource{{Key: "cri/foreign/100", Attrs: inventory.Attrs{"memory": "20480"}}},
			steps: []plan.Step{adopts(inventory.Resource{Key: "cri/foreign/100", Attrs: inventory.Attrs{"memory": "20480"}}, "a", ada)},
			want:  "deny ada: quota: student ada asks 20 GiB of memory of 16 [a]\n",
		}, {
			name: "of several newcomers, those that fit go",
			steps: []plan.Step{
				creates(machine("a", ada, "memory=10240")), creates(machine("b", ada, "memory=10240")), creates(machine("c", ada, "memory=6144")),
			},
			want: "deny ada: quota: student ada asks 26 GiB of memory of 16 [b]\n",
		}, {
			name:  "lowering is free, however far above",
			live:  []inventory.Resource{machine("a", ada, "memory=65536")},
			steps: []plan.Step{updates(machine("a", ada, "memory=65536"), machine("a", ada, "memory=32768"))},
		}, {
			name:  "keeping is free, and so is raising something else",
			live:  []inventory.Resource{machine("a", ada, "memory=65536")},
			steps: []plan.Step{updates(machine("a", ada, "memory=65536"), machine("a", ada, "memory=65536", "cores=4"))},
		}, {
			name:  "raising is not",
			live:  []inventory.Resource{machine("a", ada, "memory=65536")},
			steps: []plan.Step{updates(machine("a", ada, "memory=65536"), machine("a", ada, "memory=65537"))},
			want:  "deny ada: quota: student ada asks 64.00 GiB of memory of 16 [a]\n",
		}, {
			name:  "one machine takes another's place",
			live:  []inventory.Resource{machine("z", ada, "memory=16384")},
			steps: []plan.Step{creates(machine("a", ada, "memory=16384")), deletes(machine("z", ada, "memory=16384"))},
		}, {
			name:  "a deletion that is refused frees nothing",
			live:  []inventory.Resource{machine("z", ada, "memory=16384")},
			steps: []plan.Step{creates(machine("a", ada, "memory=16384")), blocked(deletes(machine("z", ada, "memory=16384")))},
			want:  "deny ada: quota: student ada asks 32 GiB of memory of 16 [a]\n",
		}, {
			name:  "one owner's excess is not another's",
			steps: []plan.Step{creates(machine("a", ada, "memory=40960")), creates(machine("b", bob))},
			want:  "deny ada: quota: student ada asks 40 GiB of memory of 16 [a]\n",
		}, {
			name: "what its own quota denies takes no room of the cluster",
			steps: []plan.Step{
				creates(machine("a", ada, "memory=40960", "disk=1")), creates(machine("b", bob, "disk=1")), creates(machine("c", bob, "disk=1")), creates(machine("d", bob, "disk=1")),
				creates(machine("e", amato, "disk=1")), creates(machine("f", amato, "disk=1")),
			},
			want: "deny ada: quota: student ada asks 40 GiB of memory of 16 [a]\n",
		}, {
			name: "a cluster and a cohort are shared, and each owner hears of it",
			steps: []plan.Step{
				creates(machine("a", ada)), creates(machine("b", ada)), creates(machine("c", bob)), creates(machine("d", bob)), creates(machine("e", amato)),
			},
			want: "deny rapamato: quota: cohort gis3 asks 250 GiB of disk of 200 [e]\n",
		}, {
			name:  "moving to another cohort asks that cohort only",
			live:  []inventory.Resource{machine("a", gis2, "disk=201")},
			steps: []plan.Step{updates(machine("a", gis2, "disk=201"), machine("a", ada, "disk=201"))},
			want:  "deny ada: quota: cohort gis3 asks 201 GiB of disk of 200 [a]\n",
		}, {
			name:  "what a declaration does not name stays and counts once",
			live:  []inventory.Resource{machine("a", ada, "memory=16384")},
			steps: []plan.Step{updates(machine("a", ada, "memory=16384"), inventory.Resource{Key: "cri/guest/a", Owner: ada, Attrs: inventory.Attrs{"cores": "8"}})},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := brief(check(t, limitsTree(limits), c.live, c.steps...)); got != c.want {
				t.Errorf("got:\n%swant:\n%s", got, c.want)
			}
		})
	}
}

func adopts(foreign inventory.Resource, name string, owner inventory.Owner) plan.Step {
	after := inventory.Resource{Key: inventory.MakeKey("cri", inventory.KindGuest, name), Owner: owner, Adopts: foreign.Key}
	return plan.Step{Change: inventory.Change{Key: after.Key, Action: inventory.Adopt, Before: &foreign, After: &after, Owner: owner}}
}

func blocked(s plan.Step) plan.Step {
	s.Gate, s.Reason = plan.GateGuard, "too much"
	return s
}

// TestLedgerProperties draws campuses, limits and plans and holds the ledger to
// what it promises.
func TestLedgerProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		live, steps := drawPlan(t)
		l := drawLimits(t)
		stock := stockOf(steps, live, l)

		denied := map[inventory.Key]bool{}
		for _, e := range stock.excess {
			for _, key := range e.beyond {
				denied[key] = true
			}
		}
		end := booksOf(live, l)
		for _, s := range steps {
			by := end.effect(nil, &s)
			if denied[s.Key] && !raises(by) {
				t.Fatalf("%s raises nothing and is denied", s.Key)
			}
			if !denied[s.Key] {
				book(by)
			}
		}
		for h, a := range end.accounts {
			for d, n := range a.booked {
				if most := max(l.of(h)[d], a.before[d]); n > most {
					t.Fatalf("%v ends with %d %s: more than %d", h, n, dimension(d), most)
				}
			}
		}

		slices.Reverse(live)
		if again := stockOf(steps, live, l); fmt.Sprint(again.excess) != fmt.Sprint(stock.excess) {
			t.Fatalf("the order of the live list matters:\n%v\n%v", stock.excess, again.excess)
		}
	})
}

func booksOf(live []inventory.Resource, l limits) *books {
	b := newBooks(l)
	for i := range live {
		if live[i].Key.Kind() == inventory.KindGuest {
			b.has(&live[i])
		}
	}
	b.open()
	return b
}

func stockOf(steps []plan.Step, live []inventory.Resource, l limits) ledger {
	b := booksOf(live, l)
	for _, s := range planOf(steps...).Steps {
		if !s.Blocked() && s.Key.Kind() == inventory.KindGuest {
			b.ask(&s)
		}
	}
	return b.settle()
}

func drawPlan(t *rapid.T) (live []inventory.Resource, steps []plan.Step) {
	size := func(name string) inventory.Resource {
		owner := student(rapid.SampledFrom([]string{"ada", "bob"}).Draw(t, "login"))
		owner.Unit = rapid.SampledFrom([]string{"cohort/a", "cohort/b", "project/c"}).Draw(t, "unit")
		return machine(name, owner,
			fmt.Sprintf("memory=%d", rapid.IntRange(0, 8).Draw(t, "memory")), fmt.Sprintf("cores=%d", rapid.IntRange(0, 4).Draw(t, "cores")))
	}
	for i := range rapid.IntRange(1, 8).Draw(t, "machines") {
		name := fmt.Sprintf("m%d", i)
		switch rapid.IntRange(0, 3).Draw(t, "what") {
		case 0:
			steps = append(steps, creates(size(name)))
		case 1:
			live = append(live, size(name))
		case 2:
			r := size(name)
			live, steps = append(live, r), append(steps, deletes(r))
		case 3:
			before := size(name)
			live, steps = append(live, before), append(steps, updates(before, size(name)))
		}
	}
	return live, steps
}

func drawLimits(t *rapid.T) limits {
	l := defaultLimits()
	for _, scope := range scopes {
		a := noLimits()
		for d := range a {
			if rapid.Bool().Draw(t, "limited") {
				a[d] = rapid.Int64Range(0, 12).Draw(t, "limit")
			}
		}
		l.Quotas[scope] = quota{Default: a}
	}
	return l
}
