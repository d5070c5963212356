package reconciler

import (
	"cmp"
	"slices"
	"time"

	"github.com/provost-dev/provost/inventory"
)

// settle books the outcomes of a batch. A change without an outcome is unknown:
// only the next pass can tell.
func (w *walk) settle(a answer) {
	w.running--
	outcomes := map[inventory.Key]inventory.Outcome{}
	for _, o := range a.outcomes {
		outcomes[o.Key] = o
	}
	for _, c := range a.batch[0].claims {
		w.held[c.Name]--
	}
	pauses := map[int]Backoff{} // by attempt, so that a batch comes back as one
	for _, t := range a.batch {
		o, ok := outcomes[t.Key]
		if !ok {
			o = inventory.Outcome{Key: t.Key, State: inventory.StateUnknown, Error: msgNoAnswer}
		}
		n := t.try.number
		if _, drawn := pauses[n]; !drawn {
			pauses[n] = w.r.backoff(n)
		}
		w.finish(t, o, pauses[n])
	}
}

// finish books one outcome, or puts the change back for another try after a pause.
func (w *walk) finish(t *task, o inventory.Outcome, pause Backoff) {
	t.running = false
	t.try.state, t.try.err = o.State, o.Error
	t.try.seconds += w.r.now().Sub(t.try.started).Seconds()
	log := w.r.Log.With("key", t.Key, "action", t.Action, "attempt", t.try.number)
	switch o.State {
	case inventory.StateDone:
		log.Info("change done")
		w.tellFollowers(t.Key)
		w.desk.note(t.Change)
	case inventory.StateRetry:
		if !pause.Stop {
			t.try.due = time.Now().Add(pause.Wait)
			w.pausing = append(w.pausing, t)
			log.Info("change tried again", "after", pause.Wait, "error", o.Error)
			return
		}
		fallthrough
	default:
		log.Warn("change not done", "state", o.State, "error", o.Error)
	}
	t.finished = true
	w.news = append(w.news, inventory.Event{Key: t.Key, Text: string(o.State)})
	w.release(t)
}

func (w *walk) tellFollowers(key inventory.Key) {
	for _, managed := range w.r.Systems {
		if follower, ok := managed.System.(Follower); ok {
			follower.Made(key)
		}
	}
}

// release lets the changes that waited for t go on, or blocks them for good.
func (w *walk) release(t *task) {
	for _, needer := range t.needers {
		needer.waits--
		switch {
		case needer.finished:
		case !t.succeeded():
			needer.blocked = say(msgNeeds, t.Key)
			w.coming[needer.Key.System()]--
			needer.finished = true
			w.release(needer)
		case needer.waits == 0:
			w.makeReady(needer)
		}
	}
}

func (t *task) succeeded() bool {
	return t.blocked == "" && t.try != nil && t.try.state == inventory.StateDone
}

// abandon marks what something kept from being started.
func (w *walk) abandon() {
	for _, t := range w.tasks {
		if !t.finished {
			t.finished = true
			switch {
			case t.running: // it was stopped, and waited for long enough
				t.try.state, t.try.err = inventory.StateUnknown, msgNoEnd
			case w.halted == "": // only a circle of needs leaves work undone by itself
				t.blocked = msgCircle
			case t.try == nil:
				t.blocked = w.halted
			}
		}
	}
}

func (t *task) result() Result {
	r := Result{Outcome: inventory.Outcome{Key: t.Key}, Action: t.Action, Owner: t.Owner, Blocked: t.blocked}
	if t.try != nil {
		r.State, r.Error, r.Attempts, r.Seconds = t.try.state, t.try.err, t.try.number, t.try.seconds
	}
	return r
}

func (w *walk) results() []Result {
	results := make([]Result, len(w.tasks))
	for i, t := range w.tasks {
		results[i] = t.result()
	}
	slices.SortFunc(results, func(a, b Result) int { return cmp.Compare(a.Key, b.Key) })
	return results
}
