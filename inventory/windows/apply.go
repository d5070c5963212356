package windows

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/provost-dev/provost/inventory"
)

// Apply writes records on the DNS server that answers, reservations and filters
// on every partner: one command per server, all servers at once. A change is
// done when it is done everywhere.
func (s *System) Apply(ctx context.Context, changes []inventory.Change, progress func(inventory.Event)) []inventory.Outcome {
	b := &batch{system: s, changes: changes, progress: progress, verdicts: make([][]verdict, len(changes))}
	work := map[*host][]changeDocument{}
	for _, i := range deletionsFirst(changes) {
		d, err := s.document(changes[i])
		if err != nil {
			b.judge(i, verdict{state: inventory.StateFailed, text: err.Error()})
			continue
		}
		d.ID = strconv.Itoa(i)
		if d.Kind == inventory.KindRecord {
			h := s.writers(0, 1)[0]
			work[h] = append(work[h], d)
			continue
		}
		for _, h := range s.dhcp {
			if d, ok := d.towards(h); ok {
				work[h] = append(work[h], d)
			}
		}
	}
	var wg sync.WaitGroup
	for h, documents := range work {
		wg.Go(func() { b.write(ctx, h, documents) })
	}
	wg.Wait()
	return b.outcomes()
}

// deletionsFirst is the order within a command: what makes room goes before
// what may need it, and otherwise by key, whatever order we were given.
func deletionsFirst(changes []inventory.Change) []int {
	order := make([]int, len(changes))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := changes[a], changes[b]
		if (x.Action == inventory.Delete) != (y.Action == inventory.Delete) {
			if x.Action == inventory.Delete {
				return -1
			}
			return 1
		}
		return cmp.Compare(x.Key, y.Key)
	})
	return order
}

// batch is one call of Apply.
type batch struct {
	system   *System
	changes  []inventory.Change
	progress func(inventory.Event)

	mu       sync.Mutex
	verdicts [][]verdict // by change, one for each server asked
}

// verdict is what became of a change on one server.
type verdict struct {
	state inventory.State
	text  string
}

func (b *batch) judge(i int, v verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.verdicts[i] = append(b.verdicts[i], v)
}

// write has one server make changes, as many in a command as it may take.
func (b *batch) write(ctx context.Context, h *host, documents []changeDocument) {
	for chunk := range slices.Chunk(documents, b.system.cfg.Batch) {
		for _, d := range chunk {
			b.tell(d, "writing on "+h.name)
		}
		results, err := h.apply(ctx, chunk)
		if err != nil && !mayHaveRun(err) {
			chunk, results = b.elsewhere(ctx, h, chunk), nil
		}
		for _, d := range chunk {
			b.judge(d.index(), outcome(h, d, results, err))
		}
	}
}

// elsewhere writes a server's records on another DNS server, since here they
// surely were not written. It judges them, and gives back what is left.
func (b *batch) elsewhere(ctx context.Context, h *host, documents []changeDocument) []changeDocument {
	var records, rest []changeDocument
	for _, d := range documents {
		if d.Kind == inventory.KindRecord {
			records = append(records, d)
		} else {
			rest = append(rest, d)
		}
	}
	if len(records) == 0 || ctx.Err() != nil {
		return documents
	}
	for _, other := range b.system.dns {
		if other == h {
			continue
		}
		results, otherErr := other.apply(ctx, records)
		if otherErr != nil && !mayHaveRun(otherErr) {
			continue
		}
		if otherErr == nil {
			b.system.follow(other)
		}
		for _, d := range records {
			b.judge(d.index(), outcome(other, d, results, otherErr))
		}
		return rest
	}
	return documents
}

func (b *batch) tell(d changeDocument, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.progress(inventory.Event{Key: b.changes[d.index()].Key, Text: text})
}

// index is which change a document speaks of.
func (d changeDocument) index() int {
	i, _ := strconv.Atoi(d.ID)
	return i
}

// outcomes joins the verdicts of all servers: the worst counts, and all that
// is wrong is said.
func (b *batch) outcomes() []inventory.Outcome {
	severity := []inventory.State{inventory.StateDone, inventory.StateRetry, inventory.StateFailed, inventory.StateUnknown}
	outcomes := make([]inventory.Outcome, len(b.changes))
	for i, c := range b.changes {
		o := inventory.Outcome{Key: c.Key, State: inventory.StateDone}
		var texts []string
		if len(b.verdicts[i]) == 0 {
			o.State, texts = inventory.StateFailed, []string{"no server is said to have it"}
		}
		for _, v := range b.verdicts[i] {
			if slices.Index(severity, v.state) > slices.Index(severity, o.State) {
				o.State = v.state
			}
			if v.text != "" && !slices.Contains(texts, v.text) {
				texts = append(texts, v.text)
			}
		}
		slices.Sort(texts)
		o.Error = shown(strings.Join(texts, "; "))
		outcomes[i] = o
	}
	return outcomes
}

// shown is what servers and declarations said, on one line of bounded length.
func shown(s string) string {
	const most = 500
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s))
	if len(runes) > most {
		runes = append(runes[:most-1], '…')
	}
	return string(runes)
}

// result is what apply.ps1 says about one change.
type result struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Changed bool   `json:"changed"`
	remoteError
}

// apply has the server make changes, and gives the results by id.
func (h *host) apply(ctx context.Context, documents []changeDocument) (map[string]result, error) {
	body, err := json.Marshal(applyDocument{Changes: documents})
	if err != nil {
		return nil, &commandError{err: err}
	}
	if err := h.writer.take(ctx); err != nil {
		return nil, &commandError{err: err}
	}
	defer h.writer.release()
	sections, err := h.run(ctx, verbApply, body)
	if err != nil {
		return nil, err
	}
	return decodeResults(sections)
}

func decodeResults(sections []section) (map[string]result, error) {
	results := map[string]result{}
	for _, s := range sections {
		if s.Part != "results" {
			continue
		}
		for _, raw := range s.Items {
			var r result
			if err := json.Unmarshal(raw, &r); err != nil {
				return nil, fmt.Errorf("cannot read a result: %w", err)
			}
			results[r.ID] = r
		}
	}
	return results, nil
}

// outcome is the verdict on a change on one server.
func outcome(h *host, d changeDocument, results map[string]result, err error) verdict {
	switch {
	case err != nil && !mayHaveRun(err):
		return verdict{inventory.StateRetry, err.Error()}
	case err != nil:
		return verdict{inventory.StateUnknown, err.Error()}
	}
	r, ok := results[d.ID]
	switch {
	case !ok:
		return verdict{inventory.StateUnknown, h.name + " gave no result"}
	case r.Status == "done":
		return verdict{state: inventory.StateDone}
	case r.Status == "conflict":
		return verdict{inventory.StateFailed, h.name + ": " + strings.TrimSpace(r.Message)}
	case r.Status == "failed" && r.passing():
		return verdict{inventory.StateRetry, h.name + ": " + r.Error()}
	case r.Status == "failed":
		return verdict{inventory.StateFailed, h.name + ": " + r.Error()}
	}
	return verdict{inventory.StateUnknown, h.name + ": cannot understand the status " + strconv.Quote(r.Status)}
}
