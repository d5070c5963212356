package projects

import (
	"strings"
	"unicode"

	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
)

// What names must look like. They stand in the JSON Schema too.
var (
	// Keys, records and tags are lower case; so that two spellings of one name
	// cannot be two machines, host names must be written so.
	hostLike  = labels(like(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`, "a host name", "use lower case letters, digits and dashes, with dots between"))
	loginLike = letters("a-z0-9", "._-", 32, "a login", "use lower case letters, digits, dots, dashes and underscores, 32 at most")
	nameLike  = letters("A-Za-z0-9", "._-", 63, "a name", "use letters, digits, dots, dashes and underscores")
	unitLike  = letters("a-z0-9", "._-", 63, "a name", "use lower case letters, digits, dots, dashes and underscores")
	// A host name may hold {login}, {n} and {n:02}.
	hostPattern = like(`^[a-z0-9.{}:-]{1,253}$`, "a host name", "use lower case letters, digits and dashes; {login} and {n} are filled in")
	recordLike  = like(`^(@|[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*)$`, "a DNS name", "use lower case letters, digits, dashes and underscores, with dots between")
	macLike     = like(`^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$`, "a MAC address", "write it as 02:1A:2B:3C:4D:5E")
	featureLike = like(`^(nesting|keyctl|fuse|mknod|force_rw_sys)=[01]$`, "a feature", "write nesting=1; known are nesting, keyctl, fuse, mknod and force_rw_sys")
	rangeLike   = like(`^[1-9][0-9]{2,8}-[1-9][0-9]{2,8}$`, "a range of VMIDs", "write it as 20000-29999")
)

// validHost reports whether s is a host name that both DNS and Proxmox take.
func validHost(s string) bool { return len(s) <= 253 && hostLike.match(s) }

// labels gives a pattern of host names its quicker way.
func labels(p *pattern) *pattern {
	p.plain = func(s string) bool {
		for more := true; more; {
			var label string
			label, s, more = strings.Cut(s, ".")
			if len(label) > 63 || !spelled(label, "a-z0-9", "-") || label[len(label)-1] == '-' {
				return false
			}
		}
		return true
	}
	return p
}

// hostLabel makes a login fit for a host name: jean.dupont becomes jean-dupont.
func hostLabel(login string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r == '.' || r == '_' {
			return '-'
		}
		return r
	}, login), "-")
}

// plainLetters takes the accents off: Hélène becomes Helene.
func plainLetters(s string) string {
	if isASCII(s) {
		return s
	}
	plain, _, err := transform.String(transform.Chain(norm.NFD, runes.Remove(runes.In(unicode.Mn)), norm.NFC), s)
	if err != nil {
		return s
	}
	return plain
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// tag makes a text into a Proxmox tag: [a-z0-9_][a-z0-9_+.-]*. Proxmox lowers
// tags itself; what it would refuse becomes a dash.
func tag(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '_', r == '-', r == '+', r == '.':
			return r
		default:
			return '-'
		}
	}, strings.ToLower(plainLetters(s)))
	return strings.TrimLeft(s, "-+.")
}
