// Package state keeps, in one file of the state directory, what must survive a
// restart and stands on no live system: statuses that no forge has taken yet, and
// the passes that the pages and the badge show. Losing the file loses history
// only; what is live, what is ours and what should be are read in every pass.
//
// It stands below cmd because only the wiring knows it: whoever keeps something
// asks for a reconciler.Shelf. To keep something else, take another shelf.
//
// Saving waits for the disk only where that is asked for, by Sync: one goroutine writes what has come together, so
// that a pass costs a few transactions however much it says. What a kill loses is
// what came within the last transaction, a few milliseconds; what a power cut loses
// is no more, because each transaction is synced.
//
// The package refuses to stop a daemon: a file that cannot be read is set aside,
// one that cannot be written is a line in the log.
package state

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// fileName is the file's name in the state directory.
const fileName = "provost.db"

// openLimit is how long another process may hold the file. No other should: the
// daemon locks its state directory before it opens anything in it.
const openLimit = 5 * time.Second

// Store is the open file. It is safe for concurrent use.
type Store struct {
	db    *bbolt.DB
	log   *slog.Logger
	wake  chan struct{} // one token: something waits, or Close was called
	ended chan struct{} // closed when the writer has ended
	turn  sync.Mutex    // to write: what came later may not be written first

	mu      sync.Mutex
	waiting map[slot][]byte // nil deletes
	closing bool
}

type slot struct{ shelf, name string }

// Open opens the file in dir, or makes it. One that is damaged is set aside under
// another name, with a word in the log, and a new one begun.
func Open(dir string, log *slog.Logger) (*Store, error) {
	path := filepath.Join(dir, fileName)
	if err := damage(path); err != nil {
		aside := fmt.Sprintf("%s.damaged-%s", path, time.Now().UTC().Format("20060102T150405Z"))
		if err := os.Rename(path, aside); err != nil {
			return nil, fmt.Errorf("cannot set the damaged state file aside: %w", err)
		}
		log.Error("the state file is damaged and was set aside: the history of passes begins anew, and statuses that waited are lost",
			"file", path, "aside", aside, "error", err)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: openLimit})
	if err != nil {
		return nil, fmt.Errorf("cannot open the state file %s: %w", path, err)
	}
	s := &Store{db: db, log: log, wake: make(chan struct{}, 1), ended: make(chan struct{}), waiting: map[slot][]byte{}}
	go s.write()
	return s, nil
}

// damage is what is wrong with the content of a file. One that is not there, that
// is empty, or that cannot be read has none.
func damage(path string) error {
	data, err := os.ReadFile(path)
	if err != nil || len(data) == 0 {
		return nil
	}
	return sound(data)
}

// Close writes what waits and closes the file.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.signal()
	<-s.ended
	return s.db.Close()
}

// Shelf is a part of the file with names of its own.
func (s *Store) Shelf(name string) Shelf { return Shelf{s, name} }

// Shelf implements reconciler.Shelf.
type Shelf struct {
	store *Store
	name  string
}

// Load is all that was saved and not removed, by name.
func (h Shelf) Load() (map[string][]byte, error) {
	all := map[string][]byte{}
	err := h.store.db.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(h.name))
		if bucket == nil {
			return nil
		}
		return bucket.ForEach(func(name, value []byte) error {
			all[string(name)] = append([]byte{}, value...)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read %s from the state file: %w", h.name, err)
	}
	return all, nil
}

// Save keeps a value under a name, soon. A nil value removes it.
func (h Shelf) Save(name string, value []byte) {
	h.store.mu.Lock()
	h.store.waiting[slot{h.name, name}] = value
	h.store.mu.Unlock()
	h.store.signal()
}

// Sync returns when what was saved is on the disk, or the log says why it is not.
func (h Shelf) Sync() { h.store.flush() }

func (s *Store) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// write commits what waits, all of it at once, until Close.
func (s *Store) write() {
	defer close(s.ended)
	for range s.wake {
		s.mu.Lock()
		closing := s.closing
		s.mu.Unlock()
		s.flush()
		if closing {
			return
		}
	}
}

// flush commits what waits now.
func (s *Store) flush() {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	batch := s.waiting
	s.waiting = map[slot][]byte{}
	s.mu.Unlock()
	if err := s.commit(batch); err != nil {
		s.log.Error("what should survive a restart cannot be kept", "file", s.db.Path(), "error", err)
	}
}

// Still has all that was saved in the file, and nothing written to it while f runs.
func (s *Store) Still(f func()) {
	s.flush()
	s.turn.Lock()
	defer s.turn.Unlock()
	f()
}

func (s *Store) commit(batch map[slot][]byte) error {
	if len(batch) == 0 {
		return nil
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
		for at, value := range batch {
			bucket, err := tx.CreateBucketIfNotExists([]byte(at.shelf))
			if err != nil {
				return err
			}
			if value == nil {
				err = bucket.Delete([]byte(at.name))
			} else {
				err = bucket.Put([]byte(at.name), value)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
