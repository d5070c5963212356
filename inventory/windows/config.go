package windows

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Config says which servers there are, what of them is managed, and how to log
// in. Passwords come from files and are read anew at each login, so that they
// can be changed without a restart.
type Config struct {
	DNS  DNSConfig  `yaml:"dns"`
	DHCP DHCPConfig `yaml:"dhcp"`

	// User is DOMAIN\user or user@domain for NTLM, and user@REALM for Kerberos.
	User         string         `yaml:"user"`
	PasswordFile string         `yaml:"password_file"`
	CAFile       string         `yaml:"ca_file"` // PEM; empty means the system's authorities
	Auth         string         `yaml:"auth"`    // ntlm (the default) | kerberos
	Kerberos     KerberosConfig `yaml:"kerberos"`
	Timeouts     TimeoutConfig  `yaml:"timeouts"`
	Batch        int            `yaml:"batch"` // changes in one command; 300 at most, and by default

	// Dial opens connections; nil means TCP. Tests put memory in its place.
	Dial func(ctx context.Context, network, address string) (net.Conn, error) `yaml:"-"`
}

// DNSConfig names the servers of Active Directory's zones, in order of
// preference, and the zones to manage, forward and reverse.
type DNSConfig struct {
	Servers []string `yaml:"servers"` // host:port; the port of WinRM over HTTPS is 5986
	Zones   []string `yaml:"zones"`
}

// DHCPConfig names all fail-over partners and the scopes to manage; no scopes
// means every scope there is.
type DHCPConfig struct {
	Servers []string `yaml:"servers"`
	Scopes  []string `yaml:"scopes"`
}

// KerberosConfig is needed for auth: kerberos only.
type KerberosConfig struct {
	Config string `yaml:"config"` // default /etc/krb5.conf
	Keytab string `yaml:"keytab"` // instead of password_file
}

// TimeoutConfig bounds a connection, one exchange of messages, and a command.
type TimeoutConfig struct {
	Connect   time.Duration `yaml:"connect"`   // default 10 s
	Operation time.Duration `yaml:"operation"` // default 20 s
	Command   time.Duration `yaml:"command"`   // default 5 min
}

// The ways to log in.
const (
	authNTLM     = "ntlm"
	authKerberos = "kerberos"
)

// maxBatch is how many changes fit one command: its JSON stays well below the
// 2 MB at which ConvertFrom-Json of Windows PowerShell 5.1 gives up.
const maxBatch = 300

// withDefaults fills what was left out and brings names into one form.
func (c Config) withDefaults() Config {
	c.Auth = cmp.Or(c.Auth, authNTLM)
	c.Batch = cmp.Or(c.Batch, maxBatch)
	c.Timeouts.Connect = cmp.Or(c.Timeouts.Connect, 10*time.Second)
	c.Timeouts.Operation = cmp.Or(c.Timeouts.Operation, 20*time.Second)
	c.Timeouts.Command = cmp.Or(c.Timeouts.Command, 5*time.Minute)
	c.Kerberos.Config = cmp.Or(c.Kerberos.Config, "/etc/krb5.conf")
	c.DNS.Servers = withPorts(c.DNS.Servers)
	c.DHCP.Servers = withPorts(c.DHCP.Servers)
	c.DNS.Zones = slices.Clone(c.DNS.Zones)
	for i, zone := range c.DNS.Zones {
		c.DNS.Zones[i] = canonicalName(zone)
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: c.Timeouts.Connect, KeepAlive: 30 * time.Second}).DialContext
	}
	return c
}

func withPorts(servers []string) []string {
	out := slices.Clone(servers)
	for i, s := range out {
		if _, _, err := net.SplitHostPort(s); err != nil {
			out[i] = net.JoinHostPort(strings.Trim(s, "[]"), "5986")
		}
	}
	return out
}

func (c Config) check() error {
	switch {
	case len(c.DNS.Servers) == 0 && len(c.DHCP.Servers) == 0:
		return errors.New("there is neither a DNS nor a DHCP server")
	case len(c.DNS.Servers) > 0 && len(c.DNS.Zones) == 0:
		return errors.New("dns.zones is empty: say which zones to manage")
	case len(c.DNS.Servers) == 0 && len(c.DNS.Zones) > 0:
		return errors.New("dns.servers is empty: say who serves dns.zones")
	case c.User == "":
		return errors.New("user is missing")
	case c.Auth != authNTLM && c.Auth != authKerberos:
		return fmt.Errorf("auth is %q: want ntlm or kerberos", c.Auth)
	case c.PasswordFile == "" && (c.Auth == authNTLM || c.Kerberos.Keytab == ""):
		return errors.New("password_file is missing")
	case c.Batch < 1 || c.Batch > maxBatch:
		return fmt.Errorf("batch is %d: want 1 to %d", c.Batch, maxBatch)
	case c.Timeouts.Connect < 0 || c.Timeouts.Operation < time.Second || c.Timeouts.Command < c.Timeouts.Operation:
		return errors.New("timeouts: want operation of at least 1s, and command no shorter than operation")
	}
	return c.checkNames()
}

func (c Config) checkNames() error {
	for _, servers := range [][]string{c.DNS.Servers, c.DHCP.Servers} {
		for i, s := range servers {
			if slices.Contains(servers[:i], s) {
				return fmt.Errorf("server %s is named twice", s)
			}
		}
	}
	for _, zone := range c.DNS.Zones {
		if err := checkDomain(zone); err != nil {
			return fmt.Errorf("zone %q: %w", zone, err)
		}
	}
	for _, scope := range c.DHCP.Scopes {
		if a, err := netip.ParseAddr(scope); err != nil || !a.Is4() {
			return fmt.Errorf("scope %q is not an IPv4 network such as 192.168.25.0", scope)
		}
	}
	return nil
}
