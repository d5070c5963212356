package schema

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// A format is a regular expression and what the server says when a value does
// not match it; %s stands for the value.
type format struct {
	shape *regexp.Regexp
	text  string
}

// The formats whose rules the double knows. "x-list" is a list of x.
var formats = map[string]format{
	"pve-vmid":          {regexp.MustCompile(`^[1-9][0-9]{2,8}$`), "value does not look like a valid VM ID"},
	"pve-node":          {regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9\-]*[a-zA-Z0-9])?$`), "value does not look like a valid node name"},
	"pve-configid":      {regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]+$`), "invalid configuration ID '%s'"},
	"pve-storage-id":    {regexp.MustCompile(`^[A-Za-z][A-Za-z0-9\-_.]*[A-Za-z0-9]$`), "storage ID '%s' contains illegal characters"},
	"pve-poolid":        {regexp.MustCompile(`^[A-Za-z0-9.\-_]+(?:/[A-Za-z0-9.\-_]+){0,2}$`), "value does not look like a valid pool name"},
	"dns-name":          {regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$`), "value does not look like a valid DNS name"},
	"pve-tag":           {regexp.MustCompile(`^(?i:[a-z0-9_][a-z0-9_\-+.]*)$`), "invalid characters in tag"},
	"mac-addr":          {regexp.MustCompile(`^(?i:[a-f0-9][02468ace](?::[a-f0-9]{2}){5})$`), "value does not look like a valid unicast MAC address"},
	"pve-volume-id":     {regexp.MustCompile(`^[A-Za-z][A-Za-z0-9\-_.]*[A-Za-z0-9]:.+$`), "unable to parse volume ID '%s'"},
	"disk-size":         {regexp.MustCompile(`^\d+(\.\d+)?[KMGT]?$`), "value does not look like a valid disk size: %s"},
	"pve-bridge-id":     {regexp.MustCompile(`^[-_.\w\d]+$`), "invalid bridge ID '%s'"},
	"pve-startup-order": {regexp.MustCompile(`^(?:(?:order=)?\d+|up=\d+|down=\d+)(?:,(?:(?:order=)?\d+|up=\d+|down=\d+))*$`), "unable to parse startup options"},
	"urlencoded":        {regexp.MustCompile(`^[-%a-zA-Z0-9_.!~*'()]*$`), "invalid urlencoded string: %s"},
	"pve-lxc-mp-string": {regexp.MustCompile(`^.+$`), "invalid mount point"},
}

// addresses judge what a regular expression cannot.
var addresses = map[string]struct {
	ok   func(string) bool
	text string
}{
	"ipv4":            {is4, "value does not look like a valid IPv4 address"},
	"ipv6":            {is6, "value does not look like a valid IPv6 address"},
	"address":         {isName, "value does not look like a valid address: %s"},
	"pve-ipv4-config": {isConfig4, "value does not look like a valid ipv4 network configuration"},
	"pve-ipv6-config": {isConfig6, "value does not look like a valid ipv6 network configuration"},
	"CIDR":            {func(s string) bool { return isPrefix(s, is4) || isPrefix(s, is6) }, "value does not look like a valid CIDR network"},
	"lxc-ip-with-ll-iface": {func(s string) bool { return is4(s) || is6(s) },
		"value does not look like a valid ip address: %s"},
}

func is4(s string) bool    { a, err := netip.ParseAddr(s); return err == nil && a.Is4() }
func is6(s string) bool    { a, err := netip.ParseAddr(s); return err == nil && a.Is6() }
func isName(s string) bool { return is4(s) || is6(s) || formats["dns-name"].shape.MatchString(s) }

func isConfig4(s string) bool { return s == "dhcp" || s == "manual" || isPrefix(s, is4) }
func isConfig6(s string) bool {
	return s == "auto" || s == "dhcp" || s == "manual" || isPrefix(s, is6)
}

func isPrefix(s string, ok func(string) bool) bool {
	p, err := netip.ParsePrefix(s)
	return err == nil && ok(p.Addr().String())
}

var separators = regexp.MustCompile(`[,;\s\x00]+`)

// SplitList splits as the server does: at commas, semicolons and spaces.
func SplitList(s string) []string {
	var words []string
	for _, w := range separators.Split(s, -1) {
		if w != "" {
			words = append(words, w)
		}
	}
	return words
}

func (p *Param) checkFormat(path, value string) string {
	if p.Keys != nil {
		_, text := ParseProperties(p.Keys, path, value)
		return text
	}
	if base, ok := strings.CutSuffix(p.Format, "-list"); ok {
		for _, word := range SplitList(value) {
			if text := checkNamed(base, word); text != "" {
				return text
			}
		}
		return ""
	}
	return checkNamed(p.Format, value)
}

func checkNamed(name, value string) string {
	text := ""
	if f, ok := formats[name]; ok && !f.shape.MatchString(value) {
		text = f.text
	}
	if a, ok := addresses[name]; ok && !a.ok(value) {
		text = a.text
	}
	if strings.Contains(text, "%s") {
		return fmt.Sprintf(text, value)
	}
	return text
}

// ParseProperties reads "key=value,…" by the keys it may have, and resolves
// the default key and aliases. text is empty if all is well, else what the
// server says about it.
func ParseProperties(keys map[string]*Param, path, value string) (props map[string]string, text string) {
	props = map[string]string{}
	for part := range strings.SplitSeq(value, ",") {
		if part == "" {
			continue
		}
		k, v, isPair := strings.Cut(part, "=")
		if !isPair {
			k, v = defaultKey(keys), part
			if k == "" {
				return nil, "value without key, but schema does not define a default key"
			}
		}
		p := keys[k]
		if p != nil && p.KeyAlias != "" {
			props[p.KeyAlias] = k
		}
		if p != nil && p.Alias != "" {
			k = p.Alias
		}
		if _, twice := props[k]; twice {
			return nil, "duplicate key in comma-separated list property: " + k
		}
		props[k] = v
	}
	if errs := checkAll(keys, props, nil, path+"."); errs != nil {
		lines := strings.TrimPrefix(errs.Error(), "Parameter verification failed.\n")
		return nil, "format error\n" + lines
	}
	return props, ""
}

func defaultKey(keys map[string]*Param) string {
	for name, p := range keys {
		if p.DefaultKey {
			return name
		}
	}
	return ""
}
