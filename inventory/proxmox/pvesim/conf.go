package pvesim

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Conf is a guest's configuration file under /etc/pve.
type Conf struct {
	Section
	Pending   *Section // changes that wait for the guest to stop
	Snapshots []Section
}

// Section is the main part of a configuration, the pending one or a snapshot.
type Section struct {
	Name   string
	Values map[string]string // by option; "description" is plain text
	Raw    [][2]string       // lxc.* lines in their order
}

func newConf(values map[string]string) *Conf {
	c := &Conf{Section: Section{Values: map[string]string{}}}
	maps.Copy(c.Values, values)
	return c
}

func (s Section) clone() Section {
	return Section{Name: s.Name, Values: maps.Clone(s.Values), Raw: slices.Clone(s.Raw)}
}

// String writes the file as the node has it: the description as "#" lines,
// options sorted, raw lines, and then the sections.
func (c *Conf) String() string {
	var b strings.Builder
	c.Section.write(&b)
	if c.Pending != nil && len(c.Pending.Values) > 0 {
		b.WriteString("\n[pve:pending]\n")
		c.Pending.write(&b)
	}
	snaps := slices.SortedFunc(slices.Values(c.Snapshots), func(x, y Section) int { return strings.Compare(x.Name, y.Name) })
	for _, s := range snaps {
		fmt.Fprintf(&b, "\n[%s]\n", s.Name)
		s.write(&b)
	}
	return b.String()
}

func (s Section) write(b *strings.Builder) {
	// Perl's split drops what is empty at the end.
	if text := strings.TrimRight(s.Values["description"], "\n"); text != "" {
		for line := range strings.SplitSeq(text, "\n") {
			b.WriteString("#" + encodeText(line) + "\n")
		}
	}
	for _, k := range slices.Sorted(maps.Keys(s.Values)) {
		if k != "description" {
			fmt.Fprintf(b, "%s: %s\n", k, strings.TrimPrefix(s.Values[k], " "))
		}
	}
	for _, kv := range s.Raw {
		fmt.Fprintf(b, "%s: %s\n", kv[0], kv[1])
	}
}

// Digest is what the API calls so: the SHA-1 of the file.
func (c *Conf) Digest() string {
	sum := sha1.Sum([]byte(c.String()))
	return hex.EncodeToString(sum[:])
}

var (
	sectionLine = regexp.MustCompile(`^\[([A-Za-z][A-Za-z0-9:_-]*)\]\s*$`)
	rawLine     = regexp.MustCompile(`^(lxc\.[a-zA-Z0-9_\-.]+)\s*[:=]\s*(.*?)\s*$`)
	// An empty value is written as nothing and read back as the one space after
	// the colon; so the server's own expression has it, and so it answers.
	optionLine = regexp.MustCompile(`^([a-z][a-z_0-9]*):\s*(.+?)\s*$`)
)

// ParseConf reads a guest's file. kind is "lxc" or "qemu": of a container's
// description each line ends in a newline, of a machine's the last one does not.
func ParseConf(kind, text string) (*Conf, error) {
	c := newConf(nil)
	section := &c.Section
	sections := []*Section{}
	for i, line := range strings.Split(text, "\n") {
		if m := sectionLine.FindStringSubmatch(line); m != nil {
			section = &Section{Name: m[1], Values: map[string]string{}}
			sections = append(sections, section)
			continue
		}
		if !section.parseLine(strings.TrimRight(line, "\r")) {
			return nil, fmt.Errorf("cannot read line %d of a guest's configuration", i+1)
		}
	}
	for _, s := range sections {
		s.endDescription(kind)
		if s.Name == "pve:pending" {
			c.Pending = s
		} else {
			c.Snapshots = append(c.Snapshots, *s)
		}
	}
	c.endDescription(kind)
	return c, nil
}

func (s *Section) parseLine(line string) bool {
	if text, ok := strings.CutPrefix(line, "#"); ok {
		s.Values["description"] += decodeText(text) + "\n"
		return true
	}
	if m := rawLine.FindStringSubmatch(line); m != nil {
		s.Raw = append(s.Raw, [2]string{m[1], m[2]})
		return true
	}
	if m := optionLine.FindStringSubmatch(line); m != nil {
		s.Values[m[1]] = m[2]
		return true
	}
	return strings.TrimSpace(line) == ""
}

func (s *Section) endDescription(kind string) {
	if kind == "qemu" && s.Values["description"] != "" {
		s.Values["description"] = strings.TrimSuffix(s.Values["description"], "\n")
	}
}

// encodeText percent-encodes what the server does: control and non-ASCII
// bytes, "%" and ":".
func encodeText(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '%' || c == ':' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// decodeText undoes it and leaves alone what is not an escape.
func decodeText(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// unescape decodes a path's percent escapes.
func unescape(path string) string { return decodeText(path) }
