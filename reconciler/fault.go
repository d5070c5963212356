package reconciler

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/provost-dev/provost/inventory"
)

// guarded runs what may hold a fault of provost's own, and makes an error of a
// panic: one answer that nobody thought of must not end the daemon of a campus.
// What was panicked with may hold anything, a secret too, so only the runtime's own
// words are told, with the stack, in which there are no texts.
func (r *Reconciler) guarded(what string, f func()) (err error) {
	defer func() {
		fault := recover()
		if fault == nil {
			return
		}
		err = fmt.Errorf(msgFault, what)
		kind := fmt.Sprintf("%T", fault)
		if told, ok := fault.(runtime.Error); ok {
			kind = told.Error()
		}
		r.Log.Error("a fault in provost itself", "in", what, "kind", kind, "stack", string(debug.Stack()))
	}()
	f()
	return nil
}

// lost are the outcomes of changes of which nobody knows how far they went.
func lost(changes []inventory.Change, err error) []inventory.Outcome {
	outcomes := make([]inventory.Outcome, len(changes))
	for i, c := range changes {
		outcomes[i] = inventory.Outcome{Key: c.Key, State: inventory.StateUnknown, Error: err.Error()}
	}
	return outcomes
}
