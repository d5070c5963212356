package sources

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/provost-dev/provost/reconciler"
)

// letter is a status on its way, as a shelf keeps it for the next process.
type letter struct {
	At     time.Time         `json:"at"` // when it was posted: letters are delivered in that order
	Commit string            `json:"commit"`
	Branch string            `json:"branch,omitempty"`
	Status reconciler.Status `json:"status"`
}

func (l letter) key() statusKey { return statusKey{l.Commit, l.Status.Context} }

// name is a key's on the shelf. A commit is hexadecimal, so that the first slash
// ends it.
func (k statusKey) name() string { return k.commit + "/" + k.context }

func readLetter(data []byte) (letter, error) {
	var l letter
	if err := json.Unmarshal(data, &l); err != nil {
		return l, fmt.Errorf("cannot read a kept status: %w", err)
	}
	if l.Commit == "" || l.Status.Context == "" || l.Status.State == "" {
		return l, errors.New("cannot use a kept status: it lacks its commit, context or state")
	}
	return l, nil
}

// promises reports whether a letter promises a verdict. Whoever takes it up comes to one
// himself, or says that none will come; and another daemon may have come to one meanwhile,
// over which it must not be written.
func (l letter) promises() bool {
	return l.Status.State == reconciler.StatusPending || l.Status.State == reconciler.StatusRunning
}

// keep takes up the verdicts that an earlier process left on the shelf, oldest first, and
// from now on keeps there what waits.
func (q *queue) keep(shelf reconciler.Shelf) error {
	kept, err := shelf.Load()
	if err != nil {
		return err
	}
	var letters []letter
	for name, data := range kept {
		l, err := readLetter(data)
		if err != nil {
			q.log.Warn("a kept status is dropped", "name", name, "error", err)
			shelf.Save(name, nil)
			continue
		}
		if l.promises() {
			shelf.Save(name, nil)
			continue
		}
		letters = append(letters, l)
	}
	slices.SortFunc(letters, func(a, b letter) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.key().name(), b.key().name()))
	})
	q.mu.Lock()
	defer q.mu.Unlock()
	q.shelf = shelf
	for _, key := range q.order {
		q.shelve(key, q.waiting[key])
	}
	for _, l := range letters {
		if q.early[l.key()] {
			if _, waits := q.waiting[l.key()]; !waits {
				shelf.Save(l.key().name(), nil)
			}
			continue
		}
		q.order = append(q.order, l.key())
		q.waiting[l.key()] = job{l.Branch, l.Status, l.At}
	}
	clear(q.early)
	q.signal()
	return nil
}

// shelve keeps a job until it is over. The lock is held: what the shelf is told
// comes in the order in which it happened.
func (q *queue) shelve(key statusKey, j job) {
	if q.shelf == nil {
		return
	}
	data, err := json.Marshal(letter{j.at, key.commit, j.branch, j.status})
	if err != nil {
		q.log.Error("a status cannot be kept", "commit", key.commit, "context", key.context, "error", err)
		return
	}
	q.shelf.Save(key.name(), data)
}

// unshelve forgets a job that is over, unless a newer one waits in its place.
func (q *queue) unshelve(key statusKey) {
	if _, newer := q.waiting[key]; q.shelf != nil && !newer {
		q.shelf.Save(key.name(), nil)
	}
}
