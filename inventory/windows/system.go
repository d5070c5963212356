package windows

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/provost-dev/provost/inventory"
)

// System is Windows DNS and DHCP. It may be used concurrently.
type System struct {
	name   string
	campus string
	cfg    Config
	log    *slog.Logger

	hosts []*host // every server once
	dns   []*host // in order of preference
	dhcp  []*host // all fail-over partners

	mu   sync.Mutex
	lead int                             // index into dns of the server that answers
	last map[string][]inventory.Resource // what each part held when it was last read
}

// New makes the system called name, as keys begin with it. It reads the files
// that the configuration names, and connects to nothing.
func New(name, campus string, cfg Config, log *slog.Logger) (*System, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("cannot use the configuration of %s: %w", name, err)
	}
	s := &System{
		name: name, campus: campus, cfg: cfg, log: log.With("system", name),
		last: map[string][]inventory.Resource{},
	}
	for _, address := range slices.Concat(cfg.DNS.Servers, cfg.DHCP.Servers) {
		if err := s.addHost(address); err != nil {
			return nil, fmt.Errorf("cannot use the configuration of %s: %w", name, err)
		}
	}
	if cfg.PasswordFile != "" {
		if _, err := readSecret(cfg.PasswordFile); err != nil {
			return nil, err
		}
	}
	s.dns, s.dhcp = s.hostsAt(cfg.DNS.Servers), s.hostsAt(cfg.DHCP.Servers)
	s.nameHosts()
	return s, nil
}

func (s *System) addHost(address string) error {
	if len(s.hostsAt([]string{address})) > 0 {
		return nil
	}
	h, err := newHost(address, s.cfg)
	if err == nil {
		s.hosts = append(s.hosts, h)
	}
	return err
}

// nameHosts calls a server by its host alone, where no other has the same.
func (s *System) nameHosts() {
	count := map[string]int{}
	for _, h := range s.hosts {
		count[h.tls.ServerName]++
	}
	for _, h := range s.hosts {
		if h.name = h.tls.ServerName; count[h.name] > 1 {
			h.name = h.address
		}
	}
}

func (s *System) hostsAt(addresses []string) []*host {
	var hosts []*host
	for _, a := range addresses {
		for _, h := range s.hosts {
			if h.address == a {
				hosts = append(hosts, h)
			}
		}
	}
	return hosts
}

// Close takes our shells away on the servers, all at once, so that they do not
// count against the user's quota until they have been idle for long enough. What
// still runs in them is ended. It takes seconds at most, whoever does not answer;
// a system that is used again opens new ones.
func (s *System) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	errs := make([]error, len(s.hosts))
	var wg sync.WaitGroup
	for i, h := range s.hosts {
		wg.Go(func() { errs[i] = h.close(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// MaxBatch is how many changes go into one command, whatever they are.
func (s *System) MaxBatch(inventory.Change) int { return s.cfg.Batch }

// Patient lets what nobody waits for travel with what comes later: a command takes
// a second or more, however little it does.
func (s *System) Patient(inventory.Change) bool { return true }

// Claims says that a server has one writer: DNS is written on the server that
// answers, reservations and filters on every partner. Where the one that answers
// is a partner, records claim what reservations do: only changes that claim the
// same travel together, and a command more costs more than a partner that waits.
func (s *System) Claims(c inventory.Change) []inventory.Claim {
	hosts := s.dhcp
	if c.Key.Kind() == inventory.KindRecord {
		writers := s.writers(0, 1)
		if !slices.ContainsFunc(writers, func(h *host) bool { return slices.Contains(s.dhcp, h) }) {
			hosts = writers
		}
	}
	var claims []inventory.Claim
	for _, h := range hosts {
		claims = append(claims, inventory.Claim{Name: s.claim(h), Limit: 1})
	}
	return claims
}

func (s *System) claim(h *host) string { return s.name + "/host/" + h.name }

// Explain says which server takes one command at a time.
func (s *System) Explain(claim string) (changes, what string) {
	for _, h := range s.hosts {
		if s.claim(h) != claim {
			continue
		}
		var roles []string
		if slices.Contains(s.dns, h) {
			roles = append(roles, "DNS")
		}
		if slices.Contains(s.dhcp, h) {
			roles = append(roles, "DHCP")
		}
		return "changes", strings.Join(roles, " and ") + " server " + h.name + ": one command at a time"
	}
	return "changes", claim
}

// Refuse gives the reason why a change cannot be made, or "".
func (s *System) Refuse(c inventory.Change) string {
	if _, err := s.document(c); err != nil {
		return err.Error()
	}
	return ""
}

// writers are the DNS servers from the from-th to the to-th choice. The server
// that answered last stays the first choice: what was written there may not
// have been replicated to the others yet.
func (s *System) writers(from, to int) []*host {
	s.mu.Lock()
	defer s.mu.Unlock()
	order := slices.Concat(s.dns[s.lead:], s.dns[:s.lead])
	return order[min(from, len(order)):min(to, len(order))]
}

// follow makes a DNS server the first choice.
func (s *System) follow(h *host) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.dns, h); i >= 0 && i != s.lead {
		s.log.Warn("another DNS server takes over", "server", h.name)
		s.lead = i
	}
}

func (s *System) key(kind string, name ...string) inventory.Key {
	return inventory.MakeKey(s.name, kind, name...)
}
