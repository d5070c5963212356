package reconciler

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
)

// Promises are the verdicts that somebody waits for: what was said to be pending, or to
// run, on which commit. A pass that goes on to its end keeps them all. But the branch
// moves on and requests are closed or pushed over while a pass reads, applies or is
// killed, and nobody passes over such a commit again: what was promised there is taken
// back, see [Reconciler.breakPromises].
//
// With [Promises.Keep] they outlive the process. Losing them leaves old commits pending,
// and nothing worse.
type Promises struct {
	given map[string][]string // contexts by commit
	shelf Shelf               // nil for nowhere
}

// Keep takes up the promises of earlier processes, and keeps there those that are made
// from now on. It says how many could not be read: they are dropped.
func (p *Promises) Keep(shelf Shelf) (dropped int, err error) {
	kept, err := shelf.Load()
	if err != nil {
		return 0, err
	}
	p.shelf, p.given = shelf, map[string][]string{}
	for commit, data := range kept {
		var contexts []string
		if json.Unmarshal(data, &contexts) != nil || len(contexts) == 0 || slices.Contains(contexts, "") {
			shelf.Save(commit, nil)
			dropped++
			continue
		}
		p.given[commit] = contexts
	}
	return dropped, nil
}

// open reports whether a status is a promise.
func (s Status) open() bool { return s.State == StatusPending || s.State == StatusRunning }

// make books a promise that is about to be given.
func (p *Promises) make(commit string, s Status) {
	if !s.open() || slices.Contains(p.given[commit], s.Context) {
		return
	}
	if p.given == nil {
		p.given = map[string][]string{}
	}
	p.given[commit] = append(slices.Clone(p.given[commit]), s.Context)
	p.save(commit)
	if p.shelf != nil {
		p.shelf.Sync() // a kill may follow the promise at once
	}
}

// keep strikes a promise off where a verdict is on its way.
func (p *Promises) keep(commit string, s Status) {
	if s.open() || !slices.Contains(p.given[commit], s.Context) {
		return
	}
	p.given[commit] = slices.DeleteFunc(slices.Clone(p.given[commit]), func(name string) bool { return name == s.Context })
	if len(p.given[commit]) == 0 {
		delete(p.given, commit)
	}
	p.save(commit)
}

func (p *Promises) save(commit string) {
	if p.shelf == nil {
		return
	}
	var data []byte
	if contexts := p.given[commit]; len(contexts) > 0 {
		data, _ = json.Marshal(contexts) // strings cannot fail
	}
	p.shelf.Save(commit, data)
}

// breakPromises says on every commit that nobody passes over any more that what was
// promised there will not come. Alive are the commits that somebody does pass over: the
// branch's, and the heads of requests. Where a verdict stands after all, because another
// daemon came to one, the source lets that stand.
func (r *Reconciler) breakPromises(ctx context.Context, newest string, alive ...string) {
	for _, commit := range slices.Sorted(maps.Keys(r.Promises.given)) {
		if commit == newest || slices.Contains(alive, commit) {
			continue
		}
		for _, name := range r.Promises.given[commit] {
			r.write(ctx, commit, Status{Context: name, State: StatusCanceled, Description: say(msgGivenUp, short(newest))})
		}
	}
}

// heads are the commits of requests.
func heads(proposals []Proposal) []string {
	commits := make([]string, len(proposals))
	for i, p := range proposals {
		commits[i] = p.Commit
	}
	return commits
}
