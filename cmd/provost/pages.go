package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"

	"github.com/provost-dev/provost/reconciler/web"
)

// PagesConfig says who may see the pages, and how they are served.
type PagesConfig struct {
	TokenFile  string   `yaml:"token_file"`  // a token that opens them
	Proxies    []string `yaml:"proxies"`     // addresses of reverse proxies that have logged people in
	UserHeader string   `yaml:"user_header"` // where they say whom; X-Forwarded-User where left out
	Badge      string   `yaml:"badge"`       // public (the default) or private
	CertFile   string   `yaml:"cert_file"`   // for TLS
	KeyFile    string   `yaml:"key_file"`
}

// checkPages finds what is wrong with listen: and pages:.
func (c *Config) checkPages() (errs []error) {
	p := c.Pages
	if p.Badge != "" && p.Badge != "public" && p.Badge != "private" {
		errs = append(errs, fmt.Errorf("pages.badge: %q is neither public nor private", p.Badge))
	}
	if (p.CertFile == "") != (p.KeyFile == "") {
		errs = append(errs, errors.New("pages: cert_file and key_file go together"))
	}
	if p.UserHeader != "" && len(p.Proxies) == 0 {
		errs = append(errs, errors.New("pages.user_header: anybody could send it: name the proxies whose word counts"))
	}
	if _, err := prefixes(p.Proxies); err != nil {
		errs = append(errs, fmt.Errorf("pages.proxies: %w", err))
	}
	if p.TokenFile == "" && len(p.Proxies) == 0 && c.Listen != "" && onLoopback(c.Listen) != nil {
		errs = append(errs, fmt.Errorf("listen: %s is reached from elsewhere, and the pages tell of everybody's machines: give pages.token_file or pages.proxies", c.Listen))
	}
	return errs
}

// prefixes reads addresses, and networks in the form 10.0.0.0/24.
func prefixes(texts []string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, text := range texts {
		if addr, err := netip.ParseAddr(text); err == nil {
			list = append(list, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/24", text)
		}
		list = append(list, prefix)
	}
	return list, nil
}

// access is who may see the pages.
func (c *Config) access() (web.Access, error) {
	p := c.Pages
	proxies, err := prefixes(p.Proxies)
	if err != nil {
		return web.Access{}, fmt.Errorf("pages.proxies: %w", err)
	}
	a := web.Access{
		TokenFile: p.TokenFile, Proxies: proxies, UserHeader: p.UserHeader, PublicBadge: p.Badge != "private",
		OverTLS: p.CertFile != "" || strings.HasPrefix(c.PublicURL, "https://"),
	}
	if a.UserHeader == "" {
		a.UserHeader = "X-Forwarded-User"
	}
	if err := a.Check(); err != nil {
		return web.Access{}, fmt.Errorf("pages: %w", err)
	}
	return a, nil
}

// secure is how the pages are served over TLS; nil where they are not.
func (p PagesConfig) secure(log *slog.Logger) (*tls.Config, error) {
	if p.CertFile == "" {
		return nil, nil
	}
	secure, err := web.TLS(p.CertFile, p.KeyFile, log)
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	return secure, nil
}
