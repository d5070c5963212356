package windows

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/provost-dev/provost/inventory"
)

func TestRefuse(t *testing.T) {
	s := newLab(t).open(t)
	create := func(r *inventory.Resource, pairs ...string) inventory.Change {
		r = with(r, pairs...)
		return inventory.Change{Key: r.Key, Action: inventory.Create, After: r}
	}
	foreign := record("vm-x", forward, "A", "192.168.25.9")
	foreign.Owner = inventory.Owner{}
	several := with(foreign, "value", "192.168.25.9,192.168.25.10")
	ours := record("vm-x", forward, "A", "192.168.25.9")
	strange := record("vm-x", forward, "A", "192.168.25.9")
	strange.Owner.Campus = "other"
	for name, c := range map[string]struct {
		change inventory.Change
		want   string
	}{
		"fine":             {create(ours), ""},
		"zone":             {create(record("x", "uca.fr", "A", "10.0.0.1")), "not managed"},
		"type":             {create(record("x", forward, "SRV", "10.0.0.1")), "not managed"},
		"qualified":        {create(record("x.etu.isima.fr", forward, "A", "10.0.0.1")), "relative"},
		"label of marks":   {create(record("_provost.x", forward, "A", "10.0.0.1")), "kept for marks"},
		"bad label":        {create(record("-x", forward, "A", "10.0.0.1")), "not a label"},
		"wildcard":         {create(record("*", forward, "A", "10.0.0.1")), "not a label"},
		"upper case":       {create(record("X", forward, "A", "10.0.0.1")), "not a label"},
		"long label":       {create(record(strings.Repeat("x", 64), forward, "A", "10.0.0.1")), "not a label"},
		"long name":        {create(record(strings.Repeat("x.", 121)+"x", forward, "A", "10.0.0.1")), "want 1 to 253"},
		"not an address":   {create(record("x", forward, "A", "10.0.0")), "not an IPv4"},
		"wrong family":     {create(record("x", forward, "A", "::1")), "not an IPv4"},
		"mapped":           {create(record("x", forward, "AAAA", "::ffff:10.0.0.1")), "not an IPv6"},
		"not canonical":    {create(record("x", forward, "AAAA", "2001:DB8::1")), "canonical"},
		"target with dot":  {create(record("x", forward, "CNAME", "a.b.")), "not a label"},
		"long text":        {create(record("x", forward, "TXT", strings.Repeat("x", 255))), "1 to 254"},
		"control":          {create(record("x", forward, "TXT", "a\nb")), "printable"},
		"ttl":              {create(ours, "ttl", "soon"), "ttl"},
		"ttl 0":            {create(ours, "ttl", "0"), "ttl"},
		"no ttl":           {create(ours, "ttl", "3600"), ""},
		"attributes":       {create(ours, "name", "vm-y"), "the attributes are those of"},
		"scope":            {create(&inventory.Resource{Key: "ad/reservation/10.0.0.0/bc-24-11-00-00-01", Owner: raphael(), Attrs: inventory.Attrs{"ip": "10.0.0.1", "name": "x"}}), "not managed"},
		"mac":              {create(&inventory.Resource{Key: "ad/filter/bc-24-11-*", Owner: raphael(), Attrs: inventory.Attrs{"list": "allow"}}), "not a MAC"},
		"list":             {create(filter(1, "maybe")), "want allow or deny"},
		"one partner only": {create(filter(1, "allow"), "on", "dc1.isima.fr"), "all fail-over partners"},
		"ip":               {create(reservation(1, "x"), "ip", "::1"), "not an IPv4"},
		"mac differs":      {create(reservation(1, "x"), "mac", "bc-24-11-00-00-02"), "not that of"},
		"name":             {create(reservation(1, "x"), "name", "a b"), "not a label"},
		"observed":         {create(&inventory.Resource{Key: "ad/zone/x", Owner: raphael()}), "only observed"},
		"other system":     {create(&inventory.Resource{Key: "cri/guest/x", Owner: raphael()}), "not of ad"},
		"other campus":     {create(strange), `campus "other"`},
		"foreign update":   {inventory.Change{Key: ours.Key, Action: inventory.Update, Before: foreign, After: ours}, "no mark of ours"},
		"foreign delete":   {inventory.Change{Key: ours.Key, Action: inventory.Delete, Before: foreign}, "no mark of ours"},
		"adopt ours":       {inventory.Change{Key: ours.Key, Action: inventory.Adopt, Before: ours, After: ours}, "somebody's already"},
		"adopt several":    {inventory.Change{Key: ours.Key, Action: inventory.Adopt, Before: several, After: ours}, "not one record"},
		"replace":          {inventory.Change{Key: ours.Key, Action: inventory.Replace, Before: ours, After: ours}, "ever replaced"},
		"incomplete":       {inventory.Change{Key: ours.Key, Action: inventory.Update, After: ours}, "incomplete"},
		"rename":           {inventory.Change{Key: ours.Key, Action: inventory.Update, Before: record("vm-y", forward, "A", "192.168.25.9"), After: ours}, "renamed"},
	} {
		got := s.Refuse(c.change)
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if c.want == "" {
			continue
		}
		if o := s.Apply(t.Context(), []inventory.Change{c.change}, func(inventory.Event) {})[0]; o.State != inventory.StateFailed || o.Error != got {
			t.Errorf("%s: applied: %+v", name, o)
		}
	}
}

func TestConfig(t *testing.T) {
	good := func() Config {
		return Config{
			DNS:  DNSConfig{Servers: []string{"dc1"}, Zones: []string{"Etu.Isima.fr."}},
			DHCP: DHCPConfig{Servers: []string{"dc1:5986", "dc2"}},
			User: "x", PasswordFile: tempFile(t, "password", secret),
		}
	}
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"good":           {func(c *Config) {}, ""},
		"nothing":        {func(c *Config) { c.DNS, c.DHCP = DNSConfig{}, DHCPConfig{} }, "neither"},
		"no zones":       {func(c *Config) { c.DNS.Zones = nil }, "dns.zones"},
		"no servers":     {func(c *Config) { c.DNS.Servers = nil }, "dns.servers"},
		"no user":        {func(c *Config) { c.User = "" }, "user"},
		"auth":           {func(c *Config) { c.Auth = "basic" }, "ntlm or kerberos"},
		"no password":    {func(c *Config) { c.PasswordFile = "" }, "password_file"},
		"password gone":  {func(c *Config) { c.PasswordFile += "x" }, "password_file"},
		"empty password": {func(c *Config) { c.PasswordFile = tempFile(t, "p", "\n") }, "empty"},
		"no authority":   {func(c *Config) { c.CAFile = c.PasswordFile }, "no certificate"},
		"batch":          {func(c *Config) { c.Batch = 301 }, "batch"},
		"timeouts":       {func(c *Config) { c.Timeouts.Operation = time.Hour }, "timeouts"},
		"twice":          {func(c *Config) { c.DHCP.Servers = []string{"dc2", "dc2:5986"} }, "twice"},
		"bad zone":       {func(c *Config) { c.DNS.Zones = []string{"a b"} }, "zone"},
		"bad scope":      {func(c *Config) { c.DHCP.Scopes = []string{"192.168.25"} }, "scope"},
		"bad port":       {func(c *Config) { c.DNS.Servers = []string{"dc1:x"} }, "host:port"},
		"keytab":         {func(c *Config) { c.Auth, c.PasswordFile, c.Kerberos.Keytab = "kerberos", "", "/k" }, ""},
	} {
		cfg := good()
		c.change(&cfg)
		s, err := New("ad", "isima", cfg, slog.New(slog.DiscardHandler))
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if name == "good" && (len(s.hosts) != 2 || s.cfg.DNS.Zones[0] != forward || s.MaxBatch(inventory.Change{}) != 300) {
			t.Errorf("%+v", s.cfg)
		}
	}
}

func TestClaims(t *testing.T) {
	l := newLab(t)
	both := l.open(t)
	l.cfg.DHCP.Servers = l.cfg.DHCP.Servers[1:]
	apart := l.open(t)
	for _, c := range []struct {
		system *System
		key    inventory.Key
		want   string
	}{
		// Whatever may be sent to one server in one command claims the same.
		{both, "ad/record/x/A", "dc1 dc2"}, {both, "ad/filter/x", "dc1 dc2"}, {both, "ad/reservation/x/y", "dc1 dc2"},
		{apart, "ad/record/x/A", "dc1"}, {apart, "ad/filter/x", "dc2"}, {apart, "ad/reservation/x/y", "dc2"},
	} {
		var got []string
		for _, claim := range c.system.Claims(inventory.Change{Key: c.key}) {
			name, _ := strings.CutPrefix(claim.Name, "ad/host/")
			got = append(got, strings.TrimSuffix(name, ".isima.fr"))
			if claim.Limit != 1 {
				t.Errorf("%s: %v", c.key, claim)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s claims %v, want %s", c.key, got, c.want)
		}
	}
	for claim, want := range map[string]string{
		"ad/host/dc1.isima.fr": "DNS server dc1.isima.fr: one command at a time",
		"ad/host/dc2.isima.fr": "DNS and DHCP server dc2.isima.fr: one command at a time",
		"ad/host/dc9":          "ad/host/dc9",
	} {
		if changes, what := apart.Explain(claim); changes != "changes" || what != want {
			t.Errorf("%s: %s wait for %s", claim, changes, what)
		}
	}
}
