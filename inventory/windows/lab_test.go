package windows

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/inventory/windows/winsim"
)

const (
	forward = "etu.isima.fr"
	reverse = "25.168.192.in-addr.arpa"
	scope25 = "192.168.25.0"
	secret  = "corr3ct horse"
)

// lab is a pair of Windows servers, doubled: dc1 and dc2 share the zones, and
// are fail-over partners for one scope.
type lab struct {
	dc1, dc2 *winsim.Server
	cfg      Config
}

func newLab(t testing.TB) *lab {
	t.Helper()
	return newLabWith(t, winsim.Options{MaxShells: 200})
}

// newLabWith is a lab whose servers have other limits.
func newLabWith(t testing.TB, limits winsim.Options) *lab {
	t.Helper()
	limits.Domain = winsim.NewDomain("isima.fr")
	l := &lab{dc1: startServer(t, limits, "dc1", "dc2"), dc2: startServer(t, limits, "dc2", "dc1")}
	l.dc1.AddZone(forward)
	l.dc1.AddZone(reverse)
	l.cfg = Config{
		DNS:          DNSConfig{Servers: []string{"dc1.isima.fr", "dc2.isima.fr"}, Zones: []string{forward, reverse}},
		DHCP:         DHCPConfig{Servers: []string{"dc1.isima.fr", "dc2.isima.fr"}, Scopes: []string{scope25}},
		User:         `ISIMA\provost`,
		PasswordFile: tempFile(t, "password", secret+"\n"),
		CAFile:       tempFile(t, "ca.pem", string(l.dc1.CACert())+string(l.dc2.CACert())),
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			to := map[string]*winsim.Server{"dc1.isima.fr:5986": l.dc1, "dc2.isima.fr:5986": l.dc2}[address]
			if to == nil {
				return nil, fmt.Errorf("nobody is at %s", address)
			}
			return new(net.Dialer).DialContext(ctx, network, to.Addr())
		},
	}
	return l
}

func startServer(t testing.TB, options winsim.Options, name, partner string) *winsim.Server {
	t.Helper()
	options.Name, options.CommandLine, options.Scripts = name, CommandLine(), Scripts()
	options.Users = []winsim.User{{
		Name: "provost", Password: secret,
		Groups: []string{winsim.DNSAdmins, winsim.DHCPAdministrators},
	}}
	s, err := winsim.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if rejected := s.Rejected(); len(rejected) > 0 {
			t.Errorf("%s did not know %q", name, rejected)
		}
		s.Close()
	})
	err = s.AddScope(winsim.Scope{
		ID: netip.MustParseAddr(scope25), Name: "etu", Partner: partner, Mask: netip.MustParseAddr("255.255.255.0"),
		Start: netip.MustParseAddr("192.168.25.10"), End: netip.MustParseAddr("192.168.25.250"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tempFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// open connects anew, as a new process would.
func (l *lab) open(t testing.TB) *System {
	t.Helper()
	s, err := New("ad", "isima", l.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (l *lab) list(t testing.TB) inventory.Listing {
	t.Helper()
	listing, err := l.open(t).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return listing
}

// live is the resource of a key, or nil.
func (l *lab) live(t testing.TB, key inventory.Key) *inventory.Resource {
	t.Helper()
	return find(l.list(t).Items, key)
}

func find(items []inventory.Resource, key inventory.Key) *inventory.Resource {
	i := slices.IndexFunc(items, func(r inventory.Resource) bool { return r.Key == key })
	if i < 0 {
		return nil
	}
	return &items[i]
}

// apply makes one change and gives its outcome.
func (l *lab) apply(t testing.TB, action inventory.Action, before, after *inventory.Resource) inventory.Outcome {
	t.Helper()
	c := inventory.Change{Action: action, Before: before, After: after}
	c.Key = subject(c).Key
	outcomes := l.open(t).Apply(t.Context(), []inventory.Change{c}, func(inventory.Event) {})
	if len(outcomes) != 1 || outcomes[0].Key != c.Key {
		t.Fatalf("outcomes %v for %s", outcomes, c.Key)
	}
	return outcomes[0]
}

// make applies a change that has to work.
func (l *lab) make(t testing.TB, action inventory.Action, before, after *inventory.Resource) {
	t.Helper()
	if o := l.apply(t, action, before, after); o.State != inventory.StateDone {
		t.Fatalf("%s %s: %s: %s", action, o.Key, o.State, o.Error)
	}
}

func raphael() inventory.Owner {
	return inventory.Owner{Campus: "isima", File: "cohorts/info3.yaml", Unit: "cohort/info3", Student: "rapamato"}
}

func record(name, zone, kind, value string) *inventory.Resource {
	return &inventory.Resource{
		Key:   inventory.MakeKey("ad", inventory.KindRecord, qualified(name, zone), kind),
		Attrs: inventory.Attrs{"zone": zone, "name": name, "type": kind, "value": value, "ttl": "3600"},
		Owner: raphael(),
	}
}

func reservation(n int, name string) *inventory.Resource {
	m := fmt.Sprintf("bc-24-11-00-00-%02x", n)
	return &inventory.Resource{
		Key:   inventory.MakeKey("ad", inventory.KindReservation, scope25, m),
		Attrs: inventory.Attrs{"ip": fmt.Sprintf("192.168.25.%d", n), "mac": m, "name": name, "on": "all"},
		Owner: raphael(),
	}
}

func filter(n int, list string) *inventory.Resource {
	return &inventory.Resource{
		Key:   inventory.MakeKey("ad", inventory.KindFilter, fmt.Sprintf("bc-24-11-00-00-%02x", n)),
		Attrs: inventory.Attrs{"list": list, "on": "all"},
		Owner: raphael(),
	}
}

// with is a copy with other attributes.
func with(r *inventory.Resource, pairs ...string) *inventory.Resource {
	c := r.Clone()
	for pair := range slices.Chunk(pairs, 2) {
		c.Attrs[pair[0]] = pair[1]
	}
	return &c
}

// stands is what is in the zones: "vm-x A 192.168.25.9", marks left out.
func (l *lab) stands() []string {
	var out []string
	for _, r := range l.dc1.Records() {
		if !strings.HasPrefix(r.Name, markLabel) {
			out = append(out, r.Name+" "+r.Type+" "+r.Value)
		}
	}
	return out
}

// marks is how many texts hold marks.
func (l *lab) marks() int {
	n := 0
	for _, r := range l.dc1.Records() {
		if strings.HasPrefix(r.Name, markLabel) {
			n++
		}
	}
	return n
}
