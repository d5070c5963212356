package reconciler

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	largestKept = 8 << 20   // bytes, packed; a larger pass is remembered until the end of the process
	largestPass = 512 << 20 // bytes, unpacked
)

// Keep takes up the passes that an earlier process left on the shelf, and from now
// on keeps there those that end. It says how many could not be read: they are
// dropped, and nothing else hangs on them.
func (h *History) Keep(shelf Shelf) (dropped int, err error) {
	kept, err := shelf.Load()
	if err != nil {
		return 0, err
	}
	var passes []*Pass
	for name, data := range kept {
		p, err := unpackPass(data)
		if err != nil || p.ID != name {
			shelf.Save(name, nil)
			dropped++
			continue
		}
		passes = append(passes, p)
	}
	slices.SortFunc(passes, func(a, b *Pass) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID))
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shelf = shelf
	h.passes = append(passes, h.passes...)
	h.forget()
	return dropped, nil
}

// shelve keeps a pass that has ended. The lock is held.
func (h *History) shelve(p *Pass) {
	if h.shelf == nil || p.Stage != StageDone {
		return
	}
	if data, err := packPass(p); err == nil && len(data) <= largestKept {
		h.shelf.Save(p.ID, data)
	}
}

// forget drops the oldest passes where there are too many. The lock is held.
func (h *History) forget() {
	n := len(h.passes) - h.keep
	if n <= 0 {
		return
	}
	for _, p := range h.passes[:n] {
		if h.shelf != nil {
			h.shelf.Save(p.ID, nil)
		}
	}
	h.passes = slices.Clone(h.passes[n:])
}

// packPass makes a pass small: its keys and reasons repeat themselves.
func packPass(p *Pass) ([]byte, error) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if err := json.NewEncoder(w).Encode(p); err != nil {
		return nil, fmt.Errorf("cannot keep a pass: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("cannot keep a pass: %w", err)
	}
	return packed.Bytes(), nil
}

func unpackPass(data []byte) (*Pass, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("cannot read a kept pass: %w", err)
	}
	p := &Pass{}
	if err := json.NewDecoder(io.LimitReader(r, largestPass)).Decode(p); err != nil {
		return nil, fmt.Errorf("cannot read a kept pass: %w", err)
	}
	if p.ID == "" || p.Stage != StageDone {
		return nil, errors.New("cannot use a kept pass: it has not ended")
	}
	return p, nil
}
