// Package watch tells that files on this machine changed: a local repository's
// branches, the configuration, policies, secrets.
//
// What the kernel tells is a hint. Editors, git and Kubernetes replace files in
// ways that look like removals, packing references removes branches that live
// on, and a burst of events may be lost. So directories are watched and not
// files, events are gathered until it is quiet, and then the content is compared
// with what it was; only a difference counts. To watch something of another
// make, say in target what of it counts.
//
// The package refuses to be relied upon: network file systems tell nothing, so
// whoever watches polls as well, only more slowly.
package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	quiet   = 300 * time.Millisecond // without events, then it is looked at
	longest = 2 * time.Second        // of events without a pause
)

// Watch calls trigger each time after something below paths changed, until ctx
// ends; then it returns nil. A path is a file, a directory, or a git repository,
// bare or not, of which the references count. Each must be there at the start.
// trigger returns soon; while it runs, events only wait.
func Watch(ctx context.Context, paths []string, log *slog.Logger, trigger func()) error {
	w, err := start(paths, log)
	if err != nil {
		return err
	}
	w.run(ctx, trigger)
	return nil
}

type watcher struct {
	notify  *fsnotify.Watcher
	targets []target
	last    fingerprint
	log     *slog.Logger
}

// start watches; what changes after it is seen by run.
func start(paths []string, log *slog.Logger) (*watcher, error) {
	w := &watcher{log: log}
	for _, path := range paths {
		t, err := newTarget(path)
		if err != nil {
			return nil, fmt.Errorf("cannot watch %s: %w", path, err)
		}
		w.targets = append(w.targets, t)
	}
	var err error
	if w.notify, err = fsnotify.NewWatcher(); err != nil {
		return nil, fmt.Errorf("cannot watch files: %w (raise fs.inotify.max_user_instances?)", err)
	}
	if err := w.cover(); err != nil {
		w.notify.Close()
		return nil, err
	}
	w.last = look(w.targets)
	return w, nil
}

// cover watches every directory that counts, new ones among them.
func (w *watcher) cover() error {
	for _, t := range w.targets {
		for _, dir := range t.dirs() {
			err := w.notify.Add(dir)
			if err != nil && !errors.Is(err, os.ErrNotExist) { // gone again already
				return fmt.Errorf("cannot watch %s: %w (raise fs.inotify.max_user_watches?)", dir, err)
			}
		}
	}
	return nil
}

func (w *watcher) run(ctx context.Context, trigger func()) {
	defer w.notify.Close()
	hints := make(chan bool)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		gather(ctx, hints, func(sure bool) { w.compare(sure, trigger) })
	}()
	defer func() { <-ended }()
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-w.notify.Events:
			if ok && w.counts(e.Name) {
				w.hint(ctx, hints, false)
			}
		case err, ok := <-w.notify.Errors:
			if ok {
				w.log.Warn("file events were lost; taking everything for changed", "error", err)
				w.hint(ctx, hints, true)
			}
		}
	}
}

func (w *watcher) hint(ctx context.Context, hints chan<- bool, sure bool) {
	select {
	case hints <- sure:
	case <-ctx.Done():
	}
}

// counts reports whether an event is about a target: a directory that is watched
// for one file's sake tells of its neighbours too.
func (w *watcher) counts(name string) bool {
	for _, t := range w.targets {
		if t.covers(filepath.Clean(name)) {
			return true
		}
	}
	return false
}

// compare looks whether anything is different now. First it covers directories
// that are new, so that nothing written into them later is missed.
func (w *watcher) compare(sure bool, trigger func()) {
	if err := w.cover(); err != nil {
		w.log.Warn("not everything is watched; polling goes on", "error", err)
	}
	now := look(w.targets)
	if now == w.last && !sure {
		return
	}
	w.last = now
	trigger()
}

// gather calls fire after hints, once it was quiet for a moment or went on for
// long. It tells whether any of the hints was sure.
func gather(ctx context.Context, hints <-chan bool, fire func(sure bool)) {
	timer := time.NewTimer(0)
	<-timer.C
	var latest time.Time // when to fire at last; zero while nothing was hinted
	var sure bool
	for {
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case s := <-hints:
			sure = sure || s
			if latest.IsZero() {
				latest = time.Now().Add(longest)
			}
			timer.Reset(min(quiet, time.Until(latest)))
		case <-timer.C:
			fire(sure)
			latest, sure = time.Time{}, false
		}
	}
}
