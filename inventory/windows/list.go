package windows

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/provost-dev/provost/inventory"
)

// List reads every zone from one DNS server and everything of DHCP from each
// partner, with one command per server, all at once.
func (s *System) List(ctx context.Context) (inventory.Listing, error) {
	answers := s.ask(ctx)
	l := &listing{system: s}
	if len(s.dns) > 0 {
		s.zones(l, s.dnsAnswer(ctx, answers))
	}
	if len(s.dhcp) > 0 {
		s.allDHCP(l, s.dhcpAnswers(answers))
	}
	if !l.read {
		return inventory.Listing{}, fmt.Errorf("cannot read %s: %w", s.name, errors.Join(l.errs...))
	}
	l.sort()
	return l.Listing, nil
}

// ask sends each server its one command.
func (s *System) ask(ctx context.Context) map[*host]answer {
	documents := map[*host]*listDocument{}
	for _, h := range s.hosts {
		documents[h] = &listDocument{Zones: []string{}, Scopes: []string{}}
	}
	for _, h := range s.writers(0, 1) {
		documents[h].Zones = s.cfg.DNS.Zones
	}
	for _, h := range s.dhcp {
		documents[h].DHCP = true
		documents[h].Scopes = append(documents[h].Scopes, s.cfg.DHCP.Scopes...)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	answers := map[*host]answer{}
	for h, document := range documents {
		if len(document.Zones) == 0 && !document.DHCP {
			continue // a DNS server in reserve
		}
		wg.Go(func() {
			a := h.list(ctx, *document)
			mu.Lock()
			defer mu.Unlock()
			answers[h] = a
		})
	}
	wg.Wait()
	return answers
}

func (h *host) list(ctx context.Context, document listDocument) answer {
	body, err := json.Marshal(document)
	if err != nil {
		return newAnswer(h, nil, err)
	}
	sections, err := h.run(ctx, verbList, body)
	return newAnswer(h, sections, err)
}

// dnsAnswer is what the first DNS server said or, when it gave no answer, the
// first of the others that does.
func (s *System) dnsAnswer(ctx context.Context, answers map[*host]answer) answer {
	first := answers[s.writers(0, 1)[0]]
	if first.err == nil {
		return first
	}
	for _, h := range s.writers(1, len(s.dns)) {
		if a := h.list(ctx, listDocument{Zones: s.cfg.DNS.Zones, Scopes: []string{}}); a.err == nil {
			s.follow(h)
			return a
		}
	}
	return first
}

func (s *System) dhcpAnswers(answers map[*host]answer) []answer {
	var of []answer
	for _, h := range s.dhcp {
		of = append(of, answers[h])
	}
	return of
}

// listing gathers what was read and what was not.
type listing struct {
	inventory.Listing
	system *System
	read   bool // something was read
	errs   []error
}

func (l *listing) sort() {
	slices.SortFunc(l.Items, func(a, b inventory.Resource) int { return cmp.Compare(a.Key, b.Key) })
	slices.SortFunc(l.Unknown, func(a, b inventory.Unknown) int { return cmp.Compare(a.Prefix, b.Prefix) })
}

// keep adds the resources of a part that was read, and remembers them.
func (l *listing) keep(part string, items []inventory.Resource) {
	l.read = true
	l.Items = append(l.Items, items...)
	l.system.mu.Lock()
	defer l.system.mu.Unlock()
	l.system.last[part] = items
}

// recall adds what was last known of a part, so that its names and addresses
// stay taken, and gives its keys.
func (l *listing) recall(part string) []inventory.Key {
	l.system.mu.Lock()
	defer l.system.mu.Unlock()
	var keys []inventory.Key
	for _, r := range l.system.last[part] {
		l.Items = append(l.Items, r.Clone())
		keys = append(keys, r.Key)
	}
	return keys
}

// recallAll adds what was last known of every part that begins so.
func (l *listing) recallAll(prefixes ...string) {
	l.system.mu.Lock()
	parts := slices.Sorted(maps.Keys(l.system.last))
	l.system.mu.Unlock()
	for _, part := range parts {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(part, p) }) {
			l.recall(part)
		}
	}
}

// unknown says that nothing is known below a prefix.
func (l *listing) unknown(err error, prefixes ...inventory.Key) {
	if !slices.ContainsFunc(l.errs, func(e error) bool { return e.Error() == err.Error() }) {
		l.errs = append(l.errs, err) // a server that is away is so for every part
	}
	for _, p := range prefixes {
		if !slices.ContainsFunc(l.Unknown, func(u inventory.Unknown) bool { return u.Prefix == p }) {
			l.Unknown = append(l.Unknown, inventory.Unknown{Prefix: p, Reason: err.Error()})
		}
	}
}
