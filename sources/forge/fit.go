package forge

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// Link is an address of at most n characters that a status may lead to: on the web,
// and spelled in characters that no forge gives back as others. Of any other nothing
// is left, for the verdict matters more than where it leads.
func Link(address string, n int) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || len(address) > n {
		return ""
	}
	if strings.ContainsFunc(address, func(r rune) bool {
		return r <= ' ' || r >= utf8.RuneSelf || r == 0x7f || strings.ContainsRune("\"'<>`\\", r)
	}) {
		return ""
	}
	return address
}
