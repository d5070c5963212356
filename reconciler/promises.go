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
	open  map[string][]string // contexts by commit
	shelf Shelf               // nil for nowhere
}

// Keep takes up the promises of earlier processes, and keeps there those that are made
// from now on. It says how many could not be read: they are dropped.
func (p *Promises) Keep(shelf Shelf) (dropped int, err error) {
	kept, err := shelf.Load()
	if err != nil {
		return 0, err
	}
	p.shelf, p.open = shelf, map[string][]string{}
	for commit, data := range kept {
		var contexts []string
		if json.Unmarshal(data, &contexts) != nil || len(contexts) == 0 {
			shelf.Save(commit, nil)
			dropped++
			continue
		}
		p.open[commit] = contexts
	}
	return dropped, nil
}

// note books a status that is about to be written.
func (p *Promises) note(commit string, s Status) {
	open := s.State == StatusPending || s.State == StatusRunning
	contexts := p.open[commit]
	if slices.Contains(contexts, s.Context) == open {
		return
	}
	if open {
		contexts = append(slices.Clone(contexts), s.Context)
	} else {
		contexts = slices.DeleteFunc(slices.Clone(contexts), func(name string) bool { return name == s.Context })
	}
	if p.open == nil {
		p.open = map[string][]string{}
	}
	if p.open[commit] = contexts; len(contexts) == 0 {
		delete(p.open, commit)
	}
	p.save(commit)
}

func (p *Promises) save(commit string) {
	if p.shelf == nil {
		return
	}
	var data []byte
	if contexts := p.open[commit]; len(contexts) > 0 {
		data, _ = json.Marshal(contexts) // strings cannot fail
	}
	p.shelf.Save(commit, data)
}

// breakPromises says on every commit that nobody passes over any more that what was
// promised there will not come. Alive are the commits that somebody does pass over: the
// branch's, and the heads of requests. Where a verdict stands after all, because another
// daemon came to one, the source lets that stand.
func (r *Reconciler) breakPromises(ctx context.Context, newest string, alive ...string) {
	for _, commit := range slices.Sorted(maps.Keys(r.Promises.open)) {
		if commit == newest || slices.Contains(alive, commit) {
			continue
		}
		for _, name := range r.Promises.open[commit] {
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
