package proxmox

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/provost-dev/provost/inventory"
)

// unfit says which attribute of a guest would mean something else once it stands
// in a path, a property string or a file of Proxmox, or "". Declarations are
// checked where they are read, so that their author hears of a line; this is the
// second door, for whatever comes another way. What stands already is not judged.
func unfit(ch inventory.Change) string {
	for _, attr := range sortedKeys(ch.After.Attrs) {
		value := ch.After.Attrs[attr]
		if ch.Before != nil && ch.Before.Attrs[attr] == value {
			continue
		}
		if wrong := unfitValue(attr, value); wrong != "" {
			return fmt.Sprintf("%s %q %s", attr, truncate(value, 60), wrong)
		}
	}
	return ""
}

// mostLine is in bytes; all tags of a guest are the longest line that there is.
const mostLine = 4096

func unfitValue(attr, value string) string {
	has := func(letters string) bool { return strings.ContainsAny(value, letters) }
	part, _, dotted := strings.Cut(attr, ".")
	switch {
	case attr == "description", attr == "sshkeys", attr == "create.sshkeys":
		if !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
			return "holds more than lines of text"
		}
	case strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }) || !utf8.ValidString(value) || len(value) > mostLine:
		return "is no line of text that Proxmox keeps"
	case attr == "vmid", attr == "disk", attr == "cores", attr == "memory", attr == "swap":
		if strings.Trim(value, "0123456789.") != "" {
			return "is no number"
		}
	case attr == "node", attr == "name", attr == "type", attr == "storage":
		if has("/,= %?#") || value == "." || value == ".." {
			return "is no name that Proxmox knows"
		}
	case dotted && netKey.MatchString(part):
		if has(",= ") {
			return "would be taken for several properties"
		}
	}
	return ""
}
