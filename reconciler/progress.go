package reconciler

import (
	"strings"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// Progress is how far an apply has come, for people who watch.
type Progress struct {
	Events  []inventory.Event // what happened since the last word
	Total   int               // changes to make
	Done    int
	Failed  int
	Blocked int
	Running int
	// Waiting counts the changes that could begin but for a claim, or that
	// need another one first, by what they wait for.
	Waiting map[string]int
}

// tell reports how things stand, after everything that may begin has begun.
func (w *walk) tell() {
	if w.r.Watch == nil {
		return
	}
	p := Progress{Events: w.news, Total: len(w.tasks), Waiting: map[string]int{}}
	w.news = nil
	for _, t := range w.tasks {
		switch {
		case t.result.Blocked != "":
			p.Blocked++
		case t.finished && t.succeeded():
			p.Done++
		case t.finished:
			p.Failed++
		case t.running:
			p.Running++
		default:
			p.Waiting[w.waitsFor(t)]++
		}
	}
	w.r.Watch(p)
}

// waitsFor names what holds a change back: a claim, the kinds of changes it
// needs, or a pause before the next attempt.
func (w *walk) waitsFor(t *task) string {
	if len(t.waits) > 0 {
		kinds := map[string]bool{}
		for need := range t.waits {
			kinds[need.Kind()] = true
		}
		var names []string
		for _, kind := range []string{inventory.KindGuest, inventory.KindReservation, inventory.KindFilter, inventory.KindRecord, inventory.KindPower} {
			if kinds[kind] {
				names = append(names, kind)
			}
		}
		return strings.Join(names, " and ")
	}
	if t.due.After(time.Now()) {
		return "another try"
	}
	return w.limiting(t)
}
