package faults

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// hour is a rush that is repeated.
type hour struct {
	act
	commits []string
}

// The semesters of a rush, as repositoryOf makes them.
const (
	begun    = iota // what is being made when everybody comes
	asked           // a request: more memory for the wiki
	pushed          // the same, more still
	given           // a request that is closed again
	mended          // what takes over: some have left, one has come
	rushSize = 12   // students
)

func rushHour(t *testing.T) *hour {
	repo, commits := repositoryOf(t,
		semester{students: rushSize, gone: []string{"s11"}},
		semester{students: rushSize, gone: []string{"s11"}, wiki: 3072, after: 1 + begun},
		semester{students: rushSize, gone: []string{"s11"}, wiki: 4096, after: 1 + asked},
		semester{students: rushSize, gone: []string{"s11"}, tp: 1536, after: 1 + begun},
		semester{students: rushSize, gone: []string{"s02", "s12"}, after: 1 + begun},
	)
	return &hour{act{repo: repo, commit: commits[begun]}, commits}
}

// rush is a trial of it on a campus of its own.
func (h *hour) rush(t *testing.T) *Rush {
	trial := h.trial(t)
	trial.Reference, trial.Kept = h.Reference, []string{"s02"}
	return &Rush{
		Trial: trial, Last: h.commits[mended], Open: []string{h.commits[pushed]},
		Others: []string{h.commits[begun], h.commits[asked], h.commits[given]},
		Comings: []Coming{
			{Machines: 2, Do: func(c *Campus) error { return c.Open(branchOf(1 + asked)) }},
			{Machines: 3, Do: func(c *Campus) error { return c.Open(branchOf(1 + given)) }, Silent: true},
			{Machines: 4, Do: func(c *Campus) error { return c.GitLab.Push(project, "main", h.commits[mended]) }},
			{Machines: 8, Do: func(c *Campus) error { return c.GitLab.Push(project, branchOf(1+asked), h.commits[pushed]) }},
			{Machines: 9, Do: func(c *Campus) error { return c.GitLab.CloseMR(project, 2) }},
		},
	}
}

// TestComeAnywhere lets people come while a semester is made, once for every call
// and fault: what is answered, and what a newer commit takes over, is as it should be.
func TestComeAnywhere(t *testing.T) {
	h := rushHour(t)
	synctest.Test(t, func(t *testing.T) { // as it would be if nobody had begun with anything else
		last := act{repo: h.repo, commit: h.commits[mended]}
		var err error
		if h.Reference, err = last.trial(t).Record(); err != nil {
			t.Fatal(err)
		}
	})
	h.Statuses = nil // they tell of machines that are kept
	synctest.Test(t, func(t *testing.T) {
		r := h.rush(t)
		if err := r.Run(NewStrikes()); err != nil {
			t.Fatal(err)
		}
		h.Points = r.points
	})
	cases := h.singles()
	if !all && !calls && *only == "" {
		cases = sample(oneOf(5, cases))
	}
	var broken, next atomic.Int64
	t.Run("cases", func(t *testing.T) {
		for worker := range 4 {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				for n := next.Add(1) - 1; n < int64(len(cases)); n = next.Add(1) - 1 {
					strikes := NewStrikes(cases[n].strikes...)
					var err error
					synctest.Test(t, func(t *testing.T) {
						r := h.rush(t)
						r.Remade = strikes.have(TaskFailed)
						err = r.Run(strikes)
					})
					if err != nil {
						t.Errorf("%v: %v", cases[n].strikes, err)
						broken.Add(1)
					}
					if n%250 == 249 {
						t.Logf("%d of %d cases, broken=%d", n+1, len(cases), broken.Load())
					}
				}
			})
		}
	})
	t.Logf("rush: points=%d cases=%d broken=%d", len(h.Points), len(cases), broken.Load())
}
