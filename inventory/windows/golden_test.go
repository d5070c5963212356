package windows

import (
	"bytes"
	"encoding/json"
	"flag"
	"log/slog"
	"os"
	"testing"

	"github.com/provost-dev/provost/inventory"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares v, as JSON, with a file below testdata/golden.
func golden(t *testing.T, name string, v any) {
	t.Helper()
	var got bytes.Buffer
	encoder := json.NewEncoder(&got)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	must(t, encoder.Encode(v))
	path := "testdata/golden/" + name
	if *update {
		must(t, os.WriteFile(path, got.Bytes(), 0o644))
	}
	if want := readFile(t, path); got.String() != want {
		t.Errorf("%s differs (-update writes it anew):\n%s", path, got.String())
	}
}

// offline is a system that is never asked anything.
func offline(t testing.TB, cfg Config) *System {
	t.Helper()
	cfg.User, cfg.PasswordFile = `ISIMA\provost`, tempFile(t, "password", secret)
	s, err := New("ad", "isima", cfg, slog.New(slog.DiscardHandler))
	must(t, err)
	return s
}

func TestAnswersBecomeResources(t *testing.T) {
	s := offline(t, Config{
		DNS:  DNSConfig{Servers: []string{"dc1"}, Zones: []string{forward, "lab." + forward}},
		DHCP: DHCPConfig{Servers: []string{"dc1", "dc2"}},
	})
	var said map[string][]section
	must(t, json.Unmarshal([]byte(readFile(t, "testdata/golden/list.json")), &said))
	l := &listing{system: s}
	s.zones(l, newAnswer(s.dns[0], said["dc1"], nil))
	s.allDHCP(l, []answer{newAnswer(s.dhcp[0], said["dc1"], nil), newAnswer(s.dhcp[1], said["dc2"], nil)})
	l.sort()
	golden(t, "list.golden.json", l.Listing)
}

func TestChangesBecomeDocuments(t *testing.T) {
	s := offline(t, Config{
		DNS:  DNSConfig{Servers: []string{"dc1"}, Zones: []string{forward, reverse}},
		DHCP: DHCPConfig{Servers: []string{"dc1", "dc2"}, Scopes: []string{scope25}},
	})
	long := record("vm-a", forward, "A", "192.168.25.20")
	long.Owner.File = "cohorts/" + string(bytes.Repeat([]byte("long-"), 50)) + ".yaml"
	foreign := func(r *inventory.Resource, pairs ...string) *inventory.Resource {
		c := with(r, pairs...)
		c.Owner = inventory.Owner{}
		return c
	}
	documents := map[string]changeDocument{}
	for name, c := range map[string]inventory.Change{
		"record create":       {Action: inventory.Create, After: record("@", forward, "TXT", "v=spf1")},
		"record long mark":    {Action: inventory.Create, After: long},
		"record update":       {Action: inventory.Update, Before: record("20", reverse, "PTR", "a.b"), After: with(record("20", reverse, "PTR", "c.d"), "ttl", "60")},
		"record half made":    {Action: inventory.Update, Before: with(record("vm-a", forward, "A", ""), "ttl", "0"), After: record("vm-a", forward, "A", "192.168.25.20")},
		"record delete":       {Action: inventory.Delete, Before: record("www", forward, "CNAME", "vm-a.etu.isima.fr")},
		"record adopt":        {Action: inventory.Adopt, Before: foreign(record("vm-a", forward, "A", "10.0.0.9")), After: record("vm-a", forward, "A", "192.168.25.20")},
		"reservation create":  {Action: inventory.Create, After: reservation(20, "vm-a")},
		"reservation update":  {Action: inventory.Update, Before: reservation(20, "vm-a"), After: with(reservation(20, "vm-b"), "ip", "192.168.25.120")},
		"reservation renamed": {Action: inventory.Update, Before: with(reservation(20, "vm-a"), "livename", "vm-a.etu.isima.fr"), After: with(reservation(20, "vm-a"), "ip", "192.168.25.120")},
		"reservation adopt":   {Action: inventory.Adopt, Before: foreign(reservation(20, "printer"), "on", "all", "livename", "Printer", "description", "by hand"), After: reservation(20, "vm-a")},
		"reservation delete":  {Action: inventory.Delete, Before: reservation(20, "vm-a")},
		"reservation on dc1":  {Action: inventory.Update, Before: with(reservation(20, "vm-a"), "on", "dc1"), After: reservation(20, "vm-a")},
		"filter create":       {Action: inventory.Create, After: filter(20, "allow")},
		"filter update":       {Action: inventory.Update, Before: with(filter(20, "deny"), "description", "kept"), After: filter(20, "allow")},
		"filter delete":       {Action: inventory.Delete, Before: filter(20, "allow")},
	} {
		c.Key = subject(c).Key
		d, err := s.document(c)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		d.ID = name
		if d.Kind != inventory.KindRecord {
			var ok bool
			if d, ok = d.towards(s.dhcp[1]); !ok {
				t.Errorf("%s: nothing for dc2", name)
			}
		}
		documents[name] = d
	}
	golden(t, "apply.golden.json", documents)
}
