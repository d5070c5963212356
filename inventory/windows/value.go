package windows

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// The types of records that are managed. Others are not even listed.
var recordTypes = []string{"A", "AAAA", "PTR", "CNAME", "TXT"}

// maxText is the longest text that Windows takes in one string of a TXT record.
const maxText = 254

var (
	labelPattern = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)
	macPattern   = regexp.MustCompile(`^([0-9a-f]{2}-){5}[0-9a-f]{2}$`)
)

// canonicalName is a domain name in lower case without its final dot.
func canonicalName(name string) string {
	return strings.TrimSuffix(strings.ToLower(name), ".")
}

// canonicalValue is a record's value in the form of inventory's vocabulary.
func canonicalValue(kind, value string) string {
	switch kind {
	case "A", "AAAA":
		if a, err := netip.ParseAddr(value); err == nil {
			return a.String()
		}
		return value
	case "PTR", "CNAME":
		return canonicalName(value)
	}
	return value
}

// checkValue refuses what Windows would refuse, or would store differently.
func checkValue(kind, value string) error {
	a, _ := netip.ParseAddr(value)
	switch {
	case kind == "A" && !a.Is4():
		return fmt.Errorf("%q is not an IPv4 address", value)
	case kind == "AAAA" && (!a.Is6() || a.Is4In6() || a.Zone() != ""):
		return fmt.Errorf("%q is not an IPv6 address", value)
	case kind == "TXT" && (value == "" || len(value) > maxText):
		return fmt.Errorf("the text has %d characters: Windows takes 1 to %d", len(value), maxText)
	case kind == "TXT" && !isPrintable(value):
		return errors.New("the text holds something other than printable ASCII")
	case kind == "PTR" || kind == "CNAME":
		return checkDomain(value)
	case value != canonicalValue(kind, value):
		return fmt.Errorf("%q is not in canonical form: want %q", value, canonicalValue(kind, value))
	}
	return nil
}

// checkDomain wants a fully qualified name in canonical form.
func checkDomain(name string) error {
	if name == "" || len(name) > 253 {
		return fmt.Errorf("a name of %d characters: want 1 to 253", len(name))
	}
	for label := range strings.SplitSeq(name, ".") {
		if !labelPattern.MatchString(label) {
			return fmt.Errorf("%q is not a label of a name in lower case", label)
		}
	}
	return nil
}

// checkRelative wants a name relative to its zone. One that is fully qualified
// would be taken, and stand there twice in later listings.
func checkRelative(name, zone string) error {
	switch {
	case name == "@":
		return nil
	case name == zone || strings.HasSuffix(name, "."+zone) || strings.HasSuffix(name, "."):
		return fmt.Errorf("name %q is fully qualified: want it relative to %s", name, zone)
	case slices.Contains(strings.Split(name, "."), markLabel):
		return fmt.Errorf("name %q: the label %s is kept for marks", name, markLabel)
	}
	if err := checkDomain(name); err != nil {
		return fmt.Errorf("name %q: %w", name, err)
	}
	return checkDomain(qualified(name, zone))
}

// qualified is the full name of what has a relative name in a zone.
func qualified(name, zone string) string {
	if name == "@" {
		return zone
	}
	return name + "." + zone
}

func isPrintable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// compareAddresses orders addresses as addresses, and anything else as text.
func compareAddresses(a, b string) int {
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	if errX == nil && errY == nil {
		return x.Compare(y)
	}
	return cmp.Compare(a, b)
}
