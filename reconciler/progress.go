package reconciler

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// Progress is how far an apply has come, for people who watch.
type Progress struct {
	Tally                     // of all changes
	Systems []Share           // the same for each system, by name
	Waiting []Wait            // what holds changes back, the most first
	Events  []inventory.Event // what happened since the last word
	// Stopping says that nothing more is begun, and what runs is waited for.
	Stopping bool
}

// Tally counts changes by how they stand. What is in none of its last four
// fields waits.
type Tally struct {
	Total   int
	Done    int
	Failed  int
	Blocked int
	Running int
}

// Ended are the changes of which nothing more is to be expected.
func (t Tally) Ended() int { return t.Done + t.Failed + t.Blocked }

// Share is one system's part of an apply.
type Share struct {
	System string
	Tally
}

// Wait says that some changes could begin but for something.
type Wait struct {
	Count   int
	Changes string // what they are, in the plural: "clones"
	For     string // "template 9000: fan-out 2/8", "their guest and filter"; "" for the pause before another try
}

// String reads "12 clones wait for template 9000: fan-out 2/8".
func (w Wait) String() string {
	one := w.Count == 1
	what, verb, whose := w.Changes, "wait", w.For
	if one {
		what, verb, whose = strings.TrimSuffix(what, "s"), "waits", strings.Replace(whose, "their ", "its ", 1)
	}
	if w.For == "" {
		return fmt.Sprintf("%d %s will be tried again", w.Count, what)
	}
	return fmt.Sprintf("%d %s %s for %s", w.Count, what, verb, whose)
}

// tellGap is between two words to the watcher: a plan of thousands of changes
// must not be counted anew at each of their events.
const tellGap = 100 * time.Millisecond

// tell reports how things stand, after everything that may begin has begun: between
// an end and what begins in its place, a change would seem to wait for nothing. What
// comes too soon after the last word is told later, see [walk.untold].
func (w *walk) tell() {
	if w.r.Watch == nil {
		return
	}
	now := time.Now()
	if w.turn != nil || w.running > 0 && now.Before(w.told.Add(tellGap)) {
		w.behind = true
		return
	}
	w.told, w.behind = now, false
	w.r.Watch(w.progress(now))
	w.news = nil
}

// untold is when the watcher is to hear what it was not told yet, or zero.
func (w *walk) untold() time.Time {
	if !w.behind || w.turn != nil {
		return time.Time{}
	}
	return w.told.Add(tellGap)
}

func (w *walk) progress(now time.Time) Progress {
	p := Progress{Events: w.news, Stopping: w.halted != ""}
	shares := map[string]*Share{}
	held := map[obstacle]int{}
	for _, t := range w.tasks {
		name := t.Key.System()
		if shares[name] == nil {
			shares[name] = &Share{System: name}
		}
		for _, tally := range []*Tally{&p.Tally, &shares[name].Tally} {
			tally.add(t)
		}
		if !t.finished && !t.running {
			held[w.obstacle(t, now)]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(shares)) {
		p.Systems = append(p.Systems, *shares[name])
	}
	p.Waiting = w.explain(held)
	return p
}

func (t *Tally) add(c *task) {
	t.Total++
	switch {
	case c.blocked != "":
		t.Blocked++
	case c.finished && c.succeeded():
		t.Done++
	case c.finished:
		t.Failed++
	case c.running:
		t.Running++
	}
}

// obstacle is what holds a change back: changes that it needs, the pause before
// another try, a claim of its system, that system's patience, or, with none of
// them, a stop.
type obstacle struct {
	kind          string // of the change, where it needs others
	needs         kinds
	pause         bool
	patient       bool
	system, claim string
}

// kinds is a set of the first of neededKinds.
type kinds [5]bool

// neededKinds are those that others need, in the order in which they are told.
var neededKinds = [len(kinds{})]string{
	inventory.KindGuest, inventory.KindReservation, inventory.KindFilter, inventory.KindRecord, inventory.KindPower,
}

// String reads "their guest and filter".
func (k kinds) String() string {
	var names []string
	for i, name := range neededKinds {
		if k[i] {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "other changes"
	}
	last := len(names) - 1
	if last > 0 {
		return "their " + strings.Join(names[:last], ", ") + " and " + names[last]
	}
	return "their " + names[0]
}

func (w *walk) obstacle(t *task, now time.Time) obstacle {
	if t.waits > 0 {
		o := obstacle{kind: t.Key.Kind()}
		for i, need := range t.needs {
			if need != nil && need.finished {
				continue
			}
			if i := slices.Index(neededKinds[:], t.Needs[i].Kind()); i >= 0 {
				o.needs[i] = true
			}
		}
		return o
	}
	if t.try != nil && t.try.due.After(now) {
		return obstacle{pause: true}
	}
	claim := w.limiting(t)
	return obstacle{system: t.Key.System(), claim: claim, patient: claim == "" && w.patient(t)}
}

// explain puts obstacles into words. Different ones may read alike.
func (w *walk) explain(held map[obstacle]int) []Wait {
	counts := map[Wait]int{}
	for o, n := range held {
		counts[w.words(o)] += n
	}
	var waits []Wait
	for wait, n := range counts {
		wait.Count = n
		waits = append(waits, wait)
	}
	slices.SortFunc(waits, func(a, b Wait) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.For, b.For), cmp.Compare(a.Changes, b.Changes))
	})
	return waits
}

func (w *walk) words(o obstacle) Wait {
	explainer, explains := w.r.Systems[o.system].System.(Explainer)
	switch {
	case o.kind == inventory.KindPower:
		return Wait{Changes: "starts", For: o.needs.String()}
	case o.kind != "":
		return Wait{Changes: "changes", For: o.needs.String()}
	case o.pause:
		return Wait{Changes: "changes"}
	case o.patient:
		return Wait{Changes: "changes", For: "others to travel with"}
	case o.claim == "":
		return Wait{Changes: "changes", For: "the next pass"}
	case explains:
		changes, what := explainer.Explain(o.claim)
		return Wait{Changes: changes, For: what}
	}
	return Wait{Changes: "changes", For: o.claim}
}
