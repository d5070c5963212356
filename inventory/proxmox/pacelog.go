package proxmox

import (
	"slices"
	"strings"
	"time"
)

// read takes in what the task log tells: whole seconds, so only until something
// was measured. It does not tell a linked clone from a full one: of those of one
// source the quickest is taken for the one and the slowest for the other.
func (p *pace) read(ts []task) {
	spans := map[string][]time.Duration{}
	for _, t := range ts {
		if t.EndTime == "" || t.Status != "OK" {
			continue
		}
		subject := aboutTask(t.Type).subject
		if isClone(t.Type) {
			subject += "/" + string(t.ID)
		}
		spans[subject] = append(spans[subject], max(t.touched().Sub(t.begun()), 200*time.Millisecond))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.initLocked()
	for subject, took := range spans {
		if kind, _, clone := strings.Cut(subject, "/"); clone && isClone(kind) {
			p.logLocked(subject+"/linked", slices.Min(took))
			p.logLocked(subject+"/full", slices.Max(took))
			continue
		}
		var sum time.Duration
		for _, d := range took {
			sum += d
		}
		p.logLocked(subject, sum/time.Duration(len(took)))
	}
}

func (p *pace) logLocked(subject string, took time.Duration) {
	if subject == "" {
		return
	}
	if p.known[subject] == nil {
		p.known[subject] = &record{}
	}
	p.known[subject].log = took
}
